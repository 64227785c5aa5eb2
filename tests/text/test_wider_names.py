"""Wider names of ImageNet's classes: what people call them, and the list that was checked."""

import re
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.text import wider_names
from clipn.text.prompts import imagenet_classnames


def test_names_are_those_that_people_use() -> None:
    names = wider_names.wider_names()
    assert {key: names[key] for key in ("n02099601", "n01443537", "n02123045", "n02814533", "n02690373")} == {
        "n02099601": "dog, domestic animal",
        "n01443537": "fish",
        "n02123045": "cat, domestic animal",
        "n02814533": "car, auto, automobile, motorcar, vehicle",
        "n02690373": "airplane, plane, aircraft",
    }
    assert all(re.fullmatch(r"n\d{8}", key) for key in names)
    assert len(names) < len(imagenet_classnames())


def test_a_changed_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wider_names.tsv").write_bytes(wider_names.FILE.read_bytes() + b"n00000000\tthing\n")
    monkeypatch.setattr(wider_names, "FILE", tmp_path / "wider_names.tsv")
    with pytest.raises(ClipnError, match=r"wider_names\.tsv: was changed; install clipn again$"):
        wider_names.wider_names()
