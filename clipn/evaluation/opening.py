"""The detector and the model that a person names: by path, by record of the registry, or by tag of open_clip."""

from dataclasses import dataclass
from pathlib import Path

import open_clip

from clipn.data.download import fetch_archive
from clipn.data.registry import DOWNLOADS
from clipn.data.weights_registry import WEIGHTS, WeightsRegistry, load_weights
from clipn.errors import ClipnError
from clipn.evaluation.detector import Detector, load_detector
from clipn.model.opening import open_model
from clipn.model.source import ModelSource
from clipn.progress import warn
from clipn.text.class_names import distinct
from clipn.text.lines import read_lines


@dataclass(frozen=True)
class Asked:
    """What a person names.

    Attributes:
        detector: file of a saved one, in place of classes and prompts.
        classes: `cat,dog,...`, or a text file with a name per line.
        prompts: prompt pool.
        model: as for `find_model`; None: that of the saved detector.
        architecture: as for `find_model`.
    """

    detector: Path | None
    classes: str | None
    prompts: str
    model: str | None
    architecture: str | None

    def __post_init__(self) -> None:
        if (self.detector is None) == (self.classes is None):
            raise ClipnError("--classes: name the classes, or a --detector that was saved, but not both")
        if self.detector is None and self.model is None:
            raise ClipnError("--model: name a checkpoint, another weight file, or NAME/TAG of open_clip")


def open_detector(asked: Asked, device: str = "cpu") -> Detector:
    """The detector that is asked for.

    Raises:
        ClipnError: a file is missing or foreign, a class has no name, or the pool does not suit the model.
    """
    model = None if asked.model is None else find_model(asked.model, asked.architecture)
    if asked.detector is not None:
        return load_detector(asked.detector, model, device)
    assert model is not None
    assert asked.classes is not None
    is_file = asked.classes.endswith(".txt") or Path(asked.classes).is_file()
    names, repeated = distinct(read_lines(Path(asked.classes)) if is_file else asked.classes.split(","))
    for line in repeated:
        warn(line)
    return Detector(open_model(model, device), names, asked.prompts)


def find_model(name: str, architecture: str | None = None, registry: Path = WEIGHTS) -> ModelSource:
    """Where a model is; fetched first, if need be.

    Args:
        name: path of a weight file or of a folder of open_clip's hub; key of a record of the registry; or NAME/TAG of
            open_clip, which then fetches it from its hub to its own cache.
        architecture: of a weight file whose shapes do not tell it.
        registry: of weights, if there is one.

    Raises:
        ClipnError: it is none of these, or it could not be fetched.
    """
    if Path(name).exists():
        return ModelSource(Path(name), architecture)
    known = load_weights(registry) if registry.is_file() else WeightsRegistry()
    if name in known.records:
        record = known.records[name]
        output = DOWNLOADS / record.archive.file
        fetch_archive(record.archive, registry.parent, output)
        return ModelSource(output, record.architecture, record.tag)
    architecture_name, _, tag = name.rpartition("/")
    if not open_clip.get_pretrained_cfg(architecture_name, tag):
        examples = ", ".join(known.records) or "ViT-B-32/laion2b_s34b_b79k"
        raise ClipnError(f"model {name}: no file, no folder, and no NAME/TAG of open_clip; name one, e.g. {examples}")
    return ModelSource(_from_hub(architecture_name, tag), architecture_name, tag)


def _from_hub(name: str, tag: str) -> Path:
    try:
        return Path(open_clip.download_pretrained(open_clip.get_pretrained_cfg(name, tag), prefer_hf_hub=True))
    except Exception as error:  # whatever the hub's client raises
        reason = f"could not be fetched ({type(error).__name__}: {error})"
        raise ClipnError(f"model {name}/{tag}: {reason}; check the network, or name a file") from error
