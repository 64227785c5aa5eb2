"""Scores of others beside our own: what is measured of them is what their values say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clipn.data.manifest import SCHEMA
from clipn.evaluation.evaluate import MetricOptions, evaluate
from clipn.evaluation.imported import ImportedMethod, SetScores, import_scores
from clipn.files import read_json
from clipn.metrics import auroc, fpr


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    """Two datasets of 30 and 40 images."""
    for name, number in (("cats", 30), ("noise", 40)):
        rows = [{"path": f"{row}.jpg", "label": 0, "sha256": "", "width": 1, "height": 1} for row in range(number)]
        (tmp_path / "datasets" / name).mkdir(parents=True)
        frame = pd.DataFrame(rows).astype({"label": "int32", "width": "int32", "height": "int32"})
        frame.to_parquet(tmp_path / "datasets" / name / "manifest.parquet", schema=SCHEMA)
    return tmp_path / "datasets"


def test_metrics_are_those_of_the_scores(datasets: Path, tmp_path: Path) -> None:
    """Files in which lower is ID, as those of minus the largest probability are, and in which higher is."""
    rng = np.random.default_rng(0)
    known, unknown = rng.normal(1, 1, 30), rng.normal(0, 1, 40)
    methods = []
    for name, sign in (("theirs", -1), ("others", 1)):
        sets = []
        for dataset, values in (("cats", known), ("noise", unknown)):
            sets.append(SetScores("cats", dataset, tmp_path / f"{name}_{dataset}.csv"))
            pd.DataFrame({"mcm": sign * values}).to_csv(sets[-1].path, index=False)
        methods.append(ImportedMethod(name, "id" if sign > 0 else "ood", "mcm", sets))
    import_scores(methods, datasets, tmp_path / "scores.parquet")
    names: dict[str, str | int] = {
        "study": "s", "backbone": "b", "variant": "none", "prompts": "imported", "seed": 0
    }  # fmt: skip
    pairs = {"dogs": ["noise"], "cats": ["noise"]}
    outputs = tmp_path / "metrics.json", tmp_path / "replicates.parquet"
    evaluate(tmp_path / "scores.parquet", pairs, names, MetricOptions(resamples=5), *outputs)
    record = read_json(outputs[0])
    assert [(row["id"], row["ood"], row["method"], row["prompts"]) for row in record["ood"]] == [
        ("cats", "noise", "theirs", "imported"),
        ("cats", "noise", "others", "imported"),
    ]
    for row in record["ood"]:
        assert row["auroc"] == pytest.approx(auroc(known, unknown), abs=1e-12)
        assert row["fpr95"] == pytest.approx(fpr(known, unknown), abs=1e-12)
    assert (record["id_accuracy"], record["decisions"]) == ([], [])
