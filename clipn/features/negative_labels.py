"""Negative labels of NegLabel (Jiang et al., ICLR 2024) and CSP: words far from all ID classes, encoded."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.features.stored import NEGATIVES_FORMAT
from clipn.features.texts import TextEncoder
from clipn.model.tensors import write_safetensors
from clipn.text import csp
from clipn.text.prompts import lines_sha256, prompt_pool
from clipn.text.wordlists import Wordlists, words_hash

TEMPLATES = {
    "neglabel": {"noun": prompt_pool("nice"), "adj": ["This is a {} photo"]},
    "csp": {"noun": csp.NOUN_TEMPLATES, "adj": csp.ADJECTIVE_TEMPLATES},
}
"""How a word is put by a method, by its part of speech, as in the authors' code; classes are nouns."""
QUANTILE = 0.95
"""Of a word's similarities with the ID classes: how near it is (the paper's eta of 5 %, counted by distance)."""
NUMBER, PERCENT = 10_000, 15
"""At most so many negative labels (the paper), and at most this share of the words (the authors' code)."""
SEED = 0
SIMILARITIES = 2**22
"""How many are in memory at once."""


def cache_negative_labels(
    encoder: TextEncoder,
    classes: Mapping[Path, Sequence[str]],
    words: Wordlists,
    method: str = "neglabel",
    number: int = NUMBER,
) -> None:
    """Write the unit-norm features of ID classes, `labels` (classes, d), and of their `negatives` (m, d).

    The negatives are the words farthest from all ID classes, of nouns and adjectives the same share. They are in
    random order, so that consecutive groups are random groups; the header names them in this order.

    Args:
        encoder: text tower of a backbone.
        classes: names of the classes of every ID dataset, by the file to write.
        words: as by `clipn.text.wordlists.read_words`; those that name a class are left out.
        method: key of `TEMPLATES`.
        number: of negative labels; never more than 15 % of the words.

    Raises:
        ClipnError: no class is named, or there are too few words; nothing is written.
    """
    if not all(classes.values()):
        raise ClipnError("classes: negative labels need the names of ID classes; give at least one")
    candidates = {output: without(words, names) for output, names in classes.items()}
    numbers = {output: quotas(left, number) for output, left in candidates.items()}
    templates = TEMPLATES[method]
    encoded = {part: encoder(listed, templates[part]) for part, listed in words.items() if listed}
    made_from = {"backbone": encoder.sha256, "words": words_hash(words)}
    settings = {"number": str(number), "percent": str(PERCENT), "quantile": str(QUANTILE), "seed": str(SEED)}
    for output, names in classes.items():
        labels = encoder(names, templates["noun"])
        chosen: list[str] = []
        negatives: list[Tensor] = []
        for part, size in numbers[output].items():
            row_of = {word: row for row, word in enumerate(words[part])}
            features = encoded[part][[row_of[word] for word in candidates[output][part]]]
            rows = farthest(features, labels, size)
            chosen += [candidates[output][part][row] for row in rows]
            negatives.append(features[rows])
        # Scores take groups of consecutive labels; in the order of choice, a group would be all near or all far.
        order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(SEED))
        header = {"format": NEGATIVES_FORMAT, **made_from, "classes": lines_sha256(names), **settings}
        header["chosen"] = json.dumps([chosen[row] for row in order])
        write_safetensors(output, {"labels": labels, "negatives": torch.cat(negatives)[order]}, header)


def farthest(words: Tensor, labels: Tensor, number: int) -> Tensor:
    """Rows (number,) of the words farthest from the labels, the farthest first (the paper's NegMining).

    A word is as near as the 95 % quantile of its similarities says, so that a few odd labels do not decide.

    Args:
        words: unit-norm features (n, d).
        labels: unit-norm features (classes, d).
        number: how many.
    """
    # In parts: similarities of all words of WordNet with 1,000 labels would take about a gigabyte.
    at_once = max(1, SIMILARITIES // len(labels))
    nearness = [torch.quantile(part.double() @ labels.double().T, QUANTILE, dim=1) for part in words.split(at_once)]
    return torch.cat(nearness).argsort(stable=True)[:number]


def without(words: Wordlists, names: Sequence[str]) -> Wordlists:
    """The words that are none of the names, whatever their case; CIFAR's names have underscores for spaces."""
    folded = {name.replace("_", " ").casefold() for name in names}
    return {part: [word for word in candidates if word.casefold() not in folded] for part, candidates in words.items()}


def quotas(words: Wordlists, number: int = NUMBER) -> dict[str, int]:
    """How many words of every part of speech that has any become negative labels: of each the same share.

    Raises:
        ClipnError: not one would.
    """
    total = sum(map(len, words.values()))
    numbers = {
        # Whole numbers all the way: 15 % in floats may miss a whole number by a hair and lose a label.
        part: min(len(candidates) * PERCENT // 100, len(candidates) * number // total)
        for part, candidates in words.items()
        if candidates
    }
    if not any(numbers.values()):
        raise ClipnError(
            f"words: {total} that name no class are too few, as {PERCENT} % of them become negative labels; give more"
        )
    return numbers
