"""WebDataset shards with labels."""

from pathlib import Path

import pytest

from clipn.data.archives import write_archive
from clipn.data.location import Location, locate
from clipn.data.readers import class_names, read_images
from clipn.errors import ClipnError
from tests.helpers.tiny_dataset import at, dataset, jpeg

LABELLED = [("000.cls", b"1\n"), ("000.jpg", jpeg(1)), ("001.JPG", jpeg(2)), ("001.cls", b"0"), ("001.json", b"{}")]
PLAIN = [("a/000.png", jpeg(3)), ("a/000.seg.png", jpeg(4)), ("a/001.jpg", jpeg(5))]


def shards(folder: Path, **fields: object) -> Location:
    return locate(dataset(folder=folder.name, reader="webdataset", **fields), Path("nowhere"), folder.parent)


def found(location: Location) -> list[tuple[str, int, bytes]]:
    return [(image.path, image.label, image.content) for image in read_images(location)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_archive(tmp_path / "wds" / "1.tar", PLAIN)
    write_archive(tmp_path / "wds" / "0.tar", LABELLED)
    return tmp_path / "wds"


def test_shards_of_a_folder_are_read_in_order(folder: Path) -> None:
    assert found(shards(folder)) == [
        ("0/000.jpg", 1, jpeg(1)),
        ("0/001.JPG", 0, jpeg(2)),
        ("1/a/000.png", -1, jpeg(3)),
        ("1/a/001.jpg", -1, jpeg(5)),
    ]


def test_shards_may_be_archives(folder: Path) -> None:
    location = locate(dataset("1.tar", "0.tar", reader="webdataset"), folder, Path("nowhere"))
    assert [path for path, _, _ in found(location)] == ["1/a/000.png", "1/a/001.jpg", "0/000.jpg", "0/001.JPG"]


def test_selection_applies_to_shard_and_key(folder: Path) -> None:
    assert [path for path, _, _ in found(shards(folder, select={"include": ["0/*"], "start": 1}))] == ["0/001.JPG"]


def test_class_names_lie_beside_the_shards(folder: Path) -> None:
    assert class_names(shards(folder)) == []
    assert class_names(shards(folder, classes=["a", "b", "c"])) == ["a", "b", "c"]
    (folder / "classnames.txt").write_text("tench\ngreat white shark\n", encoding="utf-8")
    assert class_names(shards(folder)) == ["tench", "great white shark"]
    with pytest.raises(ClipnError, match="`classes` has 3 names but the archives hold 2"):
        class_names(shards(folder, classes=["a", "b", "c"]))


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ([("0.jpg", b""), ("0.cls", b"cat")], r"0\.tar: 0\.cls is no class number \(b'cat'\)"),
        ([("0.jpg", b""), ("0.cls", b"-1")], r"0\.tar: 0\.cls is no class number"),
        ([("0.cls", b"1"), ("1.jpg", b"")], r"0\.tar: sample 0 needs an image"),
        ([("0.jpg", b""), ("0.seg.cls", b"1")], r"0\.tar: sample 0\.seg needs an image"),
        ([("0.jpg", b""), ("0.cls", b"1234567890")], r"0\.tar: 0\.cls is no class number"),
        ([("0.cls", b"1"), ("0.cls", b"2"), ("0.jpg", b"")], r"at most one label"),
    ],
)
def test_samples_that_are_not_whole_are_refused(tmp_path: Path, members: list[tuple[str, bytes]], error: str) -> None:
    write_archive(tmp_path / "0.tar", members)
    with pytest.raises(ClipnError, match=error):
        found(at(tmp_path / "0.tar", reader="webdataset"))


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wds").mkdir()
    with pytest.raises(ClipnError, match=r"wds: holds no \*\.tar"):
        found(shards(tmp_path / "wds"))


def test_names_with_dots_are_samples_unless_they_belong_to_one(tmp_path: Path) -> None:
    names = ["img_1", "img_v2.0", "photo.2019.06.01", "dir.v1/1", "a", "a.aug"]
    members = [(f"{name}.cls", b"%d" % number) for number, name in enumerate(names)]
    pictures = [(f"{name}.png", jpeg(number)) for number, name in enumerate([*names, "a.seg"])]
    # In another order than the images, as no rule says that the files of a sample lie side by side.
    write_archive(tmp_path / "0.tar", [*pictures, *reversed(members)])
    location = at(tmp_path / "0.tar", reader="webdataset")
    assert found(location) == [(f"0/{name}.png", number, jpeg(number)) for number, name in enumerate(names)]
