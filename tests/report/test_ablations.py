"""Variants arranged by the one setting in which they differ."""

import numpy as np
import pandas as pd

from clipn.report.tables.ablations import COLUMNS, Ablation, ablations_table
from clipn.report.tables.intervals import mean_replicates, metrics_table
from clipn.report.tables.ood import ood_table
from clipn.study.config import Study
from clipn.study.loading import ablations
from tests.helpers.report_runs import BASELINE, Record, replicates, taught

BOUND = 1.9
"""Percent: how far the replicates of the runs reach, less the outer 5 %."""

ABLATIONS = [
    Ablation("tokens", "16", "base"),
    Ablation("tokens", "4", "four"),
    Ablation("losses", "both", "base"),
    Ablation("losses", "itbo", "itbo_only"),
]


def table(*runs: Record, settings: list[Ablation] = ABLATIONS) -> pd.DataFrame:
    measured = metrics_table(runs, mean_replicates(runs, map(replicates, runs)))
    return ablations_table(ood_table(runs, "cifar10"), measured, settings, "base", "clipn128")


def rows(found: pd.DataFrame, method: str = "ctw") -> list[tuple[str, str, str, float]]:
    """Setting, value, backbone and AUROC."""
    chosen = found[found["method"] == method]
    return [
        (row["setting"], row["value"], row["backbone"], round(row["auroc"], 9)) for row in chosen.to_dict("records")
    ]


def test_the_base_stands_in_every_setting() -> None:
    found = table(BASELINE, taught("base", 1, 0.8), taught("four", 1, 0.7), taught("itbo_only", 1, 0.6))
    assert list(found.columns) == COLUMNS
    assert rows(found) == [
        ("tokens", "16", "tiny", 80),
        ("tokens", "4", "tiny", 70),
        ("losses", "both", "tiny", 80),
        ("losses", "itbo", "tiny", 60),
    ]
    assert [auroc for *_, auroc in rows(found, "atd")] == [81, 71, 81, 61]
    assert set(found["method"]) == {"ctw", "atd"}


def test_values_are_averages_over_ood_sets_and_runs() -> None:
    found = table(taught("base", 1, 0.8), taught("base", 2, 0.9), taught("four", 1, 0.7))
    base = found[(found["method"] == "ctw") & (found["variant"] == "base")].iloc[0]
    assert (round(base["auroc"], 9), round(base["fpr95"], 9), base["runs"]) == (85, 15, 2)
    assert round(base["auroc_sd"], 4) == 7.0711


def test_intervals_are_those_of_the_average_over_ood_sets_and_runs() -> None:
    found = table(taught("base", 1, 0.8), taught("base", 2, 0.9), taught("four", 1, 0.7))
    bounds = found.loc[found["method"] == "ctw", ["auroc_low", "auroc_high", "fpr95_low", "fpr95_high"]]
    base, four = [85 - BOUND, 85 + BOUND, 15 - BOUND, 15 + BOUND], [70 - BOUND, 70 + BOUND, 30 - BOUND, 30 + BOUND]
    # The base in both of its settings.
    np.testing.assert_allclose(bounds, [base, four, base])


def test_fpr95_has_an_interval_in_the_convention_that_is_resampled_alone() -> None:
    base, four = (taught(name, 1, 0.8) | {"convention": "mcm"} for name in ("base", "four"))
    found = table(base, four)
    assert found["auroc_low"].notna().all()
    assert found[["fpr95_low", "fpr95_high"]].isna().all(axis=None)


def test_other_pools_and_image_lists_are_left_out() -> None:
    base = taught("base", 1, 0.8)
    clean = [row | {"ood_version": "ninco_clean", "auroc": 1.0} for row in base["ood"]]
    found = table(base | {"ood": base["ood"] + clean}, taught("four", 1, 0.7), single("four", 0.5))
    assert [row for row in rows(found) if row[0] == "tokens"] == [
        ("tokens", "16", "tiny", 80),
        ("tokens", "4", "tiny", 70),
    ]


def single(variant: str, auroc: float) -> Record:
    """A run under another prompt pool."""
    run = taught(variant, 1, auroc, prompts="single")
    return run | {"ood": [row | {"prompts": "single"} for row in run["ood"]]}


def test_backbones_and_pools_of_the_base_are_settings_where_it_has_several() -> None:
    large = taught("base", 1, 0.9, backbone="large")
    found = table(BASELINE, taught("base", 1, 0.8), large, single("base", 0.6), single("four", 0.5), settings=[])
    assert rows(found) == [
        ("backbone", "tiny", "tiny", 80),
        ("backbone", "large", "large", 90),
        ("prompt_pool", "clipn128", "tiny", 80),
        ("prompt_pool", "single", "tiny", 60),
        ("prompt_pool", "clipn128", "large", 90),
    ]


def test_without_ablations_the_table_is_its_header() -> None:
    found = table(BASELINE, taught("base", 1, 0.8), settings=[])
    assert (list(found.columns), len(found)) == (COLUMNS, 0)


def test_ablations_of_a_study() -> None:
    variants = {"base": {}, "one": {"tokens": 1}, "tenth": {"share": 0.1}, "two": {"tokens": 2}}
    variants |= {"negated": {"no_texts": "handcrafted", "tokens": 3}}
    study = Study.model_validate(
        {
            "study": "s",
            "registry": "r.yaml",
            "captions": {"sources": ["cc3m"]},
            "backbones": {"b": {"architecture": "ViT-B-32", "pretrained": "openai"}},
            "variants": variants,
            "runs": [{"backbone": "b", "variant": name, "seeds": [1]} for name in variants],
            "ablations": ["one", "tenth", "two", "negated"],
            "pairs": {"cifar10": ["svhn"]},
        }
    )
    assert study.base == "base"
    assert study.shown == ["base", "negated"]
    assert study.varied("negated") == ["no_texts"]
    assert ablations(study) == [
        ("tokens", "all", "base"),
        ("tokens", "1", "one"),
        ("tokens", "2", "two"),
        ("share", "1.0", "base"),
        ("share", "0.1", "tenth"),
        ("no_texts", "learnable", "base"),
        ("no_texts", "handcrafted", "negated"),
    ]
