"""Metrics and replicates of one run, worked out by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.evaluation import evaluate as module
from clipn.evaluation.evaluate import MEASURES, MetricOptions, evaluate, evaluate_runs
from clipn.evaluation.replicates import read_replicates
from clipn.metrics import measures
from clipn.metrics.bootstrap import resamples

RUN: dict[str, str | int] = {"study": "s", "backbone": "b", "variant": "v", "seed": 1, "prompts": "p"}
UNKNOWN = dict.fromkeys(("ece", "nll", "brier", "temperature"))
METHODS = {
    "msp": [0.9, 0.6, 0.1, 0.95, 0.7, 0.2],
    "neglabel": [0.9, 0.6, 0.1, 0.2, 0.7, 0.95],
}


def scores(cleaned: bool, methods: Sequence[str] = ("msp",)) -> pd.DataFrame:
    """Two ID images, and four of an OOD dataset, of which people looked at three and found two to be OOD."""
    table = pd.DataFrame(
        {
            "id": "cifar10",
            "dataset": ["cifar10", "cifar10", *["sun"] * 4],
            "row": [0, 1, 0, 1, 2, 3],
            "label": [0, 1, -1, -1, -1, -1],
            "prediction": [0, 0, 0, 0, 0, 0],
            **{method: METHODS[method] for method in methods},
            "accepts_ctw": [True, False, False, True, True, False],
        }
    )
    looked_at = pd.array([None, None, True, False, True, None], dtype="boolean")
    return table.assign(clean_ninco=looked_at) if cleaned else table


def evaluated(
    folder: Path, table: pd.DataFrame, options: MetricOptions | None = None, ood_datasets: Sequence[str] = ("sun",)
) -> dict[str, Any]:
    """Metrics; the replicates lie beside them."""
    table.to_parquet(folder / "scores.parquet")
    output, replicates = folder / "metrics.json", folder / "metrics.parquet"
    evaluate(
        folder / "scores.parquet", {"cifar10": list(ood_datasets)}, RUN, options or MetricOptions(), output, replicates
    )
    record: dict[str, Any] = json.loads(output.read_text())
    return record


def replicates(folder: Path) -> dict[tuple[str, ...], Any]:
    """Values by (OOD set, image list, method, measure)."""
    table = read_replicates(folder / "metrics.parquet")
    keys = table[["ood", "ood_version", "method", "measure"]].itertuples(index=False, name=None)
    return dict(zip(keys, table["values"], strict=True))


def test_values_of_a_run(tmp_path: Path) -> None:
    record = evaluated(tmp_path, scores(cleaned=False))
    (row,) = record["ood"]
    assert {key: record[key] for key in RUN} == RUN
    assert row["auroc"] == (3 + 2) / 8
    assert (row["id_images"], row["ood_images"], row["ood_version"]) == (2, 4, "official")
    assert (row["method"], row["prompts"]) == ("msp", "p")
    assert record["id_accuracy"] == [{"id": "cifar10", "images": 2, "top1": 0.5, **UNKNOWN}]
    (decision,) = record["decisions"]
    assert (decision["id_accepted"], decision["ood_rejected"], decision["balanced_accuracy"]) == (0.5, 0.5, 0.5)


def test_average_precision_of_both_classes(tmp_path: Path) -> None:
    """ID images are second and fourth from the top; OOD images first, second, fourth and sixth from the bottom."""
    (row,) = evaluated(tmp_path, scores(cleaned=False))["ood"]
    assert row["aupr_id"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert row["aupr_ood"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 6) / 4)


def test_fpr95_in_every_convention_asked_for(tmp_path: Path) -> None:
    """95 % of two ID images is nearly both; the second, fourth of all, lies above two OOD images and below two."""
    record = evaluated(tmp_path, scores(cleaned=False), MetricOptions(("openood", "clipn", "first")))
    (row,) = record["ood"]
    assert record["convention"] == "openood"
    assert list(row["fpr95_by_convention"]) == ["openood", "clipn", "first"]
    assert row["fpr95"] == row["fpr95_by_convention"]["openood"] == 1
    assert row["fpr95_by_convention"]["first"] == 0.5
    assert row["fpr95_by_convention"]["clipn"] == 0.5


def test_a_method_with_a_prompt_pool_of_its_own_says_so(tmp_path: Path) -> None:
    record = evaluated(tmp_path, scores(cleaned=False, methods=["neglabel", "msp"]), MetricOptions(resamples=2))
    assert record["prompts"] == "p"
    assert [(row["method"], row["prompts"]) for row in record["ood"]] == [("msp", "p"), ("neglabel", "nice")]
    table = read_replicates(tmp_path / "metrics.parquet")
    assert set(zip(table["method"], table["prompts"], strict=True)) == {("msp", "p"), ("neglabel", "nice")}


def test_replicates_are_metrics_of_repeated_scores(tmp_path: Path) -> None:
    evaluated(tmp_path, scores(cleaned=False), MetricOptions(resamples=30))
    found = replicates(tmp_path)
    assert list(found) == [("sun", "official", "msp", measure) for measure in MEASURES]
    id_scores, ood_scores = np.split(METHODS["msp"], [2])
    draws = zip(resamples(2, 30, "cifar10"), resamples(4, 30, "sun official"), strict=True)
    for resample, (id_counts, ood_counts) in enumerate(draws):
        plain = measures(np.repeat(id_scores, id_counts), np.repeat(ood_scores, ood_counts))
        expected = [plain.auroc, plain.fpr95["clipn"], plain.aupr_id, plain.aupr_ood]
        got = [found["sun", "official", "msp", measure][resample] for measure in MEASURES]
        assert got == pytest.approx(expected, abs=1e-6)
    assert len(set(found["sun", "official", "msp", "auroc"])) > 5


def test_an_image_set_is_resampled_alike_for_all_methods_and_runs(tmp_path: Path) -> None:
    """A method that is another one upside down, and a second run that is the first one again."""
    table = scores(cleaned=False, methods=["msp"]).assign(energy=[-value for value in METHODS["msp"]])
    evaluated(tmp_path, table, MetricOptions(resamples=20))
    first = replicates(tmp_path)
    np.testing.assert_allclose(
        first["sun", "official", "msp", "auroc"], 1 - first["sun", "official", "energy", "auroc"], atol=1e-6
    )
    evaluated(tmp_path, table[["id", "dataset", "label", "prediction", "energy"]], MetricOptions(resamples=20))
    second = replicates(tmp_path)
    for measure in MEASURES:
        key = ("sun", "official", "energy", measure)
        assert second[key].tolist() == first[key].tolist()


def test_image_sets_are_resampled_apart(tmp_path: Path) -> None:
    table = scores(cleaned=False)
    copied = table[table["dataset"] == "sun"].assign(dataset="places")
    record = evaluated(tmp_path, pd.concat([table, copied]), MetricOptions(resamples=20), ["sun", "places"])
    assert record["ood"][0]["auroc"] == record["ood"][1]["auroc"]
    found = replicates(tmp_path)
    assert found["sun", "official", "msp", "auroc"].tolist() != found["places", "official", "msp", "auroc"].tolist()


def test_cleaned_lists_have_replicates_of_their_own(tmp_path: Path) -> None:
    evaluated(tmp_path, scores(cleaned=True), MetricOptions(resamples=10))
    found = replicates(tmp_path)
    assert [image_list for _, image_list, _, _ in found] == ["official"] * 4 + ["ninco_clean"] * 4
    assert set(found["sun", "ninco_clean", "msp", "auroc"]) <= {0, 0.25, 0.5, 0.75, 1}


def test_without_resamples_there_are_no_replicates(tmp_path: Path) -> None:
    evaluated(tmp_path, scores(cleaned=False), MetricOptions(resamples=0))
    assert replicates(tmp_path) == {}


def test_a_cleaning_list_adds_a_row_and_changes_none(tmp_path: Path) -> None:
    plain, cleaned = evaluated(tmp_path, scores(cleaned=False)), evaluated(tmp_path, scores(cleaned=True))
    for part in ("ood", "decisions"):
        assert cleaned[part][0] == plain[part][0]
        assert [row["ood_version"] for row in cleaned[part]] == ["official", "ninco_clean"]
    row = cleaned["ood"][1]
    assert (row["ood_images"], row["auroc"]) == (2, (2 + 1) / 4)
    assert cleaned["decisions"][1]["ood_rejected"] == 0.5
    assert cleaned["id_accuracy"] == plain["id_accuracy"]


@pytest.mark.parametrize(
    ("labels", "accuracy"),
    [
        ([0, -1], {"images": 1, "top1": 1.0}),
        ([-1, 1], {"images": 1, "top1": 0.0}),
        ([-1, -1], {"images": 0, "top1": None}),
    ],
)
def test_accuracy_is_that_of_the_images_with_a_label(
    tmp_path: Path, labels: list[int], accuracy: dict[str, object]
) -> None:
    record = evaluated(tmp_path, scores(cleaned=False).assign(label=[*labels, -1, -1, -1, -1]))
    assert record["id_accuracy"] == [{"id": "cifar10", **accuracy, **UNKNOWN}]
    assert record["ood"] == evaluated(tmp_path, scores(cleaned=False))["ood"]


@pytest.mark.parametrize("temperature", [1.5, np.nan])
def test_calibration_is_that_of_the_images_with_a_label(tmp_path: Path, temperature: float) -> None:
    """Two right of three, each in a bin of its own; a fourth without a label counts for nothing."""
    ood, unknown = scores(cleaned=False)[2:], [np.nan] * 4
    images = pd.DataFrame(
        {
            "id": "cifar10", "dataset": "cifar10", "row": range(4), "label": [0, 1, 2, -1], "prediction": [0, 1, 0, 3],
            "msp": 0.5, "accepts_ctw": True, "confidence": [0.9, 0.7, 0.5, 0.2], "nll": [0.1, 0.4, 1.3, np.nan],
            "brier": [0.02, 0.2, 0.9, np.nan], "temperature": temperature,
        }
    )  # fmt: skip
    worth = dict.fromkeys(("confidence", "nll", "brier", "temperature"), unknown)
    record = evaluated(tmp_path, pd.concat([images, ood.assign(**worth)], ignore_index=True))
    assert record["id_accuracy"] == [
        {
            "id": "cifar10",
            "images": 3,
            "top1": pytest.approx(2 / 3),
            "ece": pytest.approx((0.1 + 0.3 + 0.5) / 3),
            "nll": pytest.approx(0.6),
            "brier": pytest.approx(1.12 / 3),
            "temperature": None if np.isnan(temperature) else temperature,
        }
    ]
    assert [row["method"] for row in record["ood"]] == ["msp"]


def test_a_dataset_without_the_list_has_no_second_row(tmp_path: Path) -> None:
    table = scores(cleaned=True)
    other = table[table["dataset"] == "sun"].assign(dataset="places", clean_ninco=pd.NA)
    record = evaluated(tmp_path, pd.concat([table, other]), ood_datasets=["sun", "places"])
    versions = [(row["ood"], row["ood_version"]) for row in record["ood"]]
    assert versions == [("sun", "official"), ("sun", "ninco_clean"), ("places", "official")]


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_fpr_of_equal_and_of_parted_scores(tmp_path: Path, shift: float) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"id": "cifar10", "dataset": ["cifar10"] * 500 + ["sun"] * 500, "label": 0, "prediction": 0})
    values = rng.random(500)
    table["msp"] = np.concatenate([values + shift, values])
    (row,) = evaluated(tmp_path, table)["ood"]
    assert row["fpr95"] == pytest.approx(0.95 if shift == 0 else 0.0, abs=2e-3)


def test_damaged_scores(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match="no columns `id` and `dataset`; delete it and score the run again"):
        evaluated(tmp_path, pd.DataFrame({"msp": [1.0]}))
    (tmp_path / "scores.parquet").write_text("no parquet")
    with pytest.raises(ClipnError, match=r"scores\.parquet: not a Parquet file; delete it"):
        evaluate(tmp_path / "scores.parquet", {}, RUN, MetricOptions(), tmp_path / "m.json", tmp_path / "m.parquet")
    assert not (tmp_path / "m.json").exists()


# Several runs


def test_runs_are_evaluated_as_alone_and_share_their_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws of two image sets, whatever the number of runs and methods."""
    drawn: list[str] = []

    def noted(images: int, count: int, name: str) -> NDArray[np.uint8]:
        drawn.append(name)
        return resamples(images, count, name)

    table, options = scores(cleaned=False, methods=list(METHODS)), MetricOptions(resamples=8)
    alone = evaluated(tmp_path, table, options)
    monkeypatch.setattr(module, "resamples", noted)
    outputs = [tmp_path / "runs" / name for name in ("seed1", "seed2")]
    runs = {path: (tmp_path / "scores.parquet", RUN | {"seed": seed}) for seed, path in enumerate(outputs, 1)}
    evaluate_runs(runs, {"cifar10": ["sun"]}, options)
    assert drawn == ["cifar10", "sun official"]
    for seed, path in enumerate(outputs, 1):
        assert json.loads(path.with_name(f"{path.name}.json").read_text()) == alone | {"seed": seed}
        assert path.with_name(f"{path.name}.parquet").read_bytes() == (tmp_path / "metrics.parquet").read_bytes()


def test_a_name_may_hold_a_dot(tmp_path: Path) -> None:
    scores(cleaned=False).to_parquet(path := tmp_path / "scores.parquet")
    evaluate_runs({tmp_path / "seed1.old": (path, RUN)}, {"cifar10": ["sun"]}, MetricOptions())
    assert {file.name for file in tmp_path.iterdir()} == {"scores.parquet", "seed1.old.json", "seed1.old.parquet"}


def test_a_pair_that_was_not_scored(tmp_path: Path) -> None:
    with pytest.raises(
        ClipnError, match=r"scores\.parquet: no images of dtd under the classes of cifar10; score that pair"
    ):
        evaluated(tmp_path, scores(cleaned=False), ood_datasets=["sun", "dtd"])
    assert not (tmp_path / "metrics.json").exists()


# Files that hold something else than scores

TABLE = scores(cleaned=True)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (TABLE.drop(columns="msp"), "holds no scores of any method; delete it and score the run again"),
        (TABLE.drop(columns="label"), "no column `label`, which predictions are compared with; delete it and score"),
        (TABLE.astype({"msp": "float16"}), "msp is a column of float16, not of float64; delete it and score"),
        (TABLE.assign(nll="0.5"), "nll is a column of str, not of float64; delete it and score"),
        (TABLE.astype({"msp": "int64"}), "msp is a column of int64, not of float64; delete it and score"),
        (TABLE.astype({"msp": str}), "msp is a column of str, not of float64; delete it and score the run again"),
        (TABLE.astype({"label": str}), "label is a column of str, not of int32; delete it and score"),
        (TABLE.astype({"prediction": "Int32"}), "prediction is a column of Int32, not of int32; delete it and score"),
        (TABLE.astype({"prediction": float}), "prediction is a column of float64, not of int32; delete"),
        (TABLE.assign(accepts_ctw=[True, None] * 3), "accepts_ctw is a column of object, not of bool; delete it"),
        (TABLE.assign(msp=np.nan), "msp holds no finite number in row 1, an image of cifar10; score the run again"),
        (TABLE.assign(msp=TABLE["msp"].replace(0.6, np.nan)), "msp holds no finite number in row 2, an image of cifar"),
        (TABLE.assign(msp=TABLE["msp"].replace(0.7, np.inf)), "msp holds no finite number in row 5, an image of sun;"),
        (pd.concat([TABLE, TABLE]), "row 0 of cifar10 is there twice; delete it and score the run again"),
    ],
)
def test_what_is_no_score_is_named(tmp_path: Path, table: pd.DataFrame, complaint: str) -> None:
    with pytest.raises(ClipnError) as caught:
        evaluated(tmp_path, table)
    assert str(caught.value).startswith(f"{tmp_path / 'scores.parquet'}: {complaint}")
    assert not (tmp_path / "metrics.json").exists()


def test_a_method_may_be_of_one_id_dataset_alone(tmp_path: Path) -> None:
    others = TABLE.assign(id="imagenet", dataset=["imagenet"] * 2 + ["sun"] * 4, theirs=[3.0, 2.0, 1.0, 1.0, 1.0, 2.5])
    record = evaluated(tmp_path, pd.concat([TABLE.assign(theirs=np.nan), others], ignore_index=True))
    assert {row["method"] for row in record["ood"]} == {"msp"}
