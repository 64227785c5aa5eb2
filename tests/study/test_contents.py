"""What jobs read beside their declared inputs counts, by what people call it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.provenance.state.hash_cache import HashCache
from clipn.study.data import StudyData
from clipn.study.rules import contents as module
from clipn.study.rules.contents import RuleContents
from tests.helpers.records import sha256
from tests.helpers.studies import GENERATED, WRITTEN, study

SUN = {"title": "SUN", "reader": "flat", "images": 2, "archives": [{"file": "SUN.tar", "md5": "0" * 32}]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(settings: dict[str, Any] = WRITTEN, sun: dict[str, Any] = SUN, **changes: Any) -> RuleContents:
    """Those of a study whose registry knows SUN and images of one's own in `photos`."""
    own = {"title": "Mine", "reader": "flat", "folder": "photos"}
    Path("registry.yaml").write_text(yaml.safe_dump({"datasets": {"sun": sun, "mine": own}}))
    registry = {} if "demo" in changes or settings is GENERATED else {"registry": "registry.yaml", "mirror": None}
    made = study(settings | registry | {"cleaning": []} | changes)
    return RuleContents(made, StudyData(made), HashCache(Path()))


def test_an_archive_counts_by_its_checksum_and_not_by_its_address() -> None:
    before = contents().archive("sun", "SUN.tar")
    assert list(before) == ["what the registry says of SUN.tar"]
    archive = {"file": "SUN.tar", "md5": "0" * 32, "addresses": ["https://example.org/SUN.tar"]}
    assert contents(sun=SUN | {"archives": [archive]}).archive("sun", "SUN.tar") == before
    assert contents(sun=SUN | {"archives": [archive | {"md5": "1" * 32}]}).archive("sun", "SUN.tar") != before


def test_a_title_counts_for_the_verification_and_not_for_the_images() -> None:
    before, after = contents(), contents(sun=SUN | {"title": "Other"})
    assert after.images("sun") == before.images("sun")
    assert after.expectations("sun") != before.expectations("sun")


def test_files_in_place_count_by_name_and_content(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photos/a.png").write_text("a")
    before = contents().images("mine")
    assert "the files of mine that are read in place" in before
    assert contents().images("mine") == before
    (folder / "photos/a.png").write_text("b")
    edited = contents().images("mine")
    (folder / "photos/a.png").rename(folder / "photos/b.png")
    assert len({repr(found) for found in (before, edited, contents().images("mine"))}) == 3


def test_files_in_place_are_hashed_once(folder: Path, read: list[Path]) -> None:
    (folder / "photos").mkdir()
    (folder / "photos/a.png").write_text("a")
    found = contents()
    assert found.images("mine", "sun") == found.images("mine", "sun")
    assert [path.name for path in read] == ["a.png"]


def test_generated_data_have_no_record() -> None:
    assert contents(GENERATED).archive("sun", "SUN.tar.gz") == {"what the registry says of SUN.tar.gz": None}
    assert contents(GENERATED).images("sun")["the record of sun in the registry"] is None


def test_an_architecture_file_counts_by_its_text(folder: Path) -> None:
    (folder / "a.json").write_text("{}")
    backbones = {"b": {"architecture": "a.json", "pretrained": "x"}}
    assert contents(backbones=backbones).architecture("b") == {"the architecture file": "{}"}
    assert contents().architecture("b") == {"the architecture file": "ViT-B-32"}


def test_a_local_weight_file_counts_by_its_hash(folder: Path) -> None:
    (folder / "own.pt").write_text("weights")
    assert contents().local_weights("own.pt") == {"the weight file": sha256("weights")}
    assert contents().local_weights("ViT-B-32/openai") == contents().local_weights(None) == {}


def test_a_prompt_pool_of_ones_own_counts_by_its_templates(folder: Path) -> None:
    (folder / "mine.txt").write_text("my {}.\n")
    before = contents(prompts=["clipn128", "mine.txt"]).prompt_pool("mine")
    (folder / "mine.txt").write_text("a {}.\n")
    after = contents(prompts=["clipn128", "mine.txt"]).prompt_pool("mine")
    assert list(before) == list(after) == ["the prompt pool mine"]
    assert before != after


@pytest.mark.parametrize(
    ("changes", "installed", "counting"),
    [
        ({"baselines": ["neglabel"]}, True, {"neglabel": 0}),
        ({"baselines": ["neglabel"]}, False, {}),
        ({"baselines": ["csp", "neglabel"]}, True, {"neglabel": 0, "csp": 6}),
        ({"baselines": ["msp"]}, True, {}),
        ({"baselines": ["msp"], "test_time": {"methods": ["adaneg"], "stream": {"seeds": [1]}}}, True, {"neglabel": 0}),
        ({"baselines": ["neglabel"], "negative_words": "words.txt"}, True, {}),
    ],
)
def test_the_systems_words_count_where_they_are_chosen_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], installed: bool, counting: dict[str, int]
) -> None:
    monkeypatch.setattr(module, "FOLDER", folder if installed else folder / "missing")
    # Words that tell how many lexicographer files were left out.
    monkeypatch.setattr(module, "read_words", lambda source, left_out: {"noun": [str(len(left_out))]})
    expected = {f"the word list of {method}": sha256(f"noun {number}\n") for method, number in counting.items()}
    assert contents(**changes).words() == expected


def test_templates_of_the_page_count_by_their_hashes(folder: Path) -> None:
    files = {"page.html.jinja": "<html>", "page.css": "body {}"}
    for name, text in files.items():
        (folder / name).write_text(text)
    found = contents().templates(folder / name for name in files)
    assert found == {f"the template {name}": sha256(text) for name, text in files.items()}
