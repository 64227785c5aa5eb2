"""Image files behind names of the command line."""

from pathlib import Path

import pytest

from clipn.data.image_files import find_images
from clipn.errors import ClipnError

NAMES = ["b/one.JPG", "b/deep/two.png", "a.jpeg", "b/notes.txt", "b/.hidden.jpg", ".cache/three.jpg", "raw"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["."], ["./a.jpeg", "./b/one.JPG", "./b/deep/two.png"]),
        (["b"], ["b/one.JPG", "b/deep/two.png"]),
        (["b", "a.jpeg"], ["b/one.JPG", "b/deep/two.png", "a.jpeg"]),
        (["raw"], ["raw"]),
        (["b/*.JPG"], ["b/one.JPG"]),
        (["**/*.p*g"], ["b/deep/two.png"]),
        (["b/notes.txt", "b"], ["b/notes.txt", "b/one.JPG", "b/deep/two.png"]),
    ],
)
def test_files_folders_and_patterns(given: list[str], found: list[str]) -> None:
    assert sorted(find_images(given).images) == sorted(found)


def test_images_of_a_folder_come_in_one_order(folder: Path) -> None:
    names = [f"{letter}{number}.png" for letter in "zya" for number in range(5)]
    for name in names:
        (folder / "b" / name).touch()
    found = [Path(path).name for path in find_images(["b"]).images]
    assert found == [*sorted([*names, "one.JPG"]), "two.png"]


@pytest.mark.usefixtures("folder")
def test_other_files_of_folders_are_told() -> None:
    assert find_images(["."]).others == ["./raw", "./b/notes.txt"]


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_named_twice_comes_once() -> None:
    assert find_images(["a.jpeg", "a.jpeg", "*.jpeg"]).images == ["a.jpeg"]


@pytest.mark.usefixtures("folder")
def test_a_list_on_a_stream() -> None:
    found = find_images(["-", "a.jpeg"], ["\ufeffb/one.JPG\n", "\n", "not there.png\r\n"])
    assert found.images == ["b/one.JPG", "not there.png", "a.jpeg"]


def test_a_name_with_brackets_is_a_name_first(folder: Path) -> None:
    (folder / "[1].png").touch()
    assert find_images(["[1].png"]).images == ["[1].png"]


def test_folders_that_link_in_a_circle(folder: Path) -> None:
    (folder / "b/back").symlink_to(folder)
    assert sorted(find_images(["b"]).images) == ["b/back/a.jpeg", "b/deep/two.png", "b/one.JPG"]


@pytest.mark.usefixtures("folder")
def test_nothing_of_that_name() -> None:
    with pytest.raises(ClipnError, match=r"^c/\*: no such file or folder, nor does the pattern fit any; check"):
        find_images(["a.jpeg", "c/*"])


def test_a_folder_without_images(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(ClipnError, match=r"^empty: no image file; name image files, or folders that hold some$"):
        find_images(["empty"])
