from pathlib import Path

import pytest
from PIL import Image

from clipn.data.add import add_dataset
from clipn.data.archives import write_archive
from clipn.data.registry import Reader, load_registry
from clipn.errors import ClipnError
from tests.helpers.shard_building import picture


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry that has an archive photos.tar already."""
    path = tmp_path / "registry.yaml"
    write_archive(tmp_path / "photos.tar", [("0.jpg", picture("0"))])
    add_dataset(path, "first", tmp_path / "photos.tar", "First", None, None)
    return path


def refusal(registry: Path, path: Path, reader: Reader | None = None, file_list: Path | None = None) -> str:
    before = registry.read_bytes()
    with pytest.raises(ClipnError) as caught:
        add_dataset(registry, "second", path, "Second", reader, file_list)
    assert registry.read_bytes() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_archive_of_the_same_name_does_not_spoil_the_registry(registry: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write_archive(tmp_path / "other/photos.tar", [("1.jpg", picture("1"))])
    assert "two records store different files as 'photos.tar'" in refusal(registry, tmp_path / "other/photos.tar")
    assert list(load_registry(registry).datasets) == ["first"]


@pytest.mark.parametrize("name", ["photo.jpg", "notes.txt"])
def test_a_file_that_is_no_archive_is_not_called_damaged(registry: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(picture("0"))
    assert refusal(registry, tmp_path / name).endswith(
        f"{name}: is neither a folder nor a tar or zip archive; name one, or the folder it lies in"
    )


def test_a_reader_and_a_file_list_that_contradict_each_other(registry: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("0.jpg\n")
    assert "--reader flat: does not go with --file-list" in refusal(registry, tmp_path, "flat", tmp_path / "list.txt")
    assert "--reader list: needs --file-list" in refusal(registry, tmp_path, "list")


def test_an_image_beside_folders_makes_no_class(registry: Path, tmp_path: Path) -> None:
    for name in ("mixed/0.jpg", "mixed/cat/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(tmp_path / name)
    assert "0.jpg: lies in no folder, so it has no class" in refusal(registry, tmp_path / "mixed", "folders")
    assert add_dataset(registry, "mixed", tmp_path / "mixed", "Mixed", None, None).reader == "flat"


@pytest.mark.parametrize("content", ["", "datasets:\n", "# nothing yet\n"])
def test_an_empty_registry_is_filled(tmp_path: Path, content: str) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(content)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/0.jpg").write_bytes(picture("0"))
    add_dataset(path, "own", tmp_path / "own", "Own", None, None)
    assert list(load_registry(path).datasets) == ["own"]


def test_a_registry_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ClipnError, match=r"registry\.yaml: not UTF-8 text; save it as UTF-8"):
        load_registry(path)
