"""Replicates come back as they were written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clipn.errors import ClipnError
from clipn.evaluation.replicates import NAMES, read_replicates, write_replicates

ROW = {"id": "cifar10", "ood": "svhn", "ood_version": "official", "prompts": "single", "method": "msp"}


def test_round_trip(tmp_path: Path) -> None:
    values = np.array([0.25, 1 / 3], np.float32)
    rows = [ROW | {"measure": "auroc", "values": values}, ROW | {"measure": "fpr95", "values": values[::-1]}]
    write_replicates(tmp_path / "r.parquet", rows)
    table = read_replicates(tmp_path / "r.parquet")
    assert list(table.columns) == [*NAMES, "values"]
    assert list(table["measure"]) == ["auroc", "fpr95"]
    assert [found.tolist() for found in table["values"]] == [values.tolist(), values[::-1].tolist()]
    assert table["values"][0].dtype == np.float32


def test_the_same_replicates_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_replicates(tmp_path / name, [ROW | {"measure": "auroc", "values": np.zeros(3, np.float32)}])
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_none(tmp_path: Path) -> None:
    write_replicates(tmp_path / "r.parquet", [])
    assert read_replicates(tmp_path / "r.parquet").empty


def test_missing_damaged_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    with pytest.raises(ClipnError, match="no such file"):
        read_replicates(path)
    path.write_text("text")
    with pytest.raises(ClipnError, match="not a file of replicates; delete it and evaluate the run again"):
        read_replicates(path)
    pd.DataFrame({"id": ["cifar10"]}).to_parquet(path)
    with pytest.raises(ClipnError, match="not a file of replicates"):
        read_replicates(path)
