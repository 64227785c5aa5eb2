import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clipn.evaluate import evaluate

RUN = {"study": "s", "backbone": "b", "variant": "v", "seed": 1, "prompts": "p"}


def scores(cleaned: bool) -> pd.DataFrame:
    """Two ID images, and four of an OOD dataset, of which people looked at three and found two to be unknown."""
    table = pd.DataFrame(
        {
            "id": "cifar10",
            "dataset": ["cifar10", "cifar10", *["sun"] * 4],
            "row": [0, 1, 0, 1, 2, 3],
            "label": [0, 1, -1, -1, -1, -1],
            "prediction": [0, 0, 0, 0, 0, 0],
            "msp": [0.9, 0.6, 0.1, 0.95, 0.7, 0.2],
            "accepts_ctw": [True, False, False, True, True, False],
        }
    )
    looked_at = pd.array([None, None, True, False, True, None], dtype="boolean")
    return table.assign(clean_ninco=looked_at) if cleaned else table


def evaluated(folder: Path, table: pd.DataFrame) -> dict[str, list[dict[str, float]]]:
    table.to_parquet(folder / "scores.parquet")
    evaluate(folder / "scores.parquet", {"cifar10": ["sun"]}, RUN, folder / "metrics.json")
    record: dict[str, list[dict[str, float]]] = json.loads((folder / "metrics.json").read_text())
    return record


def test_values_of_a_run(tmp_path: Path) -> None:
    record = evaluated(tmp_path, scores(cleaned=False))
    (row,) = record["ood"]
    assert row["auroc"] == (3 + 2) / 8
    assert (row["id_images"], row["ood_images"], row["ood_version"]) == (2, 4, "official")
    assert record["id_accuracy"] == [{"id": "cifar10", "images": 2, "top1": 0.5}]
    (decision,) = record["decisions"]
    assert (decision["id_accepted"], decision["ood_rejected"], decision["balanced_accuracy"]) == (0.5, 0.5, 0.5)


def test_a_cleaning_list_adds_a_row_and_changes_none(tmp_path: Path) -> None:
    plain, cleaned = evaluated(tmp_path, scores(cleaned=False)), evaluated(tmp_path, scores(cleaned=True))
    for part in ("ood", "decisions"):
        assert cleaned[part][0] == plain[part][0]
        assert [row["ood_version"] for row in cleaned[part]] == ["official", "ninco_clean"]
    row = cleaned["ood"][1]
    assert (row["ood_images"], row["auroc"]) == (2, (2 + 1) / 4)
    assert cleaned["decisions"][1]["ood_rejected"] == 0.5
    assert cleaned["id_accuracy"] == plain["id_accuracy"]


def test_a_dataset_without_the_list_has_no_second_row(tmp_path: Path) -> None:
    table = scores(cleaned=True)
    other = table[table["dataset"] == "sun"].assign(dataset="places", clean_ninco=pd.NA)
    record = tmp_path / "m.json"
    pd.concat([table, other]).to_parquet(tmp_path / "s.parquet")
    evaluate(tmp_path / "s.parquet", {"cifar10": ["sun", "places"]}, RUN, record)
    versions = [(row["ood"], row["ood_version"]) for row in json.loads(record.read_text())["ood"]]
    assert versions == [("sun", "official"), ("sun", "ninco_clean"), ("places", "official")]


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_fpr_of_equal_and_of_parted_scores(tmp_path: Path, shift: float) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"id": "cifar10", "dataset": ["cifar10"] * 500 + ["sun"] * 500, "label": 0, "prediction": 0})
    values = rng.random(500)
    table["msp"] = np.concatenate([values + shift, values])
    (row,) = evaluated(tmp_path, table)["ood"]
    assert row["fpr95"] == pytest.approx(0.95 if shift == 0 else 0.0, abs=2e-3)
