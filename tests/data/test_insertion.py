"""Records that are written into files of people: nothing is lost, and what is read back is what was written."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clipn.data.add import add_dataset
from clipn.data.insertion import insert_record
from clipn.data.location import locate
from clipn.data.readers import read_images
from clipn.data.registry import load_registry
from clipn.errors import ClipnError
from clipn.yaml_models import read_yaml
from tests.helpers.shard_building import picture

OTHERS_WORDS = [
    *("off", "yes", "No", "y", "null", "~", "1e3", "017", "0o17", "0x1F", "0b1", "1_000", "12:30:45", "1.5", ".inf"),
    *(
        "2001-01-01",
        "=",
        "<<",
        "-",
        "?",
        "a: b",
        "a #b",
        "{",
        "[",
        "*a",
        "&a",
        "!a",
        "%YAML 1.1",
        "---",
        "...",
        "|",
        ">",
    ),
    *("'", '"', "\\", " ", "\t", "\n", "\r", "\x85", "\u2028", "\ufeff", "\x00", "\x1f", "\ud800", "é", "a" * 130),
]
TEXTS = st.text() | st.lists(st.sampled_from(OTHERS_WORDS), min_size=1, max_size=4).map("".join)
NAMES = st.sampled_from([word for word in OTHERS_WORDS if word.isalnum() and word.isascii()] + ["1_000", "null", "on"])
REGISTRY = """\
# Of ours.
datasets:
  # The first.
  first: {title: 'No', folder: first, reader: flat, images: 0x10}   # sixteen
  "on": {title: "1e3", folder: o, reader: flat, names_sha256: "%s"}

captions:
  c: &c {title: c, folder: c, reader: table}
  d: {<<: *c, rows: 1_000}
""" % ("0" * 64)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "registry.yaml"
    path.write_text(REGISTRY)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with an image."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.jpg").write_bytes(picture("0"))
    return tmp_path / "images"


@given(name=TEXTS.filter(lambda name: name not in ("first", "on")), text=TEXTS)
def test_any_text_is_read_back_as_it_was(name: str, text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "registry.yaml"
        path.write_text(REGISTRY)
        before, record = read_yaml(path), {"title": text, "classes": [text, 1, True], "by text": {text: text}}
        insert_record(path, "datasets", name, record)
        assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8"))
        assert read_yaml(path) == before | {"datasets": before["datasets"] | {name: record}}


@given(
    name=NAMES,
    title=TEXTS.filter(str.isprintable),
    folder=TEXTS.map(lambda text: "".join(filter(str.isprintable, text))),
)
def test_any_name_title_and_folder_through_add(name: str, title: str, folder: str) -> None:
    with TemporaryDirectory() as made:
        registry, images = Path(made) / "registry.yaml", Path(made) / f"of {folder.replace('/', '')[:40]}/{name}"
        images.mkdir(parents=True)
        (images / "0.jpg").write_bytes(picture("0"))
        added = add_dataset(registry, name, images, title, None, None)
        read = load_registry(registry).dataset(name)
        assert (read, read.title, read.images) == (added, title, 1)
        assert [image.path for image in read_images(locate(read, Path(made), registry.parent))] == ["0.jpg"]


def test_all_else_stays_as_it_was(registry: Path) -> None:
    insert_record(registry, "datasets", "off", {"title": "Ours", "reader": "flat", "folder": "off"})
    added = '  "off":\n    title: Ours\n    reader: flat\n    folder: "off"\n'
    assert registry.read_text() == REGISTRY.replace("\ncaptions", f"{added}\ncaptions")


def test_lines_end_as_they_did(registry: Path) -> None:
    registry.write_bytes(REGISTRY.replace("\n", "\r\n").encode())
    insert_record(registry, "datasets", "third", {"title": "Third", "reader": "flat", "folder": "third"})
    content = registry.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") > REGISTRY.count("\n")


def test_several_at_once_lose_nothing(registry: Path, images: Path) -> None:
    names = [f"added{number}" for number in range(8)]

    def add(name: str) -> None:
        add_dataset(registry, name, images, name, None, None)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, names))
    assert load_registry(registry).datasets.keys() == {"first", "on", *names}
    assert sorted(path.name for path in registry.parent.iterdir()) == ["images", "registry.yaml"]


def test_one_name_at_once_is_taken_once(tmp_path: Path, images: Path) -> None:
    def added(title: str) -> bool:
        try:
            add_dataset(tmp_path / "new.yaml", "one", images, title, None, None)
        except ClipnError as error:
            assert "has a record 'one' already" in str(error)  # noqa: PT017 - of one of several threads
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        titles = [title for title, is_added in zip("abcd", pool.map(added, "abcd"), strict=True) if is_added]
    assert titles == [load_registry(tmp_path / "new.yaml").dataset("one").title]


def test_a_link_to_a_registry_stays_one(registry: Path, images: Path) -> None:
    link = registry.with_name("link.yaml")
    link.symlink_to(registry.name)
    registry.chmod(0o640)
    add_dataset(link, "third", images, "Third", None, None)
    assert link.is_symlink()
    assert "third" in load_registry(registry).datasets
    assert stat.S_IMODE(registry.stat().st_mode) == 0o640


def test_a_registry_that_cannot_be_written_is_named(registry: Path, images: Path) -> None:
    registry.chmod(0o444)
    with pytest.raises(ClipnError, match=r"registry\.yaml: is write-protected; allow writing with `chmod u\+w"):
        add_dataset(registry, "third", images, "Third", None, None)
    assert registry.read_text() == REGISTRY
    with pytest.raises(ClipnError, match="images: is a folder; name a file"):
        add_dataset(images, "third", images, "Third", None, None)


def test_a_record_that_would_change_others_is_not_written(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any) -> str:
        return REGISTRY.replace("0x10", "17")

    monkeypatch.setattr("clipn.data.insertion._with_record", wrong)
    with pytest.raises(ClipnError, match=r"datasets\.third: what is written would not be read back the same"):
        insert_record(registry, "datasets", "third", {"title": "Third"})
    assert registry.read_text() == REGISTRY
    assert list(registry.parent.iterdir()) == [registry]
