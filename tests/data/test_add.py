from pathlib import Path

import pytest
from PIL import Image

from clipn.data.add import add_dataset
from clipn.data.archives import write_archive
from clipn.data.manifest import names_hash
from clipn.data.registry import Reader, load_registry
from clipn.errors import ClipnError
from tests.helpers.shard_building import picture
from tests.helpers.tiny_dataset import write_files


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


@pytest.mark.parametrize("reader", [None, "folders"])
@pytest.mark.parametrize(
    ("names", "apart"),
    [
        (["c/church/indoor/1.jpg", "m/market/indoor/2.jpg"], "c/church/indoor and m/market/indoor"),
        (["train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3.jpg"], "train/cat and val/cat"),
        (["cat/1.jpg", "dog/puppies/2.jpg"], "cat and dog/puppies"),
        (["n01/images/1.jpg", "n02/images/2.jpg"], "n01/images and n02/images"),
    ],
)
def test_folders_that_are_not_clearly_classes(
    registry: Path, tmp_path: Path, names: list[str], apart: str, reader: Reader | None
) -> None:
    folder = write_files(tmp_path / "mine", {name: picture(name) for name in names})
    said = refusal(registry, folder, reader)
    assert apart in said
    assert "do not lie side by side, so" in said
    unlabelled = add_dataset(registry, "mine", folder, "Mine", None, None, labelled=False)
    assert (unlabelled.reader, unlabelled.images) == ("flat", len(names))


def test_folders_side_by_side_are_classes_at_any_depth(registry: Path, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", {f"split/train/{name}/1.jpg": picture(name) for name in ("cat", "dog")})
    assert add_dataset(registry, "mine", folder, "Mine", None, None).reader == "folders"


def test_images_of_one_name_are_not_one(registry: Path, tmp_path: Path) -> None:
    images = [(f"{year}/1.jpg", picture(year)) for year in ("2019", "2020")]
    write_archive(tmp_path / "mine.tar", images)
    assert refusal(registry, tmp_path / "mine.tar", "flat").endswith(
        "mine.tar: 2 images are called 1.jpg; rename them, or enter the folder by `clipn data add` with a --file-list "
        "of whole paths"
    )
    folder = write_files(tmp_path / "mine", dict(images))
    record = add_dataset(registry, "mine", folder, "Mine", "flat", None)
    assert record.names_sha256 == names_hash(["2019/1.jpg", "2020/1.jpg"])


def test_shards_beside_images(registry: Path, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", {"cat/1.jpg": picture("1")})
    write_archive(folder / "backup.tar", [("2.jpg", picture("2"))])
    assert "holds both *.tar and images; give one folder of each, or name the --reader" in refusal(registry, folder)


def test_what_is_left_out_is_said(registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_files(tmp_path / "mine", {"1.jpg": picture("1"), "2.heic": b"", "._3.jpg": b""})
    assert add_dataset(registry, "mine", folder, "Mine", None, None).images == 1
    assert capsys.readouterr().err.splitlines() == [
        "mine: left out, hidden: 1 (._3.jpg)",
        "mine: left out, of no image format: 1 (2.heic)",
    ]


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
