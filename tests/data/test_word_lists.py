"""Word lists of a registry: records that are refused, fetching, and what people are told of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.data.fetch import fetch_records
from clipn.data.overview import details, listing, statuses
from clipn.data.registry import Registry, load_registry, registry_of
from clipn.errors import ClipnError
from clipn.files import file_hash

HERE = Path("here")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("moon\nhill\n")


def record(**changes: Any) -> dict[str, Any]:
    archive = {"file": "moons.txt", "addresses": ["mine.txt"], "sha256": file_hash(Path("mine.txt"))}
    return {"title": "Moons", "source": "a language model", "licence": "MIT", "archive": archive} | changes


def registry(**changes: Any) -> Registry:
    """A registry file of one list, read."""
    Path("registry.yaml").write_text(yaml.safe_dump({"words": {"moons": record(**changes)}}))
    return load_registry(Path("registry.yaml"))


def row(known: Registry) -> str:
    return " ".join(statuses(known, ["moons"], HERE, Path("verified"), Path()).splitlines()[-1].split())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"archive": {"file": "moons.txt"}}, "words.moons.archive: give its `sha256`; other words are another method"),
        ({"source": None}, "words.moons.source: Input should be a valid string; put quotation marks around it"),
        ({"words": 3}, "words.moons.words: unknown key; remove it or correct its spelling"),
    ],
)
def test_records_that_are_none(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClipnError) as caught:
        registry(**changes)
    assert str(caught.value).startswith(f"registry.yaml: {complaint}")


@pytest.mark.parametrize("kind", ["datasets", "captions"])
def test_a_name_is_one_thing(kind: str) -> None:
    other = {"title": "x", "reader": "flat" if kind == "datasets" else "table", "folder": "x"}
    with pytest.raises(ValueError, match=r"moons is a (dataset|caption source) and a word list; name them apart"):
        Registry.model_validate({kind: {"moons": other}, "words": {"moons": record()}})


def test_a_list_is_not_called_like_the_systems_copy() -> None:
    with pytest.raises(ValueError, match=r"words: wordnet is the system's copy, .*; choose another name"):
        Registry.model_validate({"words": {"wordnet": record()}})


def test_two_lists_in_one_file_name() -> None:
    others = record(archive=record()["archive"] | {"sha256": "0" * 64})
    with pytest.raises(ValueError, match=r"store different files as 'moons\.txt'; name them apart"):
        Registry.model_validate({"words": {"moons": record(), "stars": others}})


def test_a_list_is_fetched_and_proven_by_its_checksum() -> None:
    known = registry()
    assert row(known) == "moons 0 of 1 - to be fetched - -"
    fetch_records(["moons"], known, HERE, Path())
    assert (HERE / "moons.txt").read_text() == "moon\nhill\n"
    assert row(known).startswith("moons 1 of 1 ")
    assert row(known).endswith(" verified - -")
    (HERE / "moons.txt").unlink()
    (HERE / "moons.txt").write_text("stars\n")
    assert row(known).endswith(" is another file - -")


def test_other_words_than_the_record_says_are_refused() -> None:
    known = registry()
    Path("mine.txt").write_text("stars\n")
    with pytest.raises(ClipnError, match=r"moons\.txt"):
        fetch_records(["moons"], known, HERE, Path())
    assert not (HERE / "moons.txt").exists()


def test_what_is_told_of_a_list() -> None:
    known = registry()
    assert listing(known).splitlines()[-1].split() == ["moons", "Moons", "-", "words", "fetch", "published", "MIT"]
    assert yaml.safe_load(details(known, ["moons"])) == {"moons": record()}


def test_the_registry_of_a_list_is_found() -> None:
    registry()
    Path("other.yaml").write_text("datasets: {}\n")
    assert registry_of("moons", [Path("registry.yaml"), Path("other.yaml")]) == Path("registry.yaml")
