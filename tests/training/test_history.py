"""Curves for TensorBoard: what is in the log, also after an interruption; nothing without it."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clipn.training.history import scalar_writer


def written(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(item.step, item.value) for item in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_values_by_step(tmp_path: Path) -> None:
    with scalar_writer(tmp_path, start=0) as write:
        write(0, {"total": 1.5, "learning_rate": 0.25})
        write(1, {"total": 0.5, "learning_rate": 0.125})
    assert written(tmp_path) == {"total": [(0, 1.5), (1, 0.5)], "learning_rate": [(0, 0.25), (1, 0.125)]}


def test_steps_taken_again_replace_those_before(tmp_path: Path) -> None:
    for start, value in ((0, 1.0), (2, 2.0)):
        with scalar_writer(tmp_path, start) as write:
            for step in range(start, 4):
                write(step, {"total": value})
    assert written(tmp_path) == {"total": [(0, 1.0), (1, 1.0), (2, 2.0), (3, 2.0)]}


def test_without_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with scalar_writer(None, start=0) as write:
        write(0, {"total": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec

    def lacking(name: str, *arguments: Any) -> Any:
        return None if name == "tensorboard" else find_spec(name, *arguments)

    monkeypatch.setattr(importlib.util, "find_spec", lacking)
    with scalar_writer(tmp_path, start=0) as write:
        write(0, {"total": 1.0})
    assert list(tmp_path.iterdir()) == []
