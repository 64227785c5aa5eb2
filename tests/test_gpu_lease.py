"""Each process has a GPU of its own; the machine needs none for that."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from clipn import compute
from clipn.compute import gpu_lease, prepare_torch
from clipn.compute.gpu_lease import lease
from clipn.errors import ClipnError
from tests.helpers.tiny_run import forked


def test_each_has_another_until_none_is_left(tmp_path: Path) -> None:
    leases = [lease(["0", "1", "2"], tmp_path) for _ in range(3)]
    assert [index for index, _ in leases] == [0, 1, 2]
    with pytest.raises(ClipnError, match=r"other jobs have all 3 GPUs; .*--resources gpu=3"):
        lease(["0", "1", "2"], tmp_path)
    leases[1][1].release()
    assert lease(["0", "1", "2"], tmp_path)[0] == 1


def test_a_gpu_is_known_by_its_name_whoever_sees_it(tmp_path: Path) -> None:
    first = lease(["2", "3"], tmp_path)
    assert first[0] == 0
    assert lease(["1", "2", "3"], tmp_path)[0] == 0
    assert lease(["2", "3"], tmp_path)[0] == 1


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    def die() -> None:
        lease(["0"], tmp_path)
        os.abort()

    forked(die)
    assert lease(["0"], tmp_path)[0] == 0


@pytest.mark.parametrize(("count", "chosen"), [(1, []), (2, [1])])
def test_a_step_on_cuda_takes_one_of_several_once(
    count: int, chosen: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: SimpleNamespace(uuid=f"GPU-{gpu}"))
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **__: None)
    monkeypatch.setattr(compute, "_leases", [])
    monkeypatch.setattr(gpu_lease, "lease", lambda gpus: lease(gpus, tmp_path))
    other = lease(["GPU-0"], tmp_path)
    for _ in range(2):
        prepare_torch("cuda", torch.get_num_threads())
    assert (other[0], taken) == (0, chosen)
