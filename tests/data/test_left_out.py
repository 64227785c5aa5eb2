"""Every file that was given is counted as an image or named as left out, whatever the tree or shard."""

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipn.data.archives import write_archive
from clipn.data.location import Location
from clipn.data.readers import class_names, read_images, warn_of_left_out
from clipn.data.readers.left_out import left_out
from tests.helpers.tiny_dataset import at, dataset, write_files, zipped

PARTS = st.sampled_from(["a", "b.jpg", ".x", "d e", "é"])
ENDINGS = st.sampled_from([".jpg", ".PNG", ".heic", ".txt", "", ".jpg.part", ".tar.gz"])
PATHS = st.builds(
    lambda folders, name, ending: "/".join([*folders, f"{name}{ending}"]), st.lists(PARTS, max_size=3), PARTS, ENDINGS
)
TREES = st.sets(PATHS, max_size=12).filter(
    lambda paths: not any(PurePosixPath(path) in PurePosixPath(other).parents for path in paths for other in paths)
)
KEYS = st.sampled_from(["a", "a.b", "a.b.c", "d/a", "e.f/a.b"])
SAMPLES = st.sets(st.builds(str.__add__, KEYS, st.sampled_from([".png", ".JPG", ".seg.png", ".json"])))
few = settings(max_examples=30, deadline=None)
Packing = Callable[[Path, dict[str, bytes]], Path]


def as_folder(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir()
    return write_files(path, files)


def as_tar(path: Path, files: dict[str, bytes]) -> Path:
    write_archive(path, files.items())
    return path


def as_zip(path: Path, files: dict[str, bytes]) -> Path:
    return zipped(path, files)


def named(location: Location) -> set[str]:
    return {name for names in left_out(location).values() for name in names}


def counted(location: Location) -> set[str]:
    """Files by their contents, which are their names."""
    return {image.content.decode() for image in read_images(location)}


def is_named(path: str, names: set[str]) -> bool:
    return path in names or any(str(folder) in names for folder in PurePosixPath(path).parents)


@pytest.mark.parametrize("pack", [as_folder, as_tar, as_zip])
@pytest.mark.parametrize("select", [{}, {"exclude": ["a*"]}, {"start": 1, "stop": 3}])
@few
@given(paths=TREES)
def test_any_tree(pack: Packing, select: dict[str, object], paths: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        location = at(pack(Path(folder, "given"), {path: path.encode() for path in paths}), select=select)
        images, names = counted(location), named(location) - {"folder/"}
        assert {path for path in paths if is_named(path, names)} == paths - images
        assert not {path for path in images if path.startswith(".") or "/." in path}
        assert all(is_named(name, paths) or any(path.startswith(f"{name}/") for path in paths) for name in names)


@pytest.mark.parametrize("pack", [as_folder, as_tar])
@few
@given(paths=TREES, data=st.data())
def test_any_tree_and_list(pack: Packing, paths: set[str], data: st.DataObject) -> None:
    visible = sorted(path for path in paths if not path.startswith(".") and "/." not in path)
    listed = data.draw(st.sets(st.sampled_from(visible), min_size=1)) if visible else set()
    if not listed:
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "list.txt").write_text("\n".join(sorted(listed)), encoding="utf-8")
        place = pack(Path(folder, "given"), {path: path.encode() for path in paths})
        location = at(place, reader="list", file_list="list.txt")
        names = named(location)
        assert counted(location) == listed
        assert {path for path in paths if is_named(path, names)} == paths - listed


@few
@given(files=SAMPLES, other=st.sampled_from(["1.tar.gz", "deep/2.tar", "notes.txt", ".x"]), data=st.data())
def test_any_shard(files: set[str], other: str, data: st.DataObject) -> None:
    images = sorted(name for name in files if name.endswith((".png", ".JPG")))
    stems = sorted({str(PurePosixPath(name).with_suffix("")) for name in images})
    # The class number of a label tells which image took it.
    labels = {f"{stem}.cls": number for number, stem in enumerate(stems) if data.draw(st.booleans(), stem)}
    contents = {name: name.encode() for name in files} | {name: b"%d" % label for name, label in labels.items()}
    with tempfile.TemporaryDirectory() as folder:
        write_archive(Path(folder, "0.tar"), contents.items())
        write_files(Path(folder), {other: b""})
        location = Location(dataset(folder=".", reader="webdataset"), [Path(folder)])
        found = {image.content.decode(): image.label for image in read_images(location)}
        assert found == {name: labels.get(f"{PurePosixPath(name).with_suffix('')}.cls", -1) for name in found}
        taken = {f"0/{name}" for name in (*found, *labels)}
        assert named(location) == {other, *(f"0/{name}" for name in contents)} - taken
        assert {name for name in images if "." not in PurePosixPath(name).stem} <= found.keys()


def test_reasons_are_told_with_the_number_and_the_first_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"cat/1.jpg": b"", "cat/2.heic": b"", "dog/1.jpg": b"", "dog/.DS_Store": b"", "dog/2.jpg": b""}
    write_files(tmp_path / "pets", files | {f"notes/{number}.txt": b"" for number in range(5)})
    (tmp_path / "pets/fox").mkdir()
    location = at(tmp_path / "pets", reader="folders", select={"exclude": ["dog/2*"]})
    warn_of_left_out("pets", location)
    assert capsys.readouterr().err.splitlines() == [
        "pets: left out, of no image format: 6 (cat/2.heic, notes/0.txt, notes/1.txt and 3 more)",
        "pets: left out, hidden: 1 (dog/.DS_Store)",
        "pets: left out, not in `select`: 1 (dog/2.jpg)",
        "pets: left out, empty folders: 1 (fox/)",
    ]
    assert class_names(location) == ["cat", "dog"]


def test_of_cifar_the_other_split_is_named(tmp_path: Path) -> None:
    batch = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}, 2)
    training = [f"data_batch_{number}" for number in range(1, 6)]
    write_archive(path := tmp_path / "c.tar.gz", [(f"c/{name}", batch) for name in (*training, "test_batch")])
    others = [f"c/{name}" for name in training]
    assert left_out(at(path, reader="cifar")) == {"no test images": others}
    assert left_out(at(path, reader="cifar_train")) == {"no training images": ["c/test_batch"]}
    few = left_out(at(path, reader="cifar_train", select={"stop": 7}))
    assert few == {"no training images": ["c/test_batch"], "not in `select`": ["00007", "00008", "00009"]}
