"""The table of methods that adapt on the test stream, worked out by hand."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clipn.report.tables import build
from clipn.report.tables.ood import to_csv
from clipn.report.tables.streams import streams_table
from tests.helpers.report_runs import run, write_descriptions, write_runs

HEADER = (
    "study,id,ood,ood_version,backbone,variant,prompts,method,order_seed,batch,mix,id_images,ood_images,"
    "auroc,auroc_sd,fpr95,fpr95_sd,runs,convention"
)
Values = dict[tuple[int, str], tuple[float, float]]


def streams(values: Values, seed: int = 0) -> dict[str, Any]:
    """Metrics by (order, OOD set)."""
    made = run("none", seed, {("adaneg", ood): numbers for (_, ood), numbers in values.items()}, prompts="nice")
    told = {"batch": 128, "mix": "shuffled", "id_images": 600, "prompts": "nice"}
    rows = [
        made["ood"][0] | told | {"ood": ood, "order_seed": order, "ood_images": 300 if ood == "dtd" else 100}
        | dict(zip(("auroc", "fpr95"), numbers, strict=True))
        for (order, ood), numbers in values.items()
    ]  # fmt: skip
    return made | {"ood": rows}


ONE: Values = {(1, "svhn"): (0.8, 0.4), (1, "dtd"): (0.6, 0.6)}
TWO: Values = ONE | {(2, "svhn"): (0.9, 0.2), (2, "dtd"): (0.7, 0.5)}


def test_every_order_is_a_row_and_all_of_them_another() -> None:
    table = streams_table([streams(TWO)])
    assert ",".join(table.columns) == HEADER
    shown = table[["order_seed", "ood", "auroc", "fpr95", "runs"]].to_numpy().tolist()
    assert shown == [
        ["1", "svhn", pytest.approx(80), pytest.approx(40), 1],
        ["1", "dtd", pytest.approx(60), pytest.approx(60), 1],
        ["1", "average", pytest.approx(70), pytest.approx(50), 1],
        ["2", "svhn", pytest.approx(90), pytest.approx(20), 1],
        ["2", "dtd", pytest.approx(70), pytest.approx(50), 1],
        ["2", "average", pytest.approx(80), pytest.approx(35), 1],
        ["all", "svhn", pytest.approx(85), pytest.approx(30), 2],
        ["all", "dtd", pytest.approx(65), pytest.approx(55), 2],
        ["all", "average", pytest.approx(75), pytest.approx(42.5), 2],
    ]
    assert table["auroc_sd"].tolist()[6:] == pytest.approx([50**0.5] * 3)
    assert table["auroc_sd"].isna().sum() == 6


def test_a_method_that_sees_the_stream_as_a_whole_is_of_no_order() -> None:
    whole = {"method": "zpe", "order_seed": "any", "batch": "all", "prompts": "single", "weights": [0.5, 0.5]}
    made = streams(TWO)
    rows = [row | whole for row in made["ood"] if row["order_seed"] == 1]
    table = streams_table([made | {"ood": [*made["ood"], *rows]}])
    shown = table[table["method"] == "zpe"][["order_seed", "batch", "prompts", "ood", "auroc", "runs"]]
    assert shown.to_numpy().tolist() == [
        ["any", "all", "single", "svhn", pytest.approx(80), 1],
        ["any", "all", "single", "dtd", pytest.approx(60), 1],
        ["any", "all", "single", "average", pytest.approx(70), 1],
    ]
    pd.testing.assert_frame_equal(table[table["method"] == "adaneg"].reset_index(drop=True), streams_table([made]))


def test_trainings_of_a_backbone_are_runs_of_one_row() -> None:
    other = {key: (auroc + 0.1, fpr95) for key, (auroc, fpr95) in TWO.items()}
    table = streams_table([streams(TWO, 1), streams(other, 2)]).set_index(["order_seed", "ood"])
    assert table.loc[("1", "svhn"), ["auroc", "runs"]].tolist() == pytest.approx([85, 2])
    assert table.loc[("all", "average"), ["auroc", "fpr95", "runs"]].tolist() == pytest.approx([80, 42.5, 4])


def test_a_single_order_has_no_rows_of_all() -> None:
    table = streams_table([streams(ONE)])
    assert to_csv(table).splitlines()[1:] == [
        "demo,cifar10,svhn,official,tiny,none,nice,adaneg,1,128,shuffled,600,100,80.00,,40.00,,1,clipn",
        "demo,cifar10,dtd,official,tiny,none,nice,adaneg,1,128,shuffled,600,300,60.00,,60.00,,1,clipn",
        "demo,cifar10,average,official,tiny,none,nice,adaneg,1,128,shuffled,600,,70.00,,50.00,,1,clipn",
    ]


def test_the_printed_forms_say_which_stream(tmp_path: Path) -> None:
    write_descriptions(tmp_path / "datasets", {"cifar10": "CIFAR-10", "svhn": "SVHN", "dtd": "Textures"})
    metrics = write_runs(tmp_path, [streams(TWO)])
    build.write_streams_table(metrics, "demo", tmp_path, tmp_path / "datasets", ["Image tower of tiny: saw labels."])
    text = (tmp_path / "test_time.md").read_text()
    assert "| CIFAR-10 | SVHN | AdaNeg | tiny | 1 | 128 | shuffled | 1 | 80.00 | 40.00 |" in text
    assert "| all | 128 | shuffled | 2 | 85.00 ± 7.07 | 30.00 ± 14.14 |" in text
    assert "figures depend on order, batch and mix, and compare with no zero-shot score. Image tower of tiny" in text
    assert r"\toprule" in (tmp_path / "test_time.tex").read_text()
    assert pd.read_csv(tmp_path / "test_time.csv")["arithmetic"].unique().tolist() == ["portable avx2 numpy-2.0"]


def test_a_study_without_such_methods_has_the_header(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    build.write_streams_table([], "demo", tmp_path, tmp_path / "datasets")
    assert (tmp_path / "test_time.csv").read_text() == f"{HEADER},arithmetic\n"
    assert (tmp_path / "test_time.md").read_text() == (
        "**Methods that adapt on the test stream, study: demo**\n\nNo method of this study adapts on the test stream.\n"
    )
