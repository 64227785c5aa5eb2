"""Measured numbers beside recorded and published ones: what is equal, agrees or differs, what nobody published."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from clipn.data.registry import OFFICIAL
from clipn.errors import ClipnError
from clipn.metrics import CONVENTION
from clipn.report.formatting import HEADINGS, MISSING, convention_sentence, fixed, label, signed, spread
from clipn.report.published_numbers import (
    DECIMALS,
    MEASURES,
    RECORDED,
    AnyEntry,
    PublishedNumbers,
    RecordedEntry,
)
from clipn.report.tables.aggregate import Row, grouped
from clipn.report.tables.printed import Cell, PrintedTable, cell, to_markdown
from clipn.report.tables.related import related_tables
from clipn.report.tables.verdict import (
    AGREES,
    DIFFERS,
    EQUAL,
    NOT_MEASURED,
    OTHER_STUDY,
    UNPUBLISHED,
    compared_rows,
    sentences,
)
from clipn.scores import FITTED

_TEXTS = (
    "study", "id", "ood", "ood_version", "backbone", "variant", "prompts", "method", "method_title", "method_kind",
    "measure", "convention", "kind", "source", "verdict",
)  # fmt: skip
_NUMBERS = ("measured", "published", "difference", "sd", "low", "high", "tolerance")
_COLUMNS = (
    "study,id,ood,ood_version,backbone,variant,prompts,method,method_title,method_kind,measure,convention,run,measured,"
    "published,difference,sd,low,high,runs,tolerance,kind,source,verdict"
)
_KEYS = ("id", "ood", "backbone", "variant", "prompts", "method", "measure", "convention")
_LABELS = ("method", "backbone", "variant", "prompts", "run", "ood")
_PARTS = {"measured": "", "published": " {kind}", "difference": " difference"}
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
        published: what is known; what is recorded of other studies is left out.
        study: name of the study.

    Returns:
        First the recorded numbers, then the published ones that name the study, each in their order with the rows of
        `measured` that it meets (a single run with those of `runs`) or once without; then the rest of `measured`;
        last the published numbers that name other studies; within each part by the kind of method. `backbone` is
        ARCHITECTURE/TAG, or the name of one that is trained here; `difference` measured less published. A number agrees
        when it differs by `tolerance` points at most; one that is the same as the recorded one, to its last decimal, is
        equal. Rows of `measured` with other image lists than the official one, or conventions that no number of the
        study has, are left out.

    Raises:
        ClipnError: a row is of another study.
    """
    entries = [entry for entry in published.entries if entry.kind != RECORDED or study in entry.compare]
    entries.sort(key=lambda entry: published.kind_order(entry.method))
    here = sorted((entry for entry in entries if study in entry.compare), key=lambda entry: entry.kind != RECORDED)
    conventions = {entry.convention for entry in here} or {CONVENTION}
    means, singles = (comparable(table, study, conventions) for table in (measured, runs))
    rows: list[Row] = []
    for entry in here:
        rows += _against(entry, means if entry.run is None else singles, published, study)
    # Only means are listed as not published: every seed beside its mean would swamp the table.
    met = {tuple(row[key] for key in _KEYS) for row in rows if "measured" in row and row["run"] is None}
    means.sort(key=lambda row: published.kind_order(row["method"]))
    rows += [row | {"verdict": UNPUBLISHED} for row in means if tuple(row[key] for key in _KEYS) not in met]
    for entry in entries:
        rows += _alone(entry, OTHER_STUDY) if study not in entry.compare else ()
    return _framed(rows, published, study)


def _framed(rows: Iterable[Row], published: PublishedNumbers, study: str) -> pd.DataFrame:
    """Rows as a table, each with the printed name and the kind of its method."""
    texts = dict.fromkeys(_TEXTS, "") | {"study": study, "ood_version": OFFICIAL}
    table = pd.DataFrame([texts | row for row in rows], columns=_COLUMNS.split(","))
    table = table.assign(
        method_title=[published.method_title(method) for method in table["method"]],
        method_kind=[published.method_kind(method) or "" for method in table["method"]],
    )
    return table.astype(dict.fromkeys(_TEXTS, str) | dict.fromkeys(_NUMBERS, float) | {"run": "Int64", "runs": "Int64"})


def printed_published(table: pd.DataFrame, titles: Mapping[str, str]) -> list[PrintedTable]:
    """`published_table` for people: what was compared, then what others published for the same ID datasets.

    One table per ID dataset, kind of method and source that a number met, AUROC and FPR95 side by side; columns without
    content are left out. Then those of `related_tables`.

    Args:
        table: of one study.
        titles: printed names of datasets; an identifier without one stays as it is.
    """
    tables = []
    # What others published and nothing met stands in `related_tables`.
    expected = table[table["published"].notna() & (table["verdict"] != OTHER_STUDY)]
    keys = ["id", "method_kind", "source"]
    for (id_dataset, method_kind, source), group in expected.groupby(keys, sort=False):
        if compared_rows(group).empty:
            continue
        labels = [key for key in _LABELS if group[key].map(_is_given).any()]
        kind = str(group["kind"].iloc[0])
        word = kind if kind == RECORDED else "published"
        parts = {key: name.format(kind=word) for key, name in _PARTS.items() if group[key].notna().any()}
        measures = [measure for measure in MEASURES if (group["measure"] == measure).any()]
        lines = []
        for rows in grouped(_records(group), _LABELS).values():
            by_measure = {row["measure"]: row for row in rows}
            texts = rows[0] | {"method": rows[0]["method_title"]}
            names = [label(key, texts[key], titles) if _is_given(texts[key]) else MISSING for key in labels]
            numbers = [_number(by_measure.get(measure), part) for measure in measures for part in parts]
            found = [row["verdict"] for row in rows]
            # AUROC and FPR95 mostly share their verdict, which then stands there once.
            shown = found if len(set(found)) > 1 else found[:1]
            verdict = Cell(tuple((word, word == DIFFERS) for word in shown))
            lines.append((*map(cell, names), *numbers, verdict))
        title = f"ID: {label('id', id_dataset, titles)}; {method_kind}; {kind}: {source}"
        columns = (f"{_MEASURE_TITLES[measure]}{name}" for measure in measures for name in parts.values())
        headings = tuple(HEADINGS[key] for key in labels)
        tables.append(PrintedTable(title, "", headings, (*columns, "Verdict"), tuple(lines)))
    return [*tables, *related_tables(table, titles)]


def published_markdown(table: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """`printed_published` below the verdict; arguments as there."""
    conventions = filter(None, compared_rows(table)["convention"].unique())
    note = (
        "AUROC (higher is better) / FPR95 (lower is better) in percent: measured mean ± sample SD over runs "
        "[95 % bootstrap interval over images], recorded or published, and measured less that (± tolerance). "
        f"{' '.join(map(convention_sentence, conventions))} What nobody recorded or published stands in the other "
        "tables. Methods stand apart by what they need beside the names of the classes: nothing (zero-shot), words of "
        "a list, words by a language model, training on images, or the test images themselves (test-time)."
    )
    verdict, *others = sentences(table)
    head = f"**Measured against recorded and published numbers, study: {table['study'].iloc[0]}**"
    tables = printed_published(table, titles)
    parts = [f"{part}\n" for part in (f"**{verdict}**", *others, head, *([note] if tables else []))]
    return "\n".join([*parts, *map(to_markdown, tables)])


def comparable(table: pd.DataFrame, study: str, conventions: Collection[str] = (CONVENTION,)) -> list[Row]:
    """Rows that can be compared, named as in the result, with `seed` where there is one.

    `named` is what the study calls the backbone. FPR95 is that of some conventions. Other arguments and errors as of
    `published_table`.
    """
    # Tolerances are those of one study, so rows of another would be judged by the wrong ones.
    others = set(table["study"]) - {study}
    if others:
        raise ClipnError(f"published numbers: got rows of study {min(others)!r}; compare those of {study!r} alone")
    official = (table["ood_version"] == OFFICIAL) & table["convention"].isin(["", *conventions])
    # Published numbers of these methods are zero-shot ones.
    official &= ~table["variant"].str.startswith(FITTED)
    # The study may call a backbone as it likes; published numbers name the weights.
    rows = table[official & table["measure"].isin(MEASURES)]
    rows = rows.rename(columns={"backbone": "named", "source": "backbone", "mean": "measured"})
    rows = rows.assign(convention=rows["convention"].where(rows["measure"] == "fpr95", ""))
    kept = [*_KEYS, "named", "seed", "measured", "sd", "low", "high", "runs"]
    return _records(rows[rows.columns.intersection(kept)])


def _alone(entry: AnyEntry, verdict: str) -> Iterator[Row]:
    """An entry's numbers beside nothing."""
    keys = ("id", "ood_version", "backbone", "method", "run", "kind", "source")
    names = {key: getattr(entry, key) for key in keys}
    # Empty where the source does not say; a measured row puts its own in.
    names |= {"prompts": entry.prompts or "", "variant": getattr(entry, "variant", "")}
    for ood, measure, value in entry.values():
        convention = entry.convention if measure == "fpr95" else ""
        number = {"ood": ood, "measure": measure, "convention": convention, "published": value}
        yield names | number | {"verdict": verdict}


def _against(entry: AnyEntry, rows: list[Row], published: PublishedNumbers, study: str) -> Iterator[Row]:
    """An entry's numbers, each with every row that it meets, or alone."""
    by_cell = grouped((row for row in rows if _meets(entry, row)), ("ood", "measure", "convention"))
    for number in _alone(entry, NOT_MEASURED if entry.kind == RECORDED else OTHER_STUDY):
        met = by_cell.get((number["ood"], number["measure"], number["convention"]))
        if met is None:
            yield number
            continue
        tolerance = published.tolerance(entry, study, number["ood"], number["measure"])
        for row in met:
            yield number | {"runs": 1} | row | _judged(entry, row["measured"], number["published"], tolerance)


def _judged(entry: AnyEntry, measured: float, value: float, tolerance: float) -> Row:
    """Difference, tolerance and verdict."""
    if entry.kind == RECORDED:
        measured = round(measured, DECIMALS)
    difference = measured - value
    agrees = abs(difference) <= tolerance + _ROUNDING
    equal = entry.kind == RECORDED and difference == 0
    verdict = EQUAL if equal else AGREES if agrees else DIFFERS
    return {"difference": difference, "tolerance": tolerance, "verdict": verdict}


def _meets(entry: AnyEntry, row: Row) -> bool:
    """Whether a row is what the entry's numbers stand for."""
    if (row["id"], row["method"]) != (entry.id, entry.method):
        return False
    if isinstance(entry, RecordedEntry):
        names = ("variant", "prompts", "runs")
        return row["named"] == entry.backbone and all(row[name] == getattr(entry, name) for name in names)
    return (
        row["backbone"] == entry.backbone
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
