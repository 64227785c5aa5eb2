"""Published numbers of later methods: what they are, that their kinds stand apart, and that protocols never mix."""

from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.report.formatting import AVERAGE
from clipn.report.published_numbers import METHOD_KINDS, Entry, PublishedNumbers, load_published
from clipn.report.tables.printed import PrintedTable
from clipn.report.tables.published import printed_published, published_markdown
from clipn.scores import SCORES
from clipn.study.loading import load_study
from tests.report.test_published import BASELINE, CLOSE, OTHERS, PUBLISHED, compare, measurements

KINDS = {
    "MCM": "zero-shot",
    "GL-MCM": "zero-shot",
    "NegLabel": "words",
    "CSP": "words",
    "EOE": "language model",
    "NegRefine": "language model",
    "CLIPN-ATD": "trained",
    "LAPT": "trained",
    "LoCoOp": "trained",
    "NegPrompt": "trained",
    "ID-Like": "trained",
    "CLIPScope": "test-time",
    "AdaNeg": "test-time",
    "InterNeg": "test-time",
}
INTERNEG = "InterNeg (CVPR 2026), Table 1"
TITLES = {"imagenet": "ImageNet-1K", "openood_imagenet": "ImageNet-1K (OpenOOD)"}


def first(method: str, study: str) -> Entry:
    return next(entry for entry in OTHERS if entry.method == method and study in entry.compare)


def printed(study: str, *methods: str) -> list[PrintedTable]:
    """Printed comparison of a study that measured just what is published of some methods."""
    measured = [row for method in methods for row in measurements(first(method, study), study)]
    return printed_published(compare(measured, [], study), TITLES)


def methods(table: PrintedTable) -> set[str]:
    return {line[0].parts[0][0] for line in table.lines}


def test_every_later_method_has_its_kind() -> None:
    named = {PUBLISHED.method_title(entry.method): PUBLISHED.method_kind(entry.method) for entry in OTHERS}
    assert named.items() >= KINDS.items()
    assert set(named) - set(KINDS) == {"CLIPN-CTW", "MaxLogit"}


@pytest.mark.parametrize(
    ("method", "source", "auroc", "fpr95"),
    [
        ("mcm", INTERNEG, [94.59, 92.25, 90.31, 86.12, 90.82], [32.20, 38.80, 46.20, 58.50, 43.93]),
        ("gl_mcm", "AMCN (ICML 2025)", [96.71, 93.09, 89.90, 83.63, 90.83], [15.16, 30.42, 38.85, 57.93, 35.59]),
        ("csp", INTERNEG, [99.60, 96.66, 92.90, 93.86, 95.76], [1.54, 13.66, 29.32, 25.52, 17.51]),
        ("negrefine", "README of NegRefine, seed 0", [99.57, 94.64, 90.42, 94.69], [1.51, 22.93, 39.10, 21.15]),
        ("lapt", INTERNEG, [99.63, 96.01, 92.01, 91.06, 94.68], [1.16, 19.12, 33.01, 40.32, 23.40]),
        ("interneg", INTERNEG, [99.79, 98.68, 95.01, 96.26, 97.43], [0.40, 6.78, 27.11, 21.85, 14.04]),
    ],
)
def test_numbers_are_those_of_their_source(method: str, source: str, auroc: list[float], fpr95: list[float]) -> None:
    (entry,) = (entry for entry in OTHERS if (entry.method, entry.source) == (method, source))
    oods = ["inaturalist", "sun", "places", "textures", AVERAGE][: len(auroc)]
    assert entry.cells == {ood: [area, rate] for ood, area, rate in zip(oods, auroc, fpr95, strict=True)}


@pytest.mark.parametrize("method", SCORES)
def test_the_kind_of_an_own_method_follows_from_its_needs(method: str) -> None:
    expected = {"ctw": "trained", "atd": "trained", "neglabel": "words"}
    alone = PublishedNumbers()
    assert method not in {*expected} or alone.method_kind(method) == expected[method]
    assert alone.method_kind(method) in METHOD_KINDS


def test_what_is_entered_of_a_method_goes_before_its_needs() -> None:
    numbers = PublishedNumbers.model_validate({"methods": {"mcm": {"title": "M", "kind": "words"}}})
    assert (numbers.method_kind("mcm"), numbers.method_title("mcm")) == ("words", "M")
    assert (numbers.method_kind("energy"), numbers.method_kind("imported")) == ("zero-shot", None)


def test_no_table_holds_methods_of_two_kinds() -> None:
    tables = printed("paper", "mcm", "neglabel", "atd")
    for table in tables:
        (kind,) = {KINDS.get(method, "trained") for method in methods(table)}
        assert f"; {kind}; " in table.title
    related = [table for table in tables if "not measured" in table.title]
    assert [methods(table) for table in related if "negrefine_clean" not in table.title] == [
        {"GL-MCM"},
        {"CSP"},
        {"EOE", "NegRefine"},
        {"CLIPN-CTW", "LAPT", "LoCoOp", "NegPrompt", "ID-Like"},
        {"CLIPScope", "AdaNeg", "InterNeg"},
    ]
    assert [table.title.split("; ")[1] for table in related] == [*METHOD_KINDS, *METHOD_KINDS[:-1]]


def test_rows_of_the_csv_are_grouped_by_kind() -> None:
    kinds = list(compare([], [], "paper")["method_kind"])
    # Once those that name the study, once those of other studies.
    changes = [kind for kind, before in zip(kinds, ["", *kinds[:-1]], strict=True) if kind != before]
    assert changes == [*METHOD_KINDS[:4], *METHOD_KINDS]


def test_others_stand_one_below_the_other_with_their_sources() -> None:
    (table,) = (
        table
        for table in printed("paper", "mcm")
        if table.title == "ID: ImageNet-1K; test-time; published, not measured in this study"
    )
    assert table.note.endswith(
        "These methods adapt to the test images: their numbers depend on the order and the mix of ID and OOD."
    )
    assert table.header == (
        "Method", "Backbone", "Source", "inaturalist", "sun", "places", "textures", "Average"
    )  # fmt: skip
    last = [[text for text, _ in cell.parts] for cell in table.lines[-1]]
    numbers = [["99.79", "0.40"], ["98.68", "6.78"], ["95.01", "27.11"], ["96.26", "21.85"], ["97.43", "14.04"]]
    assert last == [["InterNeg"], ["ViT-B-16/openai"], [INTERNEG], *numbers]


def test_a_cleaned_benchmark_stands_apart() -> None:
    tables = [table for table in printed("paper", "mcm") if "image lists negrefine_clean" in table.title]
    assert [table.header[3:] for table in tables] == [("Average",)] * 4
    cells = {line[0].parts[0][0]: tuple(text for text, _ in line[-1].parts) for table in tables for line in table.lines}
    assert cells == {
        "MCM": ("86.04", "52.59"),
        "GL-MCM": ("87.54", "44.46"),
        "NegLabel": ("89.33", "35.11"),
        "CSP": ("89.97", "34.47"),
        "NegRefine": ("91.79", "30.12"),
        "CLIPN-ATD": ("88.61", "39.39"),
    }


def test_a_study_that_measures_nothing_published_shows_nothing_of_others() -> None:
    assert printed("paper") == []


def test_openood_is_compared_in_its_own_convention() -> None:
    entry = first("neglabel", "openood")
    measured = [
        *measurements(entry, "openood", convention="clipn"),
        *measurements(entry, "openood", 0.5, convention="openood"),
    ]
    # AUROC has no convention, and is there once.
    rows = [row | ({"convention": ""} if row["measure"] == "auroc" else {}) for row in measured[1:10:2] + measured[10:]]
    table = compare(rows, [], "openood")
    met = table[table["id"] == "openood_imagenet"]
    assert dict(met.groupby("convention")["difference"].mean()) == pytest.approx({"": 0.5, "openood": 0.5})
    assert set(met["verdict"]) == {"agrees"}
    assert "Share of ID rejected at the first point" in published_markdown(table, TITLES)


def test_openood_s_sets_feed_no_table_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    paper, openood = (load_study(name) for name in ("paper", "openood"))
    assert set(paper.datasets).isdisjoint(openood.datasets)
    of_openood = [entry for entry in OTHERS if "openood" in entry.compare or entry.id == "openood_imagenet"]
    assert [(entry.id, entry.convention, set(entry.compare)) for entry in of_openood] == [
        ("openood_imagenet", "openood", {"openood"})
    ]
    assert set(of_openood[0].cells) == set(openood.pairs["openood_imagenet"])


def test_a_kind_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text("methods: {csp: {title: CSP, kind: few-shot}}\n")
    with pytest.raises(ClipnError, match=r"methods\.csp\.kind: Input should be 'zero-shot', 'words', .*got 'few-shot'"):
        load_published(path)


def test_a_recorded_number_is_of_a_method_of_this_pipeline() -> None:
    methods = {"lapt": {"title": "LAPT", "kind": "trained"}}
    recorded = {"kind": "recorded", "study": "demo", "commit": "0" * 7, "machine": "here", "tolerance": "close"}
    names = {"id": "cifar100", "backbone": "b", "variant": "none", "prompts": "single", "runs": 1}
    entry = recorded | names | {"method": "lapt", "cells": {"cifar10": [1, 2]}}
    with pytest.raises(ValueError, match="no such method; choose among msp"):
        PublishedNumbers.model_validate({"tolerances": CLOSE, "methods": methods, "entries": [entry]})
    other = BASELINE | {"method": "lapt"}
    PublishedNumbers.model_validate({"tolerances": CLOSE, "methods": methods, "entries": [other]})
