"""Tell images of named classes from all others."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.model.clipn import CLIPN, class_weights
from clipn.scores import SCORES, accepts
from clipn.text.prompts import no_prompt_pool, prompt_pool


class Detector:
    """A model with its ID classes, built from the names of the classes alone.

    Every method takes preprocessed images (n, 3, h, w) or unit-norm image features (n, d).

    Args:
        model: as by `clipn.load`.
        classes: names of the ID classes, e.g. `["golden retriever", "tabby cat"]`.
        prompts: prompt pool, see `clipn.text.prompts.prompt_pool`.
        logit_scale: what multiplies cosines; None: the model's own. The released code has 100.

    Raises:
        ClipnError: no class is named, or the pool does not suit the model.
    """

    def __init__(
        self, model: CLIPN, classes: Sequence[str], prompts: str = "clipn128", logit_scale: float | None = 100.0
    ) -> None:
        if not classes or isinstance(classes, str):
            raise ClipnError("classes: give a list with at least one name")
        self.model = model
        self.classes = list(classes)
        self._yes_templates = prompt_pool(prompts)
        # Learned prompts say "no" by themselves, so both towers read the same texts; else the texts must negate.
        self._no_templates = self._yes_templates if model.learns_prompts else no_prompt_pool(prompts)
        self.logit_scale = model.logit_scale if logit_scale is None else logit_scale
        # A module of torch does not say where it is; this parameter is one that every CLIP has.
        self._device = str(model.clip.positional_embedding.device)

    @cached_property
    def yes_weights(self) -> Tensor:
        """Unit-norm classifier (classes, d) of the "yes" tower, float64."""
        return self._weights(self.model.encode_text, self._yes_templates)

    @cached_property
    def no_weights(self) -> Tensor:
        """Unit-norm classifier (classes, d) of the "no" tower, float64; of negated templates if trained on them."""
        return self._weights(self.model.encode_no_text, self._no_templates)

    def yes_logits(self, images: Tensor) -> Tensor:
        """Scale x cosine with every class, (n, classes) float64, of the "yes" tower."""
        return self.logit_scale * (self._features(images) @ self.yes_weights.T)

    def no_logits(self, images: Tensor) -> Tensor:
        """Scale x cosine with every class, (n, classes) float64, of the "no" tower."""
        return self.logit_scale * (self._features(images) @ self.no_weights.T)

    def classify(self, images: Tensor) -> Tensor:
        """Best class of each image, (n,) index into `classes`, whether the image is ID or OOD."""
        return self.yes_logits(images).argmax(dim=1)

    def score(self, images: Tensor, method: str = "atd") -> Any:
        """Scores (n,) float64 of a method of `clipn.scores.SCORES`, higher = more in-distribution.

        Raises:
            ClipnError: there is no such method, or it needs more than the logits of both towers.
        """
        if method not in SCORES:
            raise ClipnError(f"method {method!r}: choose one of {', '.join(SCORES)}")
        if not SCORES[method].needs <= {"no"}:
            raise ClipnError(f"method {method}: needs more than images and classes; score it with `clipn score`")
        features = self._features(images)
        no = self.no_logits(features) if SCORES[method].needs_no else None
        return SCORES[method](self.yes_logits(features), no, self.logit_scale)

    def accepts(self, images: Tensor, rule: str = "atd") -> Any:
        """Threshold-free decision, (n,) bool, True = one of the classes; rules as in `clipn.scores.accepts`."""
        features = self._features(images)
        return accepts(rule, self.yes_logits(features), self.no_logits(features))

    def _weights(self, encode: Callable[[Tensor], Tensor], templates: Sequence[str]) -> Tensor:
        return class_weights(encode, self.model.tokenizer, self.classes, templates, self._device).double()

    @torch.inference_mode()
    def _features(self, images: Tensor) -> Tensor:
        images = images.to(self._device)
        return (self.model.encode_image(images) if images.ndim == 4 else images).double()
