"""Tell images of named classes from all others."""

import warnings
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from clipn.errors import ClipnError
from clipn.evaluation.class_texts import no_weights, require_pool, yes_weights
from clipn.evaluation.saved_detector import SavedDetector, read_detector, write_detector
from clipn.evaluation.threshold import Threshold
from clipn.features.given_images import given_batches
from clipn.files import file_hash
from clipn.metrics.conformal import conformal_threshold
from clipn.model.clipn import CLIP, CLIPN
from clipn.model.opening import open_model
from clipn.model.source import ModelSource
from clipn.scores import RULES, SCORES, Evidence, accepts, require_scale
from clipn.text.class_names import distinct

BATCH = 32
"""Images that are encoded at once."""
RULE = "atd"


class Detections(NamedTuple):
    """What a detector says of n images.

    Attributes:
        accepted: (n,) bool, True = one of the classes; None where nothing decides, on plain CLIP without a threshold.
        best: (n,) index of the best class.
        share: (n,) probability of the best class among the classes, as MSP.
        score: (n,) of the method, as `Detector.score`.
        ranking: (n,) the same order without ties by saturation, as `clipn.scores.Score.ranking`.
    """

    accepted: NDArray[np.bool_] | None
    best: NDArray[np.integer]
    share: NDArray[np.float64]
    score: NDArray[np.float64]
    ranking: NDArray[np.float64]


class Detector:
    """A model with its ID classes, built from the names of the classes alone.

    Every method takes images as paths, PIL images, NumPy arrays (h, w, 3) of uint8 or of floats from 0 to 1, or
    preprocessed tensors (3, h, w), one or many; or unit-norm image features (n, d).

    Args:
        model: as by `clipn.load`, or plain CLIP as by `clipn.open_model`.
        classes: names of the ID classes, e.g. `["golden retriever", "tabby cat"]`; a name that is given twice is one
            class, with a warning.
        prompts: prompt pool, see `clipn.text.prompts.prompt_pool`.
        logit_scale: what multiplies cosines; None: the model's own. The released code has 100.

    Attributes:
        threshold: what decides; None until `calibrate` is called: then the rule does.

    Raises:
        ClipnError: no class is named, the pool does not suit the model, or the scale is no positive number.
    """

    threshold: Threshold | None = None

    def __init__(
        self, model: CLIP, classes: Iterable[str], prompts: str = "clipn128", logit_scale: float | None = 100.0
    ) -> None:
        require_pool(model, prompts)
        self.model = model
        self.classes, repeated = distinct(classes)
        for line in repeated:
            warnings.warn(line, stacklevel=2)
        self.prompts = prompts
        self.logit_scale = model.logit_scale if logit_scale is None else logit_scale
        require_scale(self.logit_scale)

    @cached_property
    def yes_weights(self) -> Tensor:
        """Unit-norm classifier (classes, d) of the "yes" tower, float64."""
        return yes_weights(self.model, self.classes, self.prompts).double()

    @cached_property
    def no_weights(self) -> Tensor:
        """Unit-norm classifier (classes, d) of the "no" tower, float64; of negated templates if trained on them."""
        if not isinstance(self.model, CLIPN):
            raise ClipnError('plain CLIP has no "no" text tower; open a checkpoint of CLIPN')
        return no_weights(self.model, self.classes, self.prompts).double()

    def yes_logits(self, images: Any) -> Tensor:
        """Scale x cosine with every class, (n, classes) float64, of the "yes" tower."""
        return self.logit_scale * (self.features(images) @ self.yes_weights.T)

    def no_logits(self, images: Any) -> Tensor:
        """Scale x cosine with every class, (n, classes) float64, of the "no" tower."""
        return self.logit_scale * (self.features(images) @ self.no_weights.T)

    def classify(self, images: Any) -> Tensor:
        """Best class of each image, (n,) index into `classes`, whether the image is ID or OOD."""
        return self.yes_logits(images).argmax(dim=1)

    def score(self, images: Any, method: str | None = None) -> Any:
        """Scores (n,) float64 of a method of `clipn.scores.SCORES`, higher = more in-distribution.

        Args:
            images: see the class.
            method: None: that of the threshold, if there is one; else `atd`, or `mcm` on plain CLIP.

        Raises:
            ClipnError: there is no such method, or it needs more than the logits of the model's towers.
        """
        name, features = self.method(method), self.features(images)
        no = self.no_logits(features) if SCORES[name].needs_no else None
        return SCORES[name](self.yes_logits(features), no, self.logit_scale)

    def accepts(self, images: Any, rule: str | None = None) -> Any:
        """Decision, (n,) bool, True = one of the classes.

        Args:
            images: see the class.
            rule: threshold-free rule as in `clipn.scores.accepts`; None: the threshold, if there is one, else `atd`.

        Raises:
            ClipnError: there is no such rule, or plain CLIP is asked for one.
        """
        features = self.features(images)
        if rule is None and self.threshold is not None:
            score = SCORES[self.threshold.method]
            no = self.no_logits(features) if score.needs_no else None
            return score.ranking(self.yes_logits(features), no, self.logit_scale) >= self.threshold.ranking
        return accepts(self.rule(rule), self.yes_logits(features), self.no_logits(features))

    def detect(self, images: Any, method: str | None = None, rule: str | None = None) -> Detections:
        """All that there is to say of images, computed once; NumPy.

        Args:
            images: see the class.
            method: as for `score`.
            rule: as for `accepts`; None on plain CLIP without a threshold: nothing decides.

        Raises:
            ClipnError: as `score` and `accepts`, or the threshold that decides is of another method.
        """
        name, features = self.method(method), self.features(images)
        if rule is None and self.threshold is not None and name != self.threshold.method:
            raise ClipnError(f"method {name}: the threshold is of {self.threshold.method}; calibrate, or name a rule")
        no = self.no_logits(features) if isinstance(self.model, CLIPN) else None
        evidence = Evidence(self.yes_logits(features), no, self.logit_scale)
        ranking = SCORES[name].of(evidence)
        accepted = None
        if rule is None and self.threshold is not None:
            accepted = SCORES[self.threshold.method].of(evidence) >= self.threshold.ranking
        elif rule is not None or no is not None:
            accepted = RULES[self.rule(rule)].of(evidence)
        score = expit(ranking) if SCORES[name].log_odds else ranking
        return Detections(accepted, evidence.yes.winner, expit(SCORES["msp"].of(evidence)), score, ranking)

    def calibrate(self, images: Any, recall: float = 0.95, method: str | None = None) -> Threshold:
        """Let a threshold decide from now on, which accepts a share `recall` of images of the classes, at least.

        Split conformal: see `clipn.metrics.conformal` for what is guaranteed, and on what conditions.

        Args:
            images: of the classes, that neither training nor the choice of settings has seen; see the class.
            recall: share to accept.
            method: as for `score`.

        Raises:
            ClipnError: too few images for this recall, or as `score`.
        """
        name, self.threshold = self.method(method), None
        return self.calibrate_on(self.detect(images, name).ranking, recall, name)

    def calibrate_on(self, ranking: NDArray[np.floating], recall: float, method: str) -> Threshold:
        """As `calibrate`, from the images' `Detections.ranking` (n,)."""
        self.threshold = Threshold(method, conformal_threshold(ranking, recall), recall, len(ranking))
        return self.threshold

    def save(self, path: str | Path) -> None:
        """Write classes, prompts, text weights and threshold to one small file, which `clipn.load_detector` reads.

        Raises:
            ClipnError: the model was not opened from a file.
        """
        source = self.model.source
        if source is None:
            raise ClipnError(f"{path}: the detector's model is in no file; save it, and open it by `clipn.open_model`")
        no = self.no_weights if isinstance(self.model, CLIPN) else None
        sha256 = file_hash(source.weights)
        write_detector(
            Path(path),
            SavedDetector(
                self.classes, self.prompts, self.logit_scale, self.threshold, source, sha256, self.yes_weights, no
            ),
        )

    @torch.inference_mode()
    def features(self, images: Any) -> Tensor:
        """Unit-norm image features (n, d), float64, which all other methods take in place of images.

        Raises:
            ClipnError: something is no image, has another size than the model takes, does not decode, or its features
                are no numbers.
        """
        batches = [self._encoded(batch) for batch in given_batches(images, self.model.preprocess, BATCH)]
        if not batches:
            raise ClipnError("images: there are none; give one at least")
        features = torch.cat(batches)
        # A comparison with NaN is false, so that such an image would pass for one of the first class.
        wrong = (~features.isfinite().all(dim=1)).nonzero().flatten().tolist()
        if wrong:
            raise ClipnError(f"images: features of number {wrong[0] + 1} hold NaN or infinity; check it or the weights")
        return features

    def method(self, name: str | None) -> str:
        """The method of a name, or the default; raises ClipnError if this model cannot be asked for it."""
        if name is None:
            default = "atd" if isinstance(self.model, CLIPN) else "mcm"
            return default if self.threshold is None else self.threshold.method
        if name not in SCORES:
            raise ClipnError(f"method {name!r}: choose one of {', '.join(SCORES)}")
        if not SCORES[name].needs <= {"no"}:
            raise ClipnError(f"method {name}: needs more than images and classes; score it with `clipn score`")
        if SCORES[name].needs_no and not isinstance(self.model, CLIPN):
            raise ClipnError(f'method {name}: needs a "no" text tower, which plain CLIP has not; choose another')
        return name

    def rule(self, name: str | None) -> str:
        """The rule of a name, or the default; raises ClipnError if this model cannot be asked for it."""
        if name is not None and name not in RULES:
            raise ClipnError(f"rule {name!r}: choose one of {', '.join(RULES)}")
        if not isinstance(self.model, CLIPN):
            raise ClipnError('plain CLIP has no threshold-free rule, as these need a "no" text tower; calibrate it')
        return name or RULE

    def decided_by(self, rule: str | None) -> str:
        """What decides, in a sentence."""
        if rule is None and self.threshold is not None:
            return f"ID is what has {self.threshold}."
        if rule is None and not isinstance(self.model, CLIPN):
            return "Nothing decides: plain CLIP has no rule, and no threshold was calibrated."
        return f"ID is what the threshold-free rule {RULES[self.rule(rule)].label} accepts."

    def _encoded(self, batch: Tensor) -> Tensor:
        if batch.ndim == 2:
            return batch.to(self.model.device).double()
        if tuple(batch.shape[2:]) != self.model.image_size:
            given, expected = (" x ".join(map(str, size)) for size in (batch.shape[2:], self.model.image_size))
            raise ClipnError(f"images: tensors of {given} pixels, expected {expected}; apply `model.preprocess`")
        return self.model.encode_image(batch.to(self.model.device)).double()


def load_detector(
    path: str | Path, model: str | Path | ModelSource | CLIP | None = None, device: str = "cpu"
) -> Detector:
    """A detector that `Detector.save` wrote; no text is encoded again.

    Args:
        path: its file.
        model: the model, or its file if that has moved; None: the file that is named in `path`, as seen from the
            working directory, or from the folder of `path`.
        device: where the model goes.

    Raises:
        ClipnError: missing, damaged or foreign file; or the model is not there, or is another one.
    """
    saved = read_detector(Path(path))
    if isinstance(model, CLIP):
        saved.require_model(Path(path), model.source)
    else:
        model = open_model(saved.find_model(Path(path), model), device)
    # Not by the constructor, which looks for the prompts: they are encoded, and their file need not be here.
    detector = Detector.__new__(Detector)
    detector.model, detector.classes, detector.prompts = model, saved.classes, saved.prompts
    detector.logit_scale, detector.threshold = saved.logit_scale, saved.threshold
    detector.yes_weights = saved.yes.to(model.device)
    if saved.no is not None:
        detector.no_weights = saved.no.to(model.device)
    return detector
