"""Published numbers: what the file holds, what it must not hold, and how measured numbers compare with it."""

import statistics
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clipn.data.registry import load_registry
from clipn.errors import ClipnError
from clipn.report.formatting import AVERAGE
from clipn.report.published_numbers import MEASURES, Entry, Measure, PublishedNumbers, load_published
from clipn.report.tables.published import published_markdown, published_table
from clipn.report.tables.verdict import sentences

ROOT = Path(__file__).parents[2]
PUBLISHED = load_published(ROOT / "config/published.yaml")
OTHERS = [entry for entry in PUBLISHED.entries if isinstance(entry, Entry)]
MEASURED = "study,id,ood,ood_version,backbone,source,variant,prompts,method,measure,convention,mean,sd,low,high,runs"
COLUMNS = (
    "study,id,ood,ood_version,backbone,variant,prompts,method,method_title,method_kind,measure,convention,run,measured,"
    "published,difference,sd,low,high,runs,tolerance,kind,source,verdict"
)
BASELINE = {
    "id": "cifar100",
    "backbone": "ViT-B-32/openai",
    "method": "max_logit",
    "kind": "restated",
    "source": "a note",
    "compare": {"paper": "close"},
    "cells": {"cifar10": [74.8]},
}
CLOSE = {"close": {"auroc": 1, "fpr95": 2, "reason": "stated"}}


def means(method: str) -> Entry:
    """The README's means of a method."""
    return next(entry for entry in OTHERS if entry.runs and entry.method == method)


def single_runs(method: str) -> list[Entry]:
    """The README's runs of a method."""
    return [entry for entry in OTHERS if entry.run is not None and entry.method == method]


def measurements(entry: Entry, study: str, shift: float = 0, **other: object) -> list[dict[str, Any]]:
    """Rows that hold the numbers of an entry, `shift` points higher."""
    names = {"study": study, "id": entry.id, "ood_version": "official", "backbone": "mine", "source": entry.backbone}
    names |= {"variant": entry.variants[-1] if entry.variants else "none", "prompts": entry.prompts or "single"}
    figures = {"method": entry.method, "sd": 0.5, "low": 0.0, "high": 100.0, "runs": 3}
    return [
        names | figures | {"ood": ood, "measure": measure, "mean": value + shift}
        | {"convention": "clipn" if measure == "fpr95" else ""} | other
        for ood, measure, value in entry.values()
    ]  # fmt: skip


def compare(
    measured: list[dict[str, Any]], runs: list[dict[str, Any]], study: str, published: PublishedNumbers = PUBLISHED
) -> pd.DataFrame:
    means = pd.DataFrame(measured, columns=MEASURED.split(","))
    singles = pd.DataFrame(runs, columns=[*means.columns, "seed"]).drop(columns=["sd", "low", "high", "runs"])
    return published_table(means, singles, published, study)


def readme(study: str, shift: float = 0) -> pd.DataFrame:
    """The comparison of a study that measured just what the README prints, `shift` points higher."""
    measured = [row for method in ("ctw", "atd") for row in measurements(means(method), study, shift)]
    runs = [
        row
        for method in ("ctw", "atd")
        for entry in single_runs(method)
        for row in measurements(entry, study, shift, seed=entry.run)
    ]
    return compare(measured, runs, study)


def one_entry(**changes: object) -> PublishedNumbers:
    return PublishedNumbers.model_validate({"tolerances": CLOSE, "entries": [BASELINE | changes]})


def off_by(entry: Entry, measure: Measure) -> float:
    """Printed average less the mean of the cells."""
    printed = entry.value(AVERAGE, measure)
    assert printed is not None
    return printed - statistics.fmean(
        value for ood, kind, value in entry.values() if kind == measure and ood != AVERAGE
    )


def test_every_dataset_is_registered_and_every_study_exists() -> None:
    datasets = load_registry(ROOT / "config/datasets.yaml").datasets
    for entry in PUBLISHED.entries:
        assert {entry.id, *entry.cells} <= {*datasets, AVERAGE}
    assert {f"{study}.yaml" for study in PUBLISHED.studies} <= {path.name for path in ROOT.glob("config/studies/*")}


@pytest.mark.parametrize("measure", MEASURES)
def test_printed_averages_are_the_means_of_their_cells(measure: Measure) -> None:
    """Misprints are known of CoVer's FPR95 and of CLIPScope's row; of one benchmark the means are all that is known."""
    printed = [entry for entry in OTHERS if AVERAGE in entry.cells and len(entry.cells) > 1]
    misprinted = [(entry.method, entry.source) for entry in printed if abs(off_by(entry, measure)) > 0.01]
    cover = [("atd", "CoVer (NeurIPS 2024), Table 3")] if measure == "fpr95" else []
    assert misprinted == [*cover, ("clipscope", "InterNeg (CVPR 2026), Table 1")]
    assert len(printed) == 20


@pytest.mark.parametrize("method", ["ctw", "atd"])
def test_the_readmes_means_are_those_of_its_runs(method: str) -> None:
    runs = single_runs(method)
    assert [entry.run for entry in runs] == [1, 2, 3]
    for ood, measure, printed in means(method).values():
        assert statistics.fmean([entry.value(ood, measure) or 0 for entry in runs]) == pytest.approx(printed, abs=0.01)


def test_the_abstracts_margins_lie_between_the_restated_averages() -> None:
    clipn, mcm = (
        next(entry for entry in OTHERS if entry.method == method and entry.source.startswith("NegLabel"))
        for method in ("atd", "mcm")
    )
    margins = [clipn.cells[AVERAGE][index] - mcm.cells[AVERAGE][index] for index in (0, 1)]
    assert margins == pytest.approx([2.34, -11.64])


@pytest.mark.parametrize(
    ("method", "ood", "deviations"),
    [("atd", AVERAGE, (0.85, 3.38)), ("ctw", AVERAGE, (1.21, 4.16)), ("ctw", "textures", (3.31, 6.87))],
)
def test_trained_again_means_two_deviations_of_the_published_runs(
    method: str, ood: str, deviations: tuple[float, float]
) -> None:
    allowed = [PUBLISHED.tolerance(means(method), "paper", ood, measure) for measure in MEASURES]
    assert allowed == pytest.approx([2 * deviation for deviation in deviations], abs=0.01)


def test_an_unprinted_average_needs_every_cell() -> None:
    entry = Entry.model_validate(BASELINE | {"cells": {"cifar10": [70, 40], "lsun": [80]}})
    assert (entry.value(AVERAGE, "auroc"), entry.value(AVERAGE, "fpr95")) == (75, None)
    assert (entry.value("lsun", "fpr95"), entry.value("svhn", "auroc")) == (None, None)


def test_the_readmes_numbers_agree_with_themselves() -> None:
    table = readme("released")
    assert ",".join(table.columns) == COLUMNS
    found = table[table["kind"] == "readme"]
    assert list(found["verdict"].unique()) == ["agrees"]
    assert len(found) == 2 * (5 + 3 * 4) * 2
    assert found["difference"].abs().max() == 0
    assert not (table["verdict"] == "not published").any()
    assert dict(found.groupby("run", dropna=True).size()) == {1: 16, 2: 16, 3: 16}


def test_the_same_checkpoints_may_differ_by_little() -> None:
    table = readme("released", shift=0.3)
    found = table[table["kind"] == "readme"]
    assert set(found.loc[found["measure"] == "auroc", "verdict"]) == {"differs"}
    assert set(found.loc[found["measure"] == "fpr95", "verdict"]) == {"agrees"}
    assert found["difference"].to_numpy() == pytest.approx(0.3)


def test_another_training_may_differ_by_more_and_meets_no_single_run() -> None:
    table = readme("paper", shift=0.3)
    found = table[table["kind"] == "readme"]
    assert set(found.loc[found["run"].isna(), "verdict"]) == {"agrees"}
    single = found[found["run"].notna()]
    assert set(single["verdict"]) == {"not comparable: other study"}
    assert single[["measured", "difference", "tolerance"]].isna().all(axis=None)
    assert single["published"].notna().all()


def test_a_study_that_no_entry_names_is_never_compared() -> None:
    table = readme("unknown")
    assert list(table["verdict"].unique()) == ["not published", "not comparable: other study"]
    assert table[["difference", "tolerance"]].isna().all(axis=None)
    assert (table["measured"].isna() != table["published"].isna()).all()
    assert table["measured"].notna().sum() == 20


def test_a_mean_over_fewer_runs_is_not_compared_but_its_runs_are() -> None:
    published = PublishedNumbers(tolerances=PUBLISHED.tolerances, entries=[means("atd"), *single_runs("atd")])
    single = measurements(single_runs("atd")[1], "released", seed=2)
    table = compare(measurements(means("atd"), "released", runs=2), single, "released", published)
    verdicts = table.groupby("verdict")["run"].apply(lambda runs: sorted(set(runs.dropna())))
    assert dict(verdicts) == {"agrees": [2], "not comparable: other study": [1, 3], "not published": []}
    assert len(table[table["verdict"] == "not published"]) == 10


def test_each_pool_has_a_row_unless_the_entry_states_one() -> None:
    anywhere, single = one_entry(), one_entry(prompts="single")
    measured = [
        row for pool in ("clipn128", "single") for row in measurements(anywhere.entries[0], "paper", prompts=pool)
    ]
    table = compare(measured, [], "paper", anywhere)
    assert list(zip(table["prompts"], table["verdict"], strict=True)) == [("clipn128", "agrees"), ("single", "agrees")]
    table = compare(measured, [], "paper", single)
    assert list(zip(table["prompts"], table["verdict"], strict=True)) == [
        ("single", "agrees"),
        ("clipn128", "not published"),
    ]


@pytest.mark.parametrize(
    "other", [{"source": "ViT-B-32/laion2b"}, {"variant": "learned"}, {"method": "msp"}, {"id": "cifar10"}]
)
def test_only_what_an_entry_stands_for_is_compared(other: dict[str, Any]) -> None:
    published = one_entry(variants=["none"])
    table = compare(measurements(published.entries[0], "paper", **other), [], "paper", published)
    assert list(table["verdict"]) == ["not comparable: other study", "not published"]


@pytest.mark.parametrize(
    "other",
    [
        {"ood_version": "ninco_clean"},
        {"convention": "openood"},
        {"measure": "aupr_id"},
        {"variant": "gda-16shot-alpha1.0"},
    ],
)
def test_other_lists_conventions_measures_and_fitted_classifiers_are_left_out(other: dict[str, Any]) -> None:
    published = one_entry()
    table = compare(measurements(published.entries[0], "paper", **other), [], "paper", published)
    assert list(table["verdict"]) == ["not comparable: other study"]


@pytest.mark.parametrize(("shift", "verdict"), [(1, "agrees"), (-1, "agrees"), (1.01, "differs"), (-1.01, "differs")])
def test_the_tolerance_itself_still_agrees(shift: float, verdict: str) -> None:
    published = one_entry()
    row = compare(measurements(published.entries[0], "paper", shift), [], "paper", published).iloc[0]
    assert row["difference"] == pytest.approx(shift)
    assert (row["verdict"], row["tolerance"], row["runs"], row["backbone"]) == (verdict, 1, 3, "ViT-B-32/openai")
    assert (row["sd"], row["low"], row["high"]) == (0.5, 0, 100)


def test_order_is_that_of_the_file_then_of_the_measurements_and_other_studies_come_last() -> None:
    measured = [row for method in ("msp", "mcm") for row in measurements(means("atd"), "released", method=method)]
    table = compare(measured, [], "released")
    shuffled = compare(measured[10:] + measured[:10], [], "released")
    expected = [
        (entry.source, entry.run, ood, measure)
        for entry in sorted(
            OTHERS, key=lambda entry: ("released" not in entry.compare, PUBLISHED.kind_order(entry.method))
        )
        for ood, measure, _ in entry.values()
    ]
    for each in (table, shuffled):
        rows = each[each["published"].notna()]
        runs = [None if run is pd.NA else run for run in rows["run"]]
        assert list(zip(rows["source"], runs, rows["ood"], rows["measure"], strict=True)) == expected
    assert list(table.loc[table["verdict"] == "not published", "method"].unique()) == ["msp", "mcm"]
    assert list(shuffled.loc[shuffled["verdict"] == "not published", "method"].unique()) == ["mcm", "msp"]
    assert set(table["verdict"][-20:]) == {"not comparable: other study"}


def test_nothing_measured_still_shows_what_is_published() -> None:
    table = compare([], [], "paper")
    assert set(table["verdict"]) == {"not comparable: other study"}
    assert len(table) == sum(len(list(entry.values())) for entry in OTHERS)


def test_rows_of_another_study_are_refused() -> None:
    with pytest.raises(ClipnError, match="rows of study 'demo'; compare those of 'paper' alone"):
        compare(measurements(means("atd"), "demo"), [], "paper")


def test_the_sentence_counts_cells() -> None:
    published = one_entry(cells={"cifar10": [74.8, 60], "lsun_resize": [80]})
    entry = published.entries[0]
    measured = [*measurements(entry, "paper", 1.5)[:2], *measurements(entry, "paper", method="msp")]
    assert sentences(compare(measured, [], "paper", published)) == [
        "1 cell agrees, 1 differs, 3 are not published, 1 published has no counterpart in this study."
    ]
    assert sentences(readme("released"))[0].startswith("88 cells agree, 0 differ, 0 are not published, ")
    assert sentences(readme("unknown")) == ["No published number stands for the data and weights of this study."]


def test_text_shows_both_measures_side_by_side() -> None:
    published = one_entry(cells={"cifar10": [74.8, 60]})
    row = measurements(published.entries[0], "paper", 1.5)
    text = published_markdown(compare(row, [], "paper", published), {"cifar100": "CIFAR-100", "cifar10": "CIFAR-10"})
    assert "**ID: CIFAR-100; zero-shot; restated: a note**" in text
    assert (
        "| MaxLogit | ViT-B-32/openai | none | single | CIFAR-10 | 76.30 ± 0.50 [0.00, 100.00] | 74.80 "
        "| +1.50 (± 1.00) | 61.50 ± 0.50 [0.00, 100.00] | 60.00 | +1.50 (± 2.00) | **differs** / agrees |"
    ) in text
    assert "1 cell agrees, 1 differs" in text


def test_text_of_a_single_run_and_of_a_missing_fpr95() -> None:
    text = published_markdown(readme("released"), {})
    assert (
        "| CLIPN-CTW | ViT-B-16/laion2b_s34b_b88k | released | clipn128 | 2 | places | 88.21 | 88.21 "
        "| +0.00 (± 0.10) | 33.85 | 33.85 | +0.00 (± 0.50) | agrees |"
    ) in text
    assert "not comparable" not in text


def test_text_of_a_study_that_is_not_comparable_is_a_sentence() -> None:
    text = published_markdown(readme("unknown"), {})
    assert text.startswith("**No published number stands for the data and weights of this study.**\n")
    assert "|" not in text
