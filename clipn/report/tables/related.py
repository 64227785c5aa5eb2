"""What others published for the ID datasets of a study and it does not measure, by what their methods need."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from clipn.data.registry import OFFICIAL
from clipn.metrics import CONVENTION
from clipn.report.formatting import HEADINGS, MISSING, convention_sentence, dataset_title, fixed, is_average
from clipn.report.published_numbers import MEASURES, RECORDED
from clipn.report.tables.printed import Cell, PrintedTable, cell
from clipn.report.tables.verdict import OTHER_STUDY, compared_rows

NEEDS = {
    "zero-shot": "These methods need nothing but the names of the classes.",
    "words": "These methods need words of a list, too.",
    "language model": "These methods need words that a language model wrote.",
    "trained": "These methods are trained on images.",
    "test-time": "These methods adapt to the test images: their numbers depend on the order and the mix of ID and OOD.",
}
"""What methods of each kind need, as a sentence."""
_LABELS = ("method", "backbone", "source")
_SHARED = ("id", "ood_version", "convention", "method_kind")


def related_tables(table: pd.DataFrame, titles: Mapping[str, str]) -> list[PrintedTable]:
    """One table per ID dataset, image lists, convention and kind of method: methods down, OOD sets across.

    Only of ID datasets for which the study measured a published number; single runs are left out.

    Args:
        table: of `clipn.report.tables.published.published_table`.
        titles: printed names of datasets; an identifier without one stays as it is.
    """
    met = compared_rows(table[table["kind"] != RECORDED])["id"]
    rows = table[(table["verdict"] == OTHER_STUDY) & table["id"].isin(met) & table["run"].isna()]
    # AUROC has no convention: it stands with the FPR95 of its source, or without one with those of most.
    conventions = rows.groupby(["id", "ood_version", *_LABELS])["convention"].transform("max").replace("", CONVENTION)
    ordered = rows.assign(convention=conventions, others=rows["ood_version"] != OFFICIAL)
    groups = ordered.sort_values("others", kind="stable").groupby([*_SHARED], sort=False)
    return [_related(group, titles) for _, group in groups]


def _related(rows: pd.DataFrame, titles: Mapping[str, str]) -> PrintedTable:
    ood_datasets = sorted(dict.fromkeys(rows["ood"]), key=is_average)
    id_dataset, version, convention, kind = (str(rows[key].iloc[0]) for key in _SHARED)
    lists = "" if version == OFFICIAL else f", image lists {version}"
    reading = "" if convention == CONVENTION else f" {convention_sentence(convention)}"
    return PrintedTable(
        f"ID: {dataset_title(id_dataset, titles)}{lists}; {kind}; published, not measured in this study",
        f"AUROC / FPR95 in percent, as printed. {NEEDS[kind]}{reading}",
        tuple(HEADINGS.get(key, "Source") for key in _LABELS),
        tuple(dataset_title(ood, titles) for ood in ood_datasets),
        tuple(_lines(rows, ood_datasets)),
    )


def _lines(rows: pd.DataFrame, ood_datasets: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    for _, group in rows.groupby([*_LABELS], sort=False):
        numbers = {(row["ood"], row["measure"]): fixed(row["published"]) for row in group.to_dict("records")}
        names = (str(group[key].iloc[0]) for key in ("method_title", "backbone", "source"))
        values = [[numbers.get((ood, measure), MISSING) for measure in MEASURES] for ood in ood_datasets]
        cells = (cell(MISSING) if set(pair) == {MISSING} else cell(*pair) for pair in values)
        yield (*map(cell, names), *cells)
