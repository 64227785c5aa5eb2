"""Names of outliers that a language model envisioned for EOE (Cao et al., ICML 2024), encoded."""

import json
from collections.abc import Sequence
from pathlib import Path

from clipn.errors import ClipnError
from clipn.features.negative_labels import without
from clipn.features.stored import NEGATIVES_FORMAT
from clipn.features.texts import TextEncoder
from clipn.model.tensors import write_safetensors
from clipn.text.prompts import lines_sha256, prompt_pool

TEMPLATES = prompt_pool("single")
"""Of classes and outliers, as in the authors' code."""


def outliers(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """The words in small letters, sorted and each once, but for those that name a class."""
    return [*without({"noun": sorted({word.lower() for word in words})}, names)["noun"]]


def cache_outliers(encoder: TextEncoder, names: Sequence[str], words: Sequence[str], output: Path) -> None:
    """Write the unit-norm features of ID classes, `labels` (classes, d), and of all `outliers` as `negatives` (m, d).

    Args:
        encoder: text tower of a backbone.
        names: of the ID classes.
        words: that a language model envisioned.
        output: file to write, whose header names the outliers in order.

    Raises:
        ClipnError: every word names a class.
    """
    chosen = outliers(words, names)
    if not chosen:
        raise ClipnError(f"{output}: all {len(words)} envisioned words name a class; give others")
    header = {"format": NEGATIVES_FORMAT, "backbone": encoder.sha256, "words": lines_sha256(words)}
    header |= {"classes": lines_sha256(names), "chosen": json.dumps(chosen)}
    tensors = {"labels": encoder(names, TEMPLATES), "negatives": encoder(chosen, TEMPLATES)}
    write_safetensors(output, tensors, header)
