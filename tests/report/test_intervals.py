"""Measures with their intervals, and paired differences, from replicates whose bounds are known beforehand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from clipn.errors import ClipnError
from clipn.report.tables.intervals import Replicates, differences_table, mean_replicates, metrics_table, single_runs
from tests.helpers.report_runs import BASELINE, OFFSETS, SEEDS, Record, replicates, run

COLUMNS = "study,id,ood,ood_version,backbone,variant,prompts,method,measure,convention,mean,sd,low,high,runs"
DIFFERENCE_COLUMNS = (
    "study,id,ood,backbone,variant,prompts,method,reference_variant,reference,measure,difference,low,high,runs"
)
BASE = run("learnable", 1, {("atd", "svhn"): (0.9, 0.2), ("ctw", "svhn"): (0.85, 0.25)})
BASELINES = run("none", 0, {("msp", "svhn"): (0.7, 0.6)})
BOUND = 1.9
"""Percent: how far `OFFSETS` reach, less the outer 5 %."""


def means(runs: Sequence[Record]) -> Replicates:
    return mean_replicates(runs, map(replicates, runs))


def figure(table: pd.DataFrame, **names: str) -> pd.Series:
    """The one row of these names."""
    chosen = np.logical_and.reduce([table[column] == name for column, name in names.items()])
    (row,) = (row for _, row in table[chosen].iterrows())
    return row


def test_rows_come_by_method_ood_set_and_measure_with_the_average_last() -> None:
    table = metrics_table([BASELINE, *SEEDS], means([BASELINE, *SEEDS]))
    assert ",".join(table.columns) == COLUMNS
    measures = [("auroc", ""), ("aupr_id", ""), ("aupr_ood", ""), ("fpr95", "clipn"), ("fpr95", "mcm")]
    assert list(table[["method", "ood", "measure", "convention"]].itertuples(index=False, name=None)) == [
        (method, ood, *measure)
        for method in ("msp", "ctw")
        for ood in ("svhn", "dtd", "average")
        for measure in measures
    ]
    again = metrics_table([BASELINE, *SEEDS[::-1]], means([BASELINE, *SEEDS[::-1]]))
    pd.testing.assert_frame_equal(table, again, rtol=0, atol=1e-9)


def test_means_deviations_and_intervals() -> None:
    table = metrics_table([BASELINE, *SEEDS], means([BASELINE, *SEEDS]))
    expected = {
        ("ctw", "svhn", "auroc", ""): (92, 2, 92 - BOUND, 92 + BOUND, 3),
        ("ctw", "svhn", "aupr_id", ""): (46, 1, 46 - BOUND, 46 + BOUND, 3),
        ("ctw", "svhn", "aupr_ood", ""): (23, 0.5, 23 - BOUND, 23 + BOUND, 3),
        ("ctw", "svhn", "fpr95", "clipn"): (30, 10, 30 - BOUND, 30 + BOUND, 3),
        ("ctw", "svhn", "fpr95", "mcm"): (15, 5, np.nan, np.nan, 3),
        ("ctw", "average", "auroc", ""): (86, 1, 86 - BOUND, 86 + BOUND, 3),
        ("msp", "dtd", "auroc", ""): (90, np.nan, 90 - BOUND, 90 + BOUND, 1),
        ("msp", "average", "fpr95", "mcm"): (25, np.nan, np.nan, np.nan, 1),
    }
    for names, values in expected.items():
        row = figure(table, **dict(zip(("method", "ood", "measure", "convention"), names, strict=True)))
        assert [row[key] for key in ("mean", "sd", "low", "high", "runs")] == pytest.approx(values, nan_ok=True)


def test_the_interval_of_a_mean_over_seeds_is_that_of_the_mean_replicates() -> None:
    """Offsets of 0, 1 and 5 times `OFFSETS` are twice them on average."""
    tables = [replicates(run, {("ctw", "svhn"): part * OFFSETS}) for run, part in zip(SEEDS, (0, 1, 5), strict=True)]
    row = figure(metrics_table(SEEDS, mean_replicates(SEEDS, tables)), ood="svhn", measure="auroc")
    assert (row["low"], row["high"]) == pytest.approx((92 - 2 * BOUND, 92 + 2 * BOUND))


def test_the_interval_of_an_average_is_that_of_the_averaged_replicates() -> None:
    """What goes up on one OOD set and down on the other leaves the average where it is."""
    tables = [replicates(run, {("ctw", "dtd"): -OFFSETS}) for run in SEEDS]
    table = metrics_table(SEEDS, mean_replicates(SEEDS, tables))
    average, dtd = (figure(table, ood=ood, measure="auroc") for ood in ("average", "dtd"))
    assert (average["low"], average["high"]) == pytest.approx((86, 86))
    assert (dtd["low"], dtd["high"]) == pytest.approx((80 - BOUND, 80 + BOUND))


def test_an_image_list_that_an_ood_set_lacks_has_no_average() -> None:
    clean = BASELINE["ood"][0] | {"ood_version": "ninco_clean", "auroc": 1.0}
    cleaned = BASELINE | {"ood": [*BASELINE["ood"], clean]}
    found = means([cleaned])
    assert {key.ood_version for key in found if key.ood == "average"} == {"official"}
    table = metrics_table([cleaned], found)
    assert set(table.loc[table["ood"] == "average", "ood_version"]) == {"official"}
    assert figure(table, ood_version="ninco_clean", measure="auroc")["low"] == pytest.approx(100 - BOUND)


def test_variants_backbones_and_pools_keep_their_own_replicates() -> None:
    other = {"backbone": SEEDS[0] | {"backbone": "large"}, "prompts": run("learnable", 1, {}, prompts="single")}
    other["prompts"] |= {"ood": [row | {"prompts": "single"} for row in SEEDS[0]["ood"]]}
    for key, changed in other.items():
        tables = [replicates(SEEDS[0]), replicates(changed, {("ctw", "svhn"): np.zeros(41)})]
        table = metrics_table([SEEDS[0], changed], mean_replicates([SEEDS[0], changed], tables))
        row = figure(table, ood="svhn", measure="auroc", **{key: changed[key]})
        assert (row["low"], row["high"]) == pytest.approx((90, 90))


def test_without_replicates_there_are_no_intervals() -> None:
    table = metrics_table(SEEDS, {})
    assert table["mean"].notna().all()
    assert table[["low", "high"]].isna().all(axis=None)
    assert ",".join(metrics_table([], {}).columns) == COLUMNS


def test_the_same_run_twice_is_refused() -> None:
    with pytest.raises(ClipnError, match="a seed occurs twice"):
        metrics_table([SEEDS[0], SEEDS[0]], {})


def test_single_runs() -> None:
    table = single_runs([BASELINE, *SEEDS])
    chosen = (table["method"] == "ctw") & (table["measure"] == "fpr95") & (table["convention"] == "clipn")
    svhn = table[chosen & (table["ood"] == "svhn")]
    assert dict(zip(svhn["seed"], svhn["mean"], strict=True)) == pytest.approx({1: 20, 2: 30, 3: 40})
    average = table[chosen & (table["ood"] == "average")]
    assert dict(zip(average["seed"], average["mean"], strict=True)) == pytest.approx({1: 35, 2: 35, 3: 35})


def differences(runs: Sequence[Record], offsets: Mapping[tuple[str, str], np.ndarray] | None = None) -> pd.DataFrame:
    """Against ATD of `learnable` under `clipn128`."""
    found = mean_replicates(runs, [replicates(run, offsets) for run in runs])
    return differences_table(metrics_table(runs, found), found, "atd", "learnable", "clipn128")


def test_differences_are_method_less_reference() -> None:
    table = differences([BASELINES, BASE])
    assert ",".join(table.columns) == DIFFERENCE_COLUMNS
    svhn = table[table["ood"] == "svhn"].set_index(["method", "measure"])["difference"]
    assert svhn.to_dict() == pytest.approx(
        {("msp", "auroc"): -20, ("msp", "fpr95"): 40, ("ctw", "auroc"): -5, ("ctw", "fpr95"): 5}
    )
    assert set(table["reference"] + "/" + table["reference_variant"]) == {"atd/learnable"}
    assert list(dict.fromkeys(table["ood"])) == ["svhn", "average"]


def test_a_paired_interval_knows_what_both_methods_find_hard() -> None:
    """Alike in every resample: no doubt; the other way round: twice the doubt of each."""
    alike = figure(differences([BASE]), ood="svhn", measure="auroc")
    assert (alike["low"], alike["high"]) == pytest.approx((-5, -5))
    apart = figure(differences([BASE], {("ctw", "svhn"): -OFFSETS}), ood="svhn", measure="auroc")
    assert (apart["low"], apart["high"]) == pytest.approx((-5 - 2 * BOUND, -5 + 2 * BOUND))


def test_a_method_is_compared_on_its_own_backbone_alone() -> None:
    large = run("none", 0, {("msp", "svhn"): (0.8, 0.5)}, backbone="large")
    table = differences([BASELINES, large, BASE])
    assert set(table.loc[table["method"] == "msp", "backbone"]) == {"tiny"}
    with_base = differences([BASELINES, large, BASE, BASE | {"backbone": "large"}])
    found = with_base[with_base["method"].eq("msp") & with_base["measure"].eq("auroc") & with_base["ood"].eq("svhn")]
    assert dict(zip(found["backbone"], found["difference"], strict=True)) == pytest.approx({"tiny": -20, "large": -10})


def test_the_reference_in_other_variants_and_pools_is_compared_with_itself() -> None:
    control = run("untrained", 1, {("atd", "svhn"): (0.6, 0.7)})
    single = run("learnable", 1, {("atd", "svhn"): (0.95, 0.1)}, prompts="single")
    table = differences([BASE, control, single])
    atd = table[table["method"].eq("atd") & table["measure"].eq("auroc") & table["ood"].eq("svhn")]
    found = {(row["variant"], row["prompts"]): row["difference"] for row in atd.to_dict("records")}
    assert found == pytest.approx({("untrained", "clipn128"): -30, ("learnable", "single"): 5})


def test_differences_need_the_official_images_the_convention_and_replicates() -> None:
    clean = [row | {"ood_version": "ninco_clean"} for row in BASE["ood"]]
    table = differences([BASE | {"ood": BASE["ood"] + clean}])
    assert len(table) == len(differences([BASE])) == 4
    measured = metrics_table([BASE], {})
    empty = differences_table(measured, {}, "atd", "learnable", "clipn128")
    assert empty.empty
    assert ",".join(empty.columns) == DIFFERENCE_COLUMNS
