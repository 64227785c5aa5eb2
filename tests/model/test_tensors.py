"""Safetensors files as NumPy reads them, and without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clipn.errors import ClipnError
from clipn.model.tensor_parts import safetensors_in_parts
from clipn.model.tensors import read_arrays, read_safetensors, write_arrays, write_safetensors
from tests.helpers.project import ENVIRONMENT

HEADER = {"format": "clipn-test-1", "backbone": "tiny"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tensors = {"a": torch.tensor([[0.1, -2.0], [3.0, 1e-30]]), "b/c": torch.arange(3.0)}
    write_safetensors(path := tmp_path / "x.safetensors", tensors, HEADER)
    return path


def test_arrays_are_the_tensors(path: Path) -> None:
    arrays, header = read_arrays(path, "clipn-test-1")
    tensors, of_tensors = read_safetensors(path, "clipn-test-1")
    assert header == of_tensors == HEADER
    assert arrays.keys() == tensors.keys()
    for name, array in arrays.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, tensors[name])


def test_arrays_are_read_without_torch(path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from clipn.model.tensors import read_arrays;"
        "arrays, _ = read_arrays(Path(sys.argv[1]), 'clipn-test-1');"
        "print(json.dumps([arrays['b/c'].tolist(), 'torch' in sys.modules]))"
    )
    command = [sys.executable, "-c", code, path]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [[0, 1, 2], False]


def test_arrays_are_written_as_tensors_are_and_only_finite_ones(path: Path, tmp_path: Path) -> None:
    arrays, _ = read_arrays(path, "clipn-test-1")
    write_arrays(again := tmp_path / "again.safetensors", arrays, HEADER)
    assert again.read_bytes() == path.read_bytes()
    turned = {"a": arrays["a"].T.astype(np.float64)}
    write_arrays(again, turned, HEADER)
    np.testing.assert_array_equal(read_arrays(again, "clipn-test-1")[0]["a"], turned["a"])
    with pytest.raises(
        ClipnError, match=r"bad\.safetensors: a holds NaN or infinity; it was not written; check the fea"
    ):
        write_arrays(bad := tmp_path / "bad.safetensors", {"a": np.array([np.nan])}, HEADER)
    assert not bad.exists()


@pytest.mark.parametrize("read", [read_arrays, read_safetensors])
def test_files_that_are_none(path: Path, read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(ClipnError, match="holds 'clipn-test-1', expected 'clipn-test-2'"):
        read(path, "clipn-test-2")
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ClipnError, match=r"cut\.safetensors: not a whole safetensors file \(.*\); delete it and make"):
        read(tmp_path / "cut.safetensors", "clipn-test-1")
    with pytest.raises(ClipnError, match=r"none\.safetensors: no such file"):
        read(tmp_path / "none.safetensors", "clipn-test-1")


def test_parts_are_written_as_whole_tensors_are(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(7 * 3, dtype=torch.int32).view(7, 3),
        "yes é": torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0)),
        "b": torch.zeros(0, 4),
    }
    write_safetensors(whole := tmp_path / "whole.safetensors", tensors, HEADER)
    shapes = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
    with safetensors_in_parts(path := tmp_path / "parts.safetensors", shapes, HEADER) as write:
        for first, second in zip(tensors["a"].split(2), tensors["yes é"].flatten(0, 1).split(4), strict=True):
            write("a", first)
            write("yes é", second)
    assert path.read_bytes() == whole.read_bytes()


def test_an_error_of_what_is_read_between_parts_stays_what_it_is(tmp_path: Path) -> None:
    tensors = {"a": (torch.float32, (1,))}
    with (
        pytest.raises(FileNotFoundError, match="shard"),
        safetensors_in_parts(tmp_path / "parts", tensors, {}),
    ):
        (tmp_path / "shard").read_bytes()
    assert [*tmp_path.iterdir()] == []


def test_parts_that_are_not_finite_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    shapes = {"a": (torch.float32, (2, 1))}
    with (
        pytest.raises(ClipnError, match=r"x\.safetensors: a holds NaN or infinity; it was not written"),
        safetensors_in_parts(path, shapes, HEADER) as write,
    ):
        write("a", torch.tensor([[1.0], [torch.inf]]))
    assert not list(tmp_path.iterdir())
