"""Folders in one another: read to any depth that the system has paths for, and refused below it."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipn.data.add import add_dataset
from clipn.data.archives import entry_names, member_names
from clipn.data.image_files import find_images
from clipn.data.readers import read_images
from clipn.data.registry import load_registry
from clipn.data.verify import verify_record
from clipn.errors import ClipnError
from tests.helpers.tiny_dataset import at, jpeg

CALLS, DEPTH = 400, 500
"""Python's limit of calls in one another, and folders in one another; more of them would take seconds to remove."""
Reading = Callable[[Path], object]


@pytest.fixture
def few_calls(tmp_path: Path) -> Iterator[None]:
    """Until `tmp_path` is removed, by a function that calls itself."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(CALLS)
    yield
    sys.setrecursionlimit(before)


def nested(folder: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image below folders in one another, whose path may be longer than the system takes."""
    monkeypatch.chdir(folder)
    for name in ("deep", *names):
        Path(name).mkdir()
        os.chdir(name)
    Path("1.jpg").write_bytes(jpeg())
    os.chdir(folder)
    return folder / "deep"


@pytest.mark.usefixtures("few_calls")
def test_a_deep_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, image = nested(tmp_path, ["a"] * DEPTH, monkeypatch), f"{'a/' * DEPTH}1.jpg"
    assert member_names(folder) == [image]
    assert find_images([str(folder)]).images == [f"{folder}/{image}"]
    record = add_dataset(Path("r.yaml"), "deep", folder, "Deep", None, None)
    assert (record.reader, record.images) == ("flat", 1)
    assert verify_record("deep", load_registry(Path("r.yaml")), folder, Path(), Path("out")).images == 1


@pytest.mark.parametrize(
    "read",
    [
        member_names,
        entry_names,
        lambda folder: find_images([str(folder)]),
        lambda folder: list(read_images(at(folder))),
    ],
)
def test_a_folder_beyond_all_paths_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Reading) -> None:
    folder = nested(tmp_path, ["a" * 250] * 17, monkeypatch)
    with pytest.raises(ClipnError, match=r"deep: cannot be read \(.*File name too long") as caught:
        read(folder)
    assert len(str(caught.value)) < 1000
