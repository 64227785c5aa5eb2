"""A detector in one small file: classes, what the text towers say of them, threshold, and where the model is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from clipn.errors import ClipnError
from clipn.evaluation.threshold import Threshold
from clipn.files import file_hash
from clipn.model.source import ModelSource
from clipn.model.tensors import read_safetensors, write_safetensors
from clipn.scores import require_scale

FORMAT = "clipn-detector-1"


@dataclass(frozen=True)
class SavedDetector:
    """What a file holds.

    Attributes:
        classes: names of the ID classes.
        prompts: prompt pool.
        logit_scale: what multiplies cosines.
        threshold: what decides; None: the threshold-free rule.
        model: where its model was.
        sha256: of the model's weight file.
        yes: classifier (classes, d) of the "yes" tower.
        no: the same of the "no" tower; None of plain CLIP.
    """

    classes: list[str]
    prompts: str
    logit_scale: float
    threshold: Threshold | None
    model: ModelSource
    sha256: str
    yes: Tensor
    no: Tensor | None

    def find_model(self, path: Path, moved_to: str | Path | ModelSource | None) -> ModelSource:
        """Where the model is now.

        Args:
            path: file of the detector.
            moved_to: where somebody says that it is.

        Raises:
            ClipnError: it is not there, or another one is.
        """
        if moved_to is None:
            places = (self.model.path, path.parent / self.model.path)
            if (place := next((place for place in places if place.exists()), None)) is None:
                raise ClipnError(f"{path}: its model {self.model.path} is not there; name the file where it is now")
            source = self.model._replace(path=place)
        else:
            given = moved_to if isinstance(moved_to, ModelSource) else ModelSource(Path(moved_to))
            # A path alone does not say how the model was opened, and shapes tell no activation.
            source = ModelSource(given.path, given.architecture or self.model.architecture, given.tag or self.model.tag)
        self.require_model(path, source)
        return source

    def require_model(self, path: Path, source: ModelSource | None) -> None:
        """Raise a ClipnError if a model is not that of the detector in the file `path`."""
        if source is None:
            raise ClipnError(f"{path}: the model that was given is in no file, so nothing tells whether it is the one")
        if file_hash(source.weights) != self.sha256:
            raise ClipnError(f"{source.path}: is not the model of {path}, which has another sha256; name that one")


def write_detector(path: Path, detector: SavedDetector) -> None:
    """Write a detector atomically; the same one gives the same bytes."""
    source, threshold = detector.model, detector.threshold
    described: dict[str, Any] = {
        "classes": detector.classes,
        "prompts": detector.prompts,
        "logit_scale": detector.logit_scale,
        "threshold": None if threshold is None else asdict(threshold),
        "model": {"path": str(source.path), "architecture": source.architecture, "tag": source.tag},
        "sha256": detector.sha256,
    }
    tensors = {"yes": detector.yes} | ({} if detector.no is None else {"no": detector.no})
    write_safetensors(path, tensors, {"format": FORMAT} | {key: json.dumps(value) for key, value in described.items()})


def read_detector(path: Path) -> SavedDetector:
    """What `write_detector` wrote.

    Raises:
        ClipnError: missing, damaged or foreign file.
    """
    tensors, header = read_safetensors(path, FORMAT, "yes")
    try:
        described = {key: json.loads(value) for key, value in header.items() if key != "format"}
        threshold, model = described.pop("threshold"), described.pop("model")
        require_scale(described["logit_scale"])
        return SavedDetector(
            **described,
            threshold=None if threshold is None else Threshold(**threshold),
            model=ModelSource(Path(model.pop("path")), **model),
            yes=tensors["yes"],
            no=tensors.get("no"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ClipnError) as error:
        raise ClipnError(f"{path}: its header is not that of a detector ({error}); save the detector again") from error
