"""The words of CSP and EOE against a plain choice, from their lists to the files that name them."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import plain
from clipn.errors import ClipnError
from clipn.features.negative_labels import cache_negative_labels
from clipn.features.outliers import cache_outliers, outliers
from clipn.features.stored import read_chosen_words, read_negative_labels
from clipn.features.texts import TextEncoder
from clipn.features.words import write_words
from clipn.files import write_json
from clipn.model.backbone import save_backbone
from clipn.text import csp
from clipn.text.wordlists import read_words
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model

CLASSES = ["dog", "Cat"]
DESCRIPTION = {
    "title": "Pets", "classes": CLASSES, "archives": {}, "proof": {}, "names": "unverified", "images": 0
}  # fmt: skip
NOUNS = [f"{one}{other}" for one in "abcdefgh" for other in "abcde"]
ADJECTIVES = sorted(
    f"{how}{what}" for how in ("un", "over", "half ") for what in ("done", "seen", "cut", "made", "old")
)
ROUNDING = 5e-7
DATA = {
    "data.noun": """  1 This software and database is being provided to you
00000001 03 n 01 entity 0 003 ~ 00000002 n 0000 | what is
00000002 06 n 0b a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 Old_boat 0 000 | eleven words, in hexadecimal
00000003 18 n 02 sailor 0 old_boat 1 000 | a person
00000004 05 n 01 trout 0 000 | an animal
00000005 13 n 01 trout 1 000 | food
00000006 23 n 01 dozen 0 000 | a quantity
00000007 14 n 01 crew 0 000 | a group
""",
    "data.adj": """  1 This software and database is being provided to you
00000001 00 a 02 asleep(p) 0 able 0 000 | all
00000002 00 s 02 galore(ip) 0 out_of_bounds 0 000 | satellite
00000003 01 a 01 nautical 0 000 | pertains to something
00000004 44 a 01 built-in 0 000 | participle
00000005 00 a 01 entity 0 000 | a noun, too
00000006 00 a 01 sailor 0 000 | whose noun is left out
""",
}


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, tiny_clip(), ARCHITECTURE, "tiny")
    return path


def encode(texts: Sequence[str]) -> torch.Tensor:
    return plain.yes_features(tiny_clip(), tiny_model().tokenizer(list(texts))).detach()


def averaged(words: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
    texts = [template.format(word) for template in templates for word in words]
    features = encode(texts).view(len(templates), len(words), -1).mean(dim=0)
    return features / features.norm(dim=1, keepdim=True)


# Lists


def test_words_outside_lexicographer_files(tmp_path: Path) -> None:
    for name, text in DATA.items():
        (tmp_path / name).write_text(text)
    found = read_words("wordnet", tmp_path, csp.LEFT_OUT)
    assert found == {
        "noun": ["a", "b", "c", "d", "e", "entity", "f", "g", "h", "i", "j", "old boat"],
        "adj": ["able", "asleep", "built-in", "galore", "out of bounds", "sailor"],
    }
    (tmp_path / "data.adj").unlink()
    with pytest.raises(ClipnError, match=r"data\.adj: no such file; install WordNet"):
        read_words("wordnet", tmp_path, csp.LEFT_OUT)


@pytest.mark.parametrize(
    "line", [b"00000001 03 n 0g entity 0", b"00000001 03 n", b"00000001", b"", b"1 03 n 01 \xe9 0"]
)
def test_a_damaged_line_of_wordnet(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "data.noun").write_bytes(DATA["data.noun"].encode() + line + b"\n")
    (tmp_path / "data.adj").write_text(DATA["data.adj"])
    with pytest.raises(ClipnError, match=r"data\.noun: line 9 is damaged; install WordNet again"):
        read_words("wordnet", tmp_path, csp.LEFT_OUT)


def test_lists_as_released_for_eoe(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    write_json(path, {"far": ["Sunset", " Moon "], "near": ["Moon", ""]})
    assert read_words(str(path)) == {"noun": ["Moon", "Sunset"], "adj": []}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"far": "moon"}, "far: is no list of words"),
        ({"far": [1]}, "far: is no list of words"),
        ([], "holds no mapping"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, content: Any, complaint: str) -> None:
    write_json(tmp_path / "words.json", content)
    with pytest.raises(ClipnError, match=rf"words\.json: {complaint}"):
        read_words(str(tmp_path / "words.json"))


def test_lists_with_half_a_character(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text('{"far": ["moon", "\\ud83d\\ude00", "\\ud800"]}')
    with pytest.raises(ClipnError, match=r"words\.json: '\\ud800' has half a character, .*; correct it"):
        read_words(str(tmp_path / "words.json"))


# CSP


def test_every_adjective_gets_a_superclass() -> None:
    words = csp.conjugated({"noun": NOUNS, "adj": ADJECTIVES})
    assert words["noun"] == NOUNS
    superclasses = [phrase.removeprefix(f"{word} ") for phrase, word in zip(words["adj"], ADJECTIVES, strict=True)]
    drawn = np.random.default_rng(0).integers(14, size=len(ADJECTIVES))
    assert superclasses == [csp.SUPERCLASSES[number] for number in drawn]
    assert len(set(superclasses)) > 5


def test_csp_chooses_the_farthest_under_its_own_templates(backbone: Path, tmp_path: Path) -> None:
    output, words = tmp_path / "csp", csp.conjugated({"noun": NOUNS[::2], "adj": ADJECTIVES[::2]})
    cache_negative_labels(TextEncoder(backbone), {output: CLASSES}, words, "csp")
    classes = averaged(CLASSES, csp.NOUN_TEMPLATES)
    expected: dict[str, torch.Tensor] = {}
    for part, templates, number in (("noun", csp.NOUN_TEMPLATES, 3), ("adj", csp.ADJECTIVE_TEMPLATES, 1)):
        features = averaged(words[part], templates)
        nearness = np.quantile(features.double().numpy() @ classes.double().numpy().T, 0.95, axis=1)
        expected |= {words[part][row]: features[row] for row in nearness.argsort()[:number]}
    chosen = read_chosen_words(output)
    assert sorted(chosen) == sorted(expected)
    labels, negatives = map(torch.from_numpy, read_negative_labels(output))
    torch.testing.assert_close(labels, classes, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(negatives, torch.stack([expected[word] for word in chosen]), rtol=0, atol=ROUNDING)


# EOE


def test_outliers_are_small_sorted_and_no_class() -> None:
    words = ["Moon", "CAT", "moon", "hot dog", "Big_dog", "dog"]
    random.Random(0).shuffle(words)
    assert outliers(words, ["Cat", "dog"]) == ["big_dog", "hot dog", "moon"]


def test_all_outliers_are_encoded(backbone: Path, tmp_path: Path) -> None:
    cache_outliers(TextEncoder(backbone), CLASSES, ["Moon", "dog", "hill"], tmp_path / "eoe")
    labels, words = map(torch.from_numpy, read_negative_labels(tmp_path / "eoe"))
    assert read_chosen_words(tmp_path / "eoe") == ["hill", "moon"]
    texts = [f"a photo of a {name}." for name in (*CLASSES, "hill", "moon")]
    torch.testing.assert_close(torch.cat([labels, words]), encode(texts), rtol=0, atol=ROUNDING)
    with pytest.raises(ClipnError, match=r"none: all 1 envisioned words name a class; give others"):
        cache_outliers(TextEncoder(backbone), CLASSES, ["DOG"], tmp_path / "none")


# The step


@pytest.fixture
def write(backbone: Path, tmp_path: Path) -> Callable[..., Path]:
    """The step on one ID dataset, with arguments of one's own."""
    (tmp_path / "words.txt").write_text("\n".join(NOUNS))
    (tmp_path / "far.txt").write_text("moon\nhill\n")
    write_json(tmp_path / "datasets/pets/dataset.json", DESCRIPTION)

    def step(methods: Sequence[str], words: str | None = "words.txt", envisioned: str = "pets") -> Path:
        files = {envisioned: str(tmp_path / "far.txt")}
        list_of_words = words and str(tmp_path / words)
        write_words(backbone, ["pets"], tmp_path / "datasets", methods, list_of_words, files, tmp_path / "features")
        return tmp_path / "features"

    return step


def test_every_method_has_a_folder(write: Callable[..., Path]) -> None:
    output = write(["neglabel", "csp", "eoe"])
    files = [f"{folder}/pets.safetensors" for folder in ("csp", "eoe", "negative_labels")]
    assert sorted(str(path.relative_to(output)) for path in output.rglob("*.safetensors")) == files
    assert len({tuple(read_chosen_words(output / file)) for file in files}) == 3
    together = (output / files[0]).read_bytes()
    assert (write(["csp"]) / files[0]).read_bytes() == together


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"methods": ["csp", "gen"]}, "--method gen: choose one of neglabel, csp, eoe"),
        ({"methods": ["csp"], "words": None}, "--words: csp chooses from a word list; name a file, or `wordnet`"),
        ({"methods": ["eoe"], "envisioned": "cars"}, "--envisioned: eoe needs the words that were envisioned for pets"),
        ({"methods": ["eoe", "csp"], "words": "none.txt"}, r".*none\.txt: no such file"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(
    write: Callable[..., Path], tmp_path: Path, arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ClipnError, match=f"^{complaint}"):
        write(**arguments)
    assert not (tmp_path / "features").exists()
