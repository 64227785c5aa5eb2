"""Measured numbers beside the published ones: what agrees, what differs, what nobody published."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from clipn.errors import ClipnError
from clipn.evaluation.evaluate import OFFICIAL
from clipn.metrics import CONVENTION
from clipn.report.formatting import HEADINGS, MISSING, convention_sentence, fixed, label, signed, spread
from clipn.report.published_numbers import MEASURES, Entry, PublishedNumbers
from clipn.report.tables.aggregate import Row, grouped
from clipn.report.tables.printed import Cell, PrintedTable, cell, to_markdown

AGREES = "agrees"
DIFFERS = "differs"
UNPUBLISHED = "not published"
OTHER_STUDY = "not comparable: other study"

_TEXTS = ("study", "id", "ood", "backbone", "variant", "prompts", "method", "measure", "kind", "source", "verdict")
_NUMBERS = ("measured", "published", "difference", "sd", "low", "high", "tolerance")
_COLUMNS = (
    "study,id,ood,backbone,variant,prompts,method,measure,run,measured,published,difference,sd,low,high,runs,tolerance,"
    "kind,source,verdict"
)
_KEYS = ("id", "ood", "backbone", "variant", "prompts", "method", "measure")
_LABELS = ("method", "backbone", "variant", "prompts", "run", "ood")
_PARTS = {"measured": "", "published": " published", "difference": " difference"}
_MEASURE_TITLES = {"auroc": "AUROC", "fpr95": "FPR95"}
_ROUNDING = 1e-9
"""Percentage points that are float noise: 64.4 - 63.4 is more than 1."""


def published_table(
    measured: pd.DataFrame, runs: pd.DataFrame, published: PublishedNumbers, study: str
) -> pd.DataFrame:
    """Compare the numbers of one study with the published ones, AUROC and FPR95 in percent.

    Args:
        measured: one row per measure, means over seeds: `study,id,ood,ood_version,backbone,source,variant,prompts,
            method,measure,convention,mean,sd,low,high,runs`; `source` is the backbone's ARCHITECTURE/TAG; AUROC, which
            needs none, may have an empty convention.
        runs: the same of single runs with their `seed`; `sd,low,high,runs` may be absent.
        published: what is known.
        study: name of the study.

    Returns:
        First the published numbers in their order, each with the rows of `measured` that it meets (a single run
        with those of `runs`) or once without; then the rest of `measured`. `backbone` is ARCHITECTURE/TAG,
        `difference` measured less published. A number agrees when it differs by `tolerance` points at most. Where
        no entry names the study, every verdict says so. Image lists but the official one and other conventions are
        left out.

    Raises:
        ClipnError: a row is of another study.
    """
    means, singles = (_comparable(table, study) for table in (measured, runs))
    rows: list[Row] = []
    for entry in published.entries:
        rows += _against(entry, means if entry.run is None else singles, published, study)
    # Only means are listed as not published: every seed beside its mean would swamp the table.
    met = {tuple(row[key] for key in _KEYS) for row in rows if "measured" in row and row["run"] is None}
    rows += [row | {"verdict": UNPUBLISHED} for row in means if tuple(row[key] for key in _KEYS) not in met]
    texts = dict.fromkeys(_TEXTS, "") | {"study": study}
    table = pd.DataFrame([texts | row for row in rows], columns=_COLUMNS.split(","))
    if study not in published.studies:
        # Nobody published anything for such a study, so "not published" would be no news of a number.
        table["verdict"] = f"not comparable: study {study}"
    return table.astype(dict.fromkeys(_TEXTS, str) | dict.fromkeys(_NUMBERS, float) | {"run": "Int64", "runs": "Int64"})


def is_comparable(table: pd.DataFrame) -> bool:
    """Whether some published number stands for what this study does."""
    return bool(table["verdict"].isin([AGREES, DIFFERS, UNPUBLISHED, OTHER_STUDY]).all())


def counts(table: pd.DataFrame) -> str:
    """One sentence on how many cells of `published_table` agree; AUROC and FPR95 count apart."""
    if not is_comparable(table):
        study = table["study"].iloc[0]
        reason = "none of them stands for its data and backbones"
        return f"Study {study} is not comparable with the published numbers: {reason}."
    agree, differ, unpublished, others = (
        int((table["verdict"] == verdict).sum()) for verdict in (AGREES, DIFFERS, UNPUBLISHED, OTHER_STUDY)
    )
    return (
        f"{agree} cell{'s agree' if agree != 1 else ' agrees'}, {differ} differ{'' if differ != 1 else 's'}, "
        f"{unpublished} {'are' if unpublished != 1 else 'is'} not published, "
        f"{others} published {'have' if others != 1 else 'has'} no counterpart in this study."
    )


def printed_published(table: pd.DataFrame, titles: Mapping[str, str]) -> list[PrintedTable]:
    """The published part of `published_table` for people: one table per ID dataset and source.

    AUROC and FPR95 stand side by side; columns without content are left out.

    Args:
        table: of one study.
        titles: printed names of datasets; an identifier without one stays as it is.
    """
    verdicts = ("Verdict",) if is_comparable(table) else ()
    tables = []
    for (id_dataset, source), group in table[table["published"].notna()].groupby(["id", "source"], sort=False):
        labels = [key for key in _LABELS if group[key].map(_is_given).any()]
        parts = {key: name for key, name in _PARTS.items() if group[key].notna().any()}
        measures = [measure for measure in MEASURES if (group["measure"] == measure).any()]
        lines = []
        for rows in grouped(_records(group), _LABELS).values():
            by_measure = {row["measure"]: row for row in rows}
            names = [label(key, rows[0][key], titles) if _is_given(rows[0][key]) else MISSING for key in labels]
            numbers = [_number(by_measure.get(measure), part) for measure in measures for part in parts]
            found = [row["verdict"] for row in rows]
            # AUROC and FPR95 mostly share their verdict, which then stands there once.
            shown = found if len(set(found)) > 1 else found[:1]
            verdict = Cell(tuple((word, word == DIFFERS) for word in shown))
            lines.append((*map(cell, names), *numbers, *(verdict for _ in verdicts)))
        title = f"ID: {label('id', id_dataset, titles)}; {group['kind'].iloc[0]}: {source}"
        columns = (f"{_MEASURE_TITLES[measure]}{name}" for measure in measures for name in parts.values())
        headings = tuple(HEADINGS[key] for key in labels)
        tables.append(PrintedTable(title, "", headings, (*columns, *verdicts), tuple(lines)))
    return tables


def published_markdown(table: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """`printed_published` below what they say and how many cells agree; arguments as there."""
    comparable = is_comparable(table)
    note = (
        "AUROC (higher is better) / FPR95 (lower is better) in percent: measured mean ± sample SD over runs "
        "[95 % bootstrap interval over images], published, and measured less published (± tolerance). "
        f"{convention_sentence(CONVENTION)} What nobody published stands in the other tables."
    )
    head = [f"**Measured and published, study: {table['study'].iloc[0]}**", *([note] if comparable else [])]
    parts = [f"{part}\n" for part in (*head, counts(table))]
    return "\n".join([*parts, *map(to_markdown, printed_published(table, titles))])


def _comparable(table: pd.DataFrame, study: str) -> list[Row]:
    """Rows that can be compared, named as in the result, with `seed` where there is one."""
    # Tolerances are those of one study, so rows of another would be judged by the wrong ones.
    others = set(table["study"]) - {study}
    if others:
        raise ClipnError(f"published numbers: got rows of study {min(others)!r}; compare those of {study!r} alone")
    official = (table["ood_version"] == OFFICIAL) & table["convention"].isin(["", CONVENTION])
    # The study may call a backbone as it likes; published numbers name the weights.
    rows = table[official & table["measure"].isin(MEASURES)].drop(columns="backbone")
    rows = rows.rename(columns={"source": "backbone", "mean": "measured"})
    kept = [*_KEYS, "seed", "measured", "sd", "low", "high", "runs"]
    return _records(rows[rows.columns.intersection(kept)])


def _against(entry: Entry, rows: list[Row], published: PublishedNumbers, study: str) -> Iterator[Row]:
    """An entry's numbers, each with every row that it meets, or alone."""
    met = [row for row in rows if study in entry.compare and _meets(entry, row)]
    by_cell = grouped(met, ("ood", "measure"))
    names = entry.model_dump(include={"id", "backbone", "method", "run", "kind", "source"})
    # Empty where the source does not say; the measured `row` below puts its own pool in.
    names["prompts"] = entry.prompts or ""
    for ood, measure, value in entry.values():
        number = names | {"ood": ood, "measure": measure, "published": value}
        if (ood, measure) not in by_cell:
            yield number | {"verdict": OTHER_STUDY}
            continue
        tolerance = published.tolerance(entry, study, ood, measure)
        for row in by_cell[ood, measure]:
            difference = row["measured"] - value
            verdict = AGREES if abs(difference) <= tolerance + _ROUNDING else DIFFERS
            yield number | {"runs": 1} | row | {"difference": difference, "tolerance": tolerance, "verdict": verdict}


def _meets(entry: Entry, row: Row) -> bool:
    """Whether a row is what the entry's numbers stand for."""
    return (
        (row["id"], row["backbone"], row["method"]) == (entry.id, entry.backbone, entry.method)
        and row.get("seed") == entry.run
        and (entry.runs is None or row["runs"] >= entry.runs)
        and (entry.prompts is None or row["prompts"] == entry.prompts)
        and (not entry.variants or row["variant"] in entry.variants)
    )


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _is_given(value: Any) -> bool:
    return not (pd.isna(value) or value == "")


def _number(row: Row | None, part: str) -> Cell:
    """A measured number with its deviation and interval, a published one, or their difference with its tolerance."""
    if row is None or math.isnan(row[part]):
        return cell(MISSING)
    if part == "difference":
        return cell(f"{signed(row[part])} (± {fixed(row['tolerance'])})")
    if part == "published" or math.isnan(row["low"]):
        return cell(spread(row[part], math.nan if part == "published" else row["sd"]))
    return cell(f"{spread(row[part], row['sd'])} [{fixed(row['low'])}, {fixed(row['high'])}]")
