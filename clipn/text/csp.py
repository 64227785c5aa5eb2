"""The conjugated semantic pool of CSP (Chen et al., NeurIPS 2024), as in the authors' code.

Templates, superclasses and what is left out are those of MengyuanChen21/NeurIPS2024-CSP at commit 3a7bdab.
"""

import numpy as np

from clipn.text.wordlists import Wordlists

NOUN_TEMPLATES = [
    "a close-up photo of the nice {}.",
    "a photo with the nice {}.",
    "a good photo with the nice {}.",
    "a photo of the nice {}.",
    "{}",
    "the {}",
    "the good {}",
    "the nice {}",
]
"""Of nouns and of ID classes."""
ADJECTIVE_TEMPLATES = ["{}", "a nice photo of {}", "a good photo of {}", "a close-up photo of {}"]
"""Of adjectives with their superclasses."""
SUPERCLASSES = [
    "environment", "space", "object", "scene", "place", "item", "area", "view", "thing", "pattern", "structure",
    "landscape", "vista", "creature",
]  # fmt: skip
SEED = 0
LEFT_OUT = {
    "01": "adj.pert",
    "05": "noun.animal",
    "13": "noun.food",
    "14": "noun.group",
    "18": "noun.person",
    "23": "noun.quantity",
}
"""Lexicographer files of WordNet: the authors' lists lack animals and food, and their settings exclude the others."""


def conjugated(words: Wordlists) -> Wordlists:
    """The nouns as they are, and every adjective before a superclass, drawn in the order of the adjectives."""
    drawn = np.random.default_rng(SEED).integers(len(SUPERCLASSES), size=len(words["adj"]))
    adjectives = [f"{word} {SUPERCLASSES[number]}" for word, number in zip(words["adj"], drawn, strict=True)]
    return {"noun": words["noun"], "adj": adjectives}
