"""Tables over runs: values worked out by hand, order, text forms."""

import io
import math
from itertools import permutations
from typing import Any

import pandas as pd
import pytest

from clipn.errors import ClipnError
from clipn.report.formatting import fixed, spread
from clipn.report.tables.layouts import printed_accuracy, printed_ood
from clipn.report.tables.ood import decisions_table, id_accuracy_table, ood_table, to_csv
from clipn.report.tables.printed import cell, to_latex, to_markdown
from tests.helpers.report_runs import BASELINE, SEEDS, accuracy, decided, run

OOD_COLUMNS = "study,id,ood,ood_version,backbone,variant,prompts,method,auroc,auroc_sd,fpr95,fpr95_sd,runs,convention"


def markdown(table: pd.DataFrame, titles: dict[str, str] | None = None) -> str:
    return to_markdown(printed_ood(table, titles))


def test_mean_and_sample_deviation_over_runs() -> None:
    table = ood_table([BASELINE, *SEEDS], "cifar10").set_index("ood")
    measures = ["auroc", "auroc_sd", "fpr95", "fpr95_sd", "runs"]
    msp, ctw = table.loc["svhn", measures].to_numpy(float)
    assert ctw == pytest.approx([92, 2, 30, 10, 3])
    assert msp == pytest.approx([70, math.nan, 60, math.nan, 1], nan_ok=True)


def test_average_deviates_as_the_averages_of_the_runs() -> None:
    average = ood_table(SEEDS, "cifar10").set_index("ood").loc["average"]
    assert average["auroc"] == pytest.approx(86)
    assert average["auroc_sd"] == pytest.approx(1)
    assert (average["fpr95"], average["fpr95_sd"]) == pytest.approx((35, 0))


def test_some_ood_sets_have_an_average_of_their_own_before_that_of_all() -> None:
    table = ood_table(SEEDS, "cifar10", {"near": ["svhn"], "both": ["svhn", "dtd"]})
    assert list(table["ood"]) == ["svhn", "dtd", "average_near", "average_both", "average"]
    numbers = table.set_index("ood")[["auroc", "auroc_sd", "fpr95", "fpr95_sd"]]
    assert numbers.loc["average_near"].equals(numbers.loc["svhn"].rename("average_near"))
    assert numbers.loc["average_both"].equals(numbers.loc["average"].rename("average_both"))
    assert "| Average | Average (near) | Average (both) | SVHN | DTD |" in markdown(
        table, {"svhn": "SVHN", "dtd": "DTD"}
    )


def test_rows_follow_first_appearance_and_average_is_last() -> None:
    table = ood_table([BASELINE, *SEEDS], "cifar10")
    assert ",".join(table.columns) == OOD_COLUMNS
    assert list(zip(table["variant"], table["method"], table["ood"], strict=True)) == [
        ("none", "msp", "svhn"),
        ("none", "msp", "dtd"),
        ("none", "msp", "average"),
        ("learnable", "ctw", "svhn"),
        ("learnable", "ctw", "dtd"),
        ("learnable", "ctw", "average"),
    ]


def test_runs_of_one_backbone_stay_together() -> None:
    large = [other | {"backbone": "large"} for other in SEEDS]
    mixed = [SEEDS[0], large[0], BASELINE, SEEDS[1], large[1]]
    blocks = ood_table(mixed, "cifar10").drop_duplicates(["backbone", "variant"])
    assert list(zip(blocks["backbone"], blocks["variant"], strict=True)) == [
        ("tiny", "learnable"),
        ("tiny", "none"),
        ("large", "learnable"),
    ]


def test_order_of_seeds_changes_no_byte() -> None:
    texts = {to_csv(ood_table([BASELINE, *seeds], "cifar10")) for seeds in permutations(SEEDS)}
    assert len(texts) == 1


def test_id_dataset_without_records_gives_the_header_alone() -> None:
    table = ood_table([BASELINE], "imagenet")
    assert to_csv(table) == OOD_COLUMNS + "\n"
    assert "No results" in markdown(table)
    assert to_csv(ood_table([], "imagenet")) == OOD_COLUMNS + "\n"


def test_image_lists_are_averaged_apart() -> None:
    table = ood_table([cleaned(BASELINE["ood"])], "cifar10")
    averages = table[table["ood"] == "average"].set_index("ood_version")["auroc"]
    assert averages.to_dict() == pytest.approx({"official": 80, "ninco_clean": 100})
    assert "Image list" in markdown(table)


def test_an_image_list_that_an_ood_set_lacks_has_no_average() -> None:
    table = ood_table([cleaned(BASELINE["ood"][:1])], "cifar10")
    assert list(table.loc[table["ood"] == "average", "ood_version"]) == ["official"]
    (line,) = (line for line in markdown(table).splitlines() if "ninco_clean" in line)
    assert "**100.00** / " in line
    assert line.count("100.00") == 1


def cleaned(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The baseline with a second image list for some of its OOD sets, on which all is known apart."""
    clean = [record | {"ood_version": "ninco_clean", "auroc": 1.0} for record in records]
    return BASELINE | {"ood": BASELINE["ood"] + clean}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([SEEDS[0], SEEDS[0]], "a seed occurs twice"),
        ([SEEDS[0], run("learnable", 2, {("ctw", "svhn"): (0.9, 0.2)})], "seeds differ in their OOD sets"),
        ([{key: value for key, value in BASELINE.items() if key != "prompts"}], "no key 'prompts'"),
    ],
)
def test_mistakes_name_the_run_and_the_remedy(runs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ClipnError, match=message) as caught:
        ood_table(runs, "cifar10")
    assert "demo/tiny/" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runs", [[BASELINE, *SEEDS], [*SEEDS, BASELINE]])
def test_id_accuracy_is_that_of_the_baseline_run(runs: list[dict[str, Any]]) -> None:
    table = id_accuracy_table(runs)
    assert to_csv(table) == (
        "study,id,backbone,variant,prompts,top1,top1_sd,images,runs,"
        "ece,ece_sd,nll,nll_sd,brier,brier_sd,temperature,temperature_sd\n"
        "demo,cifar10,tiny,none,clipn128,90.00,,600,1,5.00,,0.40,,15.00,,1.25,\n"
    )


def test_id_accuracy_without_labels_is_empty_and_never_zero() -> None:
    unlabelled = [accuracy(None, images=0)]
    table = id_accuracy_table([other | {"id_accuracy": unlabelled} for other in SEEDS])
    assert to_csv(table).splitlines()[1:] == ["demo,cifar10,tiny,learnable,clipn128,,,0,3,,,,,,,,"]
    (line,) = printed_accuracy(table, "demo", {}).lines
    assert line[-5:] == (cell(""),) * 5


def test_calibration_deviates_in_its_own_units() -> None:
    """Percent of shares; nats and temperatures as they are, and nothing of a temperature that one run has not."""
    runs = [run("untrained", seed, {}, id_accuracy=[accuracy(0.9, ece=seed / 10, nll=float(seed))]) for seed in (1, 3)]
    (row,) = id_accuracy_table(runs).to_dict("records")
    assert [row[name] for name in ("ece", "ece_sd", "nll", "nll_sd")] == pytest.approx([20, 200**0.5, 2, 2**0.5])
    runs[0] |= {"id_accuracy": [accuracy(0.9, temperature=None)]}
    (row,) = id_accuracy_table(runs).to_dict("records")
    assert math.isnan(row["temperature"])
    assert row["brier"] == pytest.approx(15)


def test_id_accuracy_without_baseline_is_that_of_the_first_variant() -> None:
    table = id_accuracy_table([*SEEDS, run("untrained", 1, {})])
    assert table[["variant", "runs", "top1_sd"]].to_dict("records") == [
        {"variant": "learnable", "runs": 3, "top1_sd": 0.0}
    ]


def test_id_accuracy_of_every_prompt_pool_is_that_of_the_plain_run_if_there_is_one() -> None:
    other = [run("learnable", 1, {}, prompts="single", id_accuracy=[accuracy(0.8)])]
    table = id_accuracy_table([BASELINE, *SEEDS, *other])
    assert table[["variant", "prompts", "top1", "runs"]].to_numpy().tolist() == [
        ["none", "clipn128", 90.0, 1],
        ["learnable", "single", 80.0, 1],
    ]


def test_id_accuracy_of_fitted_classifiers_is_their_own() -> None:
    def of(variant: str, seed: int, top1: float) -> dict[str, Any]:
        return run(variant, seed, {}, id_accuracy=[accuracy(top1, ece=seed / 10)])

    table = id_accuracy_table([of("gda-4shot-alpha1.0", 1, 0.94), of("gda-4shot-alpha1.0", 2, 0.96), *SEEDS])
    assert table[["variant", "top1", "runs", "ece"]].to_numpy().tolist() == [
        ["gda-4shot-alpha1.0", 95.0, 2, pytest.approx(15)],
        ["learnable", 90.0, 3, pytest.approx(5)],
    ]
    printed = printed_accuracy(table, "demo", {})
    assert "of the frozen “yes” tower, or with the logits of a fitted classifier (gda-…), and what its" in printed.note
    assert printed.labels == ("ID", "Backbone", "Variant", "Prompts")


def test_a_method_with_a_pool_of_its_own_keeps_it() -> None:
    baseline = BASELINE | {"ood": [BASELINE["ood"][0], BASELINE["ood"][0] | {"method": "neglabel", "prompts": "nice"}]}
    table = ood_table([baseline], "cifar10")
    assert dict(zip(table["method"], table["prompts"], strict=True)) == {"msp": "clipn128", "neglabel": "nice"}
    lines = markdown(table).replace("**", "").splitlines()
    assert [line.split(" | ")[:5] for line in lines[-2:]] == [
        ["| MSP", "tiny", "none", "clipn128", "1"],
        ["| NegLabel", "tiny", "none", "nice", "1"],
    ]


def test_prompt_pools_are_averaged_apart() -> None:
    single = run("none", 0, {("msp", "svhn"): (0.5, 0.6), ("msp", "dtd"): (0.7, 0.4)}, prompts="single")
    table = ood_table([BASELINE, single], "cifar10")
    averages = table[table["ood"] == "average"].set_index("prompts")["auroc"]
    assert averages.to_dict() == pytest.approx({"clipn128": 80, "single": 60})


def test_decisions() -> None:
    first, second = (decided({"ctw": (accepted, 0.8)}) for accepted in (0.9, 1.0))
    runs = [run("learnable", seed, {}, decisions=rows) for seed, rows in ((1, first), (2, second))]
    assert to_csv(decisions_table([BASELINE, *runs])) == (
        "study,id,ood,ood_version,backbone,variant,prompts,rule,id_accepted,id_accepted_sd,"
        "ood_rejected,ood_rejected_sd,balanced_accuracy,balanced_accuracy_sd,runs\n"
        "demo,cifar10,svhn,official,tiny,learnable,clipn128,ctw,95.00,7.07,80.00,0.00,87.50,3.54,2\n"
    )


def test_wide_markdown() -> None:
    title, note, table = markdown(ood_table([BASELINE, *SEEDS], "cifar10"), {"dtd": "Textures"}).strip().split("\n\n")
    assert title == "**OOD detection, ID: cifar10, study: demo**"
    assert "ID is the positive class" in note
    assert "interpolated as in the authors' code" in note
    assert table.splitlines() == [
        "| Method | Backbone | Variant | Runs | Average | svhn | Textures |",
        "| --- | --- | --- | --- | ---: | ---: | ---: |",
        "| MSP | tiny | none | 1 | 80.00 / 50.00 | 70.00 / 60.00 | **90.00** / **40.00** |",
        "| **CLIPN-CTW** | tiny | learnable | 3 | **86.00 ± 1.00** / **35.00 ± 0.00** | "
        + "**92.00 ± 2.00** / **30.00 ± 10.00** | 80.00 ± 2.00 / **40.00 ± 10.00** |",
    ]


def test_wide_latex_escapes_and_balances() -> None:
    text = to_latex(printed_ood(ood_table([BASELINE | {"variant": "a_b"}], "cifar10")))
    assert r"a\_b & 1 & \textbf{80.00} / \textbf{50.00}" in text
    assert text.count(r"\begin{tabular}{llllrrr}") == text.count(r"\end{tabular}") == 1


def test_wide_refuses_mixed_conventions() -> None:
    other = run("untrained", 1, {("ctw", "svhn"): (0.9, 0.2)}, convention="openood")
    with pytest.raises(ClipnError, match="column 'convention' mixes clipn, openood"):
        printed_ood(ood_table([BASELINE, other], "cifar10"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (87.125, "87.13"),
        (100 * 0.285, "28.50"),
        (1.005, "1.01"),
        (0.1 + 0.2 + 0.025, "0.33"),
        (100.0, "100.00"),
        (float("nan"), ""),
        (-1.005, "-1.01"),
        (-0.004, "0.00"),
    ],
)
def test_halves_round_up_whatever_the_last_bit(value: float, text: str) -> None:
    assert fixed(value) == text


def test_spread_of_one_run_is_its_mean() -> None:
    assert spread(93.1, float("nan")) == "93.10"
    assert spread(93.1, 0.25) == "93.10 ± 0.25"


def test_csv_reads_back_with_the_word_none() -> None:
    text = to_csv(ood_table([BASELINE, *SEEDS], "cifar10"))
    assert "\r" not in text
    back = pd.read_csv(io.StringIO(text))
    assert list(back["variant"].unique()) == ["none", "learnable"]
    assert back["auroc_sd"].isna().sum() == 3
