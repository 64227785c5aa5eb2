"""Texts that name a word in the templates of its kind, encoded by the text tower of a backbone."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from clipn.compute import prepare_torch
from clipn.files import file_hash
from clipn.model.backbone import load_backbone
from clipn.model.clipn import class_weights, clip_tokenizer, encode_text


class TextEncoder:
    """The text tower of a backbone, loaded once for many lists of words.

    Args:
        backbone: backbone file.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Attributes:
        sha256: of the backbone file.
    """

    def __init__(self, backbone: Path, device: str = "cpu", threads: int = 1) -> None:
        prepare_torch(device, threads)
        self.sha256 = file_hash(backbone)
        clip, _ = load_backbone(backbone)
        self._encode = partial(encode_text, clip.to(device))
        self._tokenizer = clip_tokenizer(clip.context_length)
        self._device = device

    def __call__(self, words: Sequence[str], templates: Sequence[str]) -> Tensor:
        """Unit-norm mean (n, d) of the unit-norm features of every word in every template."""
        return class_weights(self._encode, self._tokenizer, words, templates, self._device).cpu()
