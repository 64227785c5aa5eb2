"""Word lists, the choice of negative labels against a plain one and by hand, and what their file holds."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import plain
from clipn.errors import ClipnError
from clipn.features import negative_labels
from clipn.features.negative_labels import cache_negative_labels, farthest, quotas, without
from clipn.features.stored import read_chosen_words, read_negative_labels
from clipn.features.texts import TextEncoder
from clipn.files import file_hash
from clipn.model.backbone import save_backbone
from clipn.model.tensors import read_safetensors
from clipn.text.wordlists import Wordlists, read_words, words_hash
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model, unit

CLASSES = ["dog", "Cat", "old boat"]
NOUNS = ["cat", "DOG", *(f"{colour} {thing}" for colour in ("red", "blue", "dark") for thing in "abcdefghij")]
ADJECTIVES = [
    f"{how}{what}" for how in ("un", "over", "half ") for what in ("done", "seen", "cut", "made", "old", "raw")
]
WORDS = {"noun": sorted(NOUNS), "adj": sorted([*ADJECTIVES, "cold", "warm"])}
ROUNDING = 5e-7

LICENCE = "  1 This software and database is being provided to you  \n  2 under a licence.  \n"


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, tiny_clip(), ARCHITECTURE, "tiny")
    return path


@pytest.fixture
def encoder(backbone: Path) -> TextEncoder:
    return TextEncoder(backbone)


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    """Two indices in the format of WordNet's."""
    nouns = "abacus n 2 3 @ ~ + 2 0 02666196\nold_boat n 1 1 @ 1 0 01\nred n 4 3 @ 4 2 02\n"
    adjectives = "red a 3 1 & 3 2 03\nbrand-new a 1 1 & 1 0 04\nout_of_bounds a 1 1 & 1 0 05\n"
    folder = tmp_path / "wordnet"
    folder.mkdir()
    for part, lines in (("noun", nouns), ("adj", adjectives), ("verb", "run v 1 1 @ 1 0 06\n")):
        (folder / f"index.{part}").write_text(LICENCE + lines)
    return folder


# Words


def test_a_list_is_sorted_and_each_word_once(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("zebra\n\n  old boat \nzebra\r\nÄpfel\nZebra\n\n")
    assert read_words(str(path)) == {"noun": ["Zebra", "old boat", "zebra", "Äpfel"], "adj": []}
    shuffled = tmp_path / "shuffled.txt"
    shuffled.write_text("Äpfel\nZebra\nzebra\nold boat")
    assert words_hash(read_words(str(shuffled))) == words_hash(read_words(str(path)))


def test_wordnet(wordnet: Path) -> None:
    words = read_words("wordnet", wordnet)
    assert words == {"noun": ["abacus", "old boat", "red"], "adj": ["brand-new", "out of bounds"]}


def test_a_hash_tells_words_and_parts_of_speech() -> None:
    words: list[Wordlists] = [
        {"noun": ["a"], "adj": ["b"]},
        {"noun": ["a", "b"], "adj": []},
        {"noun": ["a"], "adj": ["c"]},
        {"noun": ["b"], "adj": ["a"]},
    ]
    assert len(set(map(words_hash, words))) == len(words)
    assert words_hash({"adj": ["b"], "noun": ["a"]}) == hashlib.sha256(b"adj b\nnoun a\n").hexdigest()


def test_lists_that_are_none(tmp_path: Path, wordnet: Path) -> None:
    empty, latin = tmp_path / "empty.txt", tmp_path / "latin.txt"
    empty.write_text("\n \n")
    latin.write_bytes("größe\n".encode("latin-1"))
    (wordnet / "index.adj").unlink()
    with pytest.raises(ClipnError, match=r"empty\.txt: holds no word; write one word or phrase per line"):
        read_words(str(empty))
    with pytest.raises(ClipnError, match=r"latin\.txt: is not UTF-8 text"):
        read_words(str(latin))
    with pytest.raises(ClipnError, match=r"none\.txt: no such file"):
        read_words(str(tmp_path / "none.txt"))
    with pytest.raises(
        ClipnError, match=r"index\.adj: no such file; install WordNet \(`apt-get install wordnet-base`\)"
    ):
        read_words("wordnet", wordnet)


def test_words_that_name_a_class_are_left_out() -> None:
    words = {"noun": ["Boat", "boats", "cat", "straße"], "adj": ["CAT", "cat-like"]}
    kept = {"noun": ["boats"], "adj": ["cat-like"]}
    assert without(words, ["boat", "Cat", "STRASSE", "toothed whale"]) == kept


# The choice


def test_farthest_by_hand() -> None:
    """Between two labels, 95 % of the way from the smaller similarity to the larger."""
    labels = torch.eye(2)
    words = torch.tensor([[0.6, 0.8], [1.0, 0.0], [-0.6, -0.8], [-1.0, 0.0], [0.28, -0.96], [0.8, -0.6]])
    nearness = [0.79, 0.95, -0.61, -0.05, 0.218, 0.73]
    assert farthest(words, labels, 6).tolist() == sorted(range(6), key=nearness.__getitem__) == [2, 3, 4, 5, 0, 1]
    assert farthest(words, labels, 2).tolist() == [2, 3]


def test_one_odd_label_of_many_does_not_decide() -> None:
    """A word that is the 21st label itself, and else right-angled to all, is farther than one at 60 degrees."""
    labels = torch.eye(2)[[0] * 20 + [1]]
    words = torch.tensor([[0.5, -(0.75**0.5)], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]])
    assert farthest(words, labels, 4).tolist() == [2, 1, 0, 3]


@pytest.mark.parametrize(("words", "labels"), [(200, 1), (77, 40), (5, 300)])
def test_farthest_against_numpy(monkeypatch: pytest.MonkeyPatch, words: int, labels: int) -> None:
    features, classes = unit(words, seed=1), unit(labels, seed=2)
    similarities = features.double().numpy() @ classes.double().numpy().T
    expected = np.quantile(similarities, 0.95, axis=1).argsort()[:50].tolist()
    assert farthest(features, classes, 50).tolist() == expected
    monkeypatch.setattr(negative_labels, "SIMILARITIES", 100)
    assert farthest(features, classes, 50).tolist() == expected


@pytest.mark.parametrize(
    ("nouns", "adjectives", "number", "expected"),
    [
        (1000, 200, 10_000, {"noun": 150, "adj": 30}),
        (1000, 200, 60, {"noun": 50, "adj": 10}),
        (55_000, 12_000, 10_000, {"noun": 8208, "adj": 1791}),
        (117_798, 18_341, 10_000, {"noun": 8652, "adj": 1347}),
        (700, 0, 10_000, {"noun": 105}),
        (7, 0, 10_000, {"noun": 1}),
        (20, 6, 10_000, {"noun": 3, "adj": 0}),
    ],
)
def test_how_many(nouns: int, adjectives: int, number: int, expected: dict[str, int]) -> None:
    assert quotas({"noun": ["n"] * nouns, "adj": ["a"] * adjectives}, number) == expected


@pytest.mark.parametrize("nouns", [0, 6])
def test_too_few_words(nouns: int) -> None:
    with pytest.raises(ClipnError, match=f"words: {nouns} that name no class are too few, as 15 % of them become"):
        quotas({"noun": ["n"] * nouns, "adj": []})


# The file


def stored_in(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels and negatives."""
    labels, negatives = map(torch.from_numpy, read_negative_labels(path))
    return labels, negatives


def encode(texts: Sequence[str]) -> torch.Tensor:
    return plain.yes_features(tiny_clip(), tiny_model().tokenizer(list(texts))).detach()


def plainly_chosen(words: Sequence[str], template: str, number: int) -> list[str]:
    classes = encode([f"The nice {name}." for name in CLASSES]).double().numpy()
    similarities = encode([template.format(word) for word in words]).double().numpy() @ classes.T
    nearness = np.quantile(similarities, 0.95, axis=1)
    return [words[row] for row in nearness.argsort()[:number]]


@pytest.mark.parametrize(("number", "nouns", "adjectives"), [(10_000, 4, 3), (5, 3, 2)])
def test_the_farthest_nouns_and_adjectives_are_written(
    encoder: TextEncoder, tmp_path: Path, number: int, nouns: int, adjectives: int
) -> None:
    output = tmp_path / "negatives"
    cache_negative_labels(encoder, {output: CLASSES}, WORDS, number=number)
    labels, negatives = stored_in(output)
    chosen = read_chosen_words(output)
    kept = [word for word in WORDS["noun"] if word not in ("DOG", "cat")]
    of_nouns = plainly_chosen(kept, "The nice {}.", nouns)
    of_adjectives = plainly_chosen(WORDS["adj"], "This is a {} photo", adjectives)
    assert sorted(chosen) == sorted(of_nouns + of_adjectives)
    texts = [f"The nice {word}." if word in of_nouns else f"This is a {word} photo" for word in chosen]
    classes = [f"The nice {name}." for name in CLASSES]
    torch.testing.assert_close(torch.cat([labels, negatives]), encode([*classes, *texts]), rtol=0, atol=ROUNDING)


def test_several_id_datasets_are_served_as_one_alone(encoder: TextEncoder, tmp_path: Path) -> None:
    """Words that name a class of one may be negative labels of the other."""
    classes = {"pets": CLASSES, "colours": ["red a", "unseen"]}
    cache_negative_labels(encoder, {tmp_path / name: names for name, names in classes.items()}, WORDS)
    for name, names in classes.items():
        alone = tmp_path / f"{name}_alone"
        cache_negative_labels(encoder, {alone: names}, WORDS)
        assert read_chosen_words(tmp_path / name) == read_chosen_words(alone)
        for several, one in zip(stored_in(tmp_path / name), stored_in(alone), strict=True):
            torch.testing.assert_close(several, one, rtol=0, atol=ROUNDING)
    assert set(read_chosen_words(tmp_path / "pets")) != set(read_chosen_words(tmp_path / "colours"))


def test_a_users_list_is_nouns(encoder: TextEncoder, tmp_path: Path) -> None:
    output = tmp_path / "negatives"
    cache_negative_labels(encoder, {output: CLASSES}, {"noun": NOUNS[2:], "adj": []})
    chosen = read_chosen_words(output)
    assert sorted(chosen) == sorted(plainly_chosen(NOUNS[2:], "The nice {}.", 4))


def test_groups_are_random(encoder: TextEncoder, tmp_path: Path) -> None:
    """Neither by nearness nor by part of speech: consecutive tenths of 100 labels hold both halves of the order."""
    output = tmp_path / "negatives"
    nouns = [f"{one}{other}" for one in "abcdefghijklmnopqrstuvwxyz" for other in "abcdefghijklmnopqrstuvwxyz"]
    cache_negative_labels(encoder, {output: CLASSES}, {"noun": nouns, "adj": []}, number=100)
    labels, negatives = stored_in(output)
    assert len(negatives) == 100
    order = farthest(negatives, labels, 100)
    ranks = order.argsort().view(10, 10)
    assert (ranks < 50).any(dim=1).all()
    assert (ranks >= 50).any(dim=1).all()


def test_the_same_bytes_again(encoder: TextEncoder, tmp_path: Path) -> None:
    for name in ("first", "again"):
        torch.manual_seed(len(name))
        cache_negative_labels(encoder, {tmp_path / name: CLASSES}, WORDS)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()


def test_the_header_says_what_made_it(encoder: TextEncoder, backbone: Path, tmp_path: Path) -> None:
    output = tmp_path / "negatives"
    cache_negative_labels(encoder, {output: CLASSES}, WORDS)
    _, header = read_safetensors(output, "clipn-negative-labels-1")
    assert len(json.loads(header.pop("chosen"))) == 7
    assert header == {
        "format": "clipn-negative-labels-1",
        "backbone": file_hash(backbone),
        "classes": hashlib.sha256(b"dog\nCat\nold boat\n").hexdigest(),
        "words": words_hash(WORDS),
        "number": "10000",
        "percent": "15",
        "quantile": "0.95",
        "seed": "0",
    }


def test_mistakes(encoder: TextEncoder, backbone: Path, tmp_path: Path) -> None:
    output = tmp_path / "negatives"
    with pytest.raises(ClipnError, match="classes: negative labels need the names of ID classes"):
        cache_negative_labels(encoder, {tmp_path / "first": CLASSES, output: []}, WORDS)
    with pytest.raises(ClipnError, match="words: 5 that name no class are too few"):
        cache_negative_labels(encoder, {output: CLASSES}, {"noun": [*"abcde", "CAT", "Dog"], "adj": []})
    with pytest.raises(ClipnError, match=r"backbone\.safetensors: holds 'clipn-backbone-1', expected 'clipn-negative"):
        read_negative_labels(backbone)
    with pytest.raises(ClipnError, match=r"backbone\.safetensors: holds no words that were chosen; name a file of"):
        read_chosen_words(backbone)
    assert [path.name for path in tmp_path.iterdir()] == ["backbone.safetensors"]
