"""The detector that a person asks for: by its file, or by classes and a model."""

import os
from dataclasses import dataclass
from pathlib import Path

from clipn.errors import ClipnError
from clipn.evaluation.detector import Detector, load_detector
from clipn.evaluation.models import find_model, open_model
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
        model: as for `clipn.evaluation.models.find_model`; None: that of the saved detector.
        architecture: of a weight file whose shapes do not tell it.
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
    # Not `Path.is_file`, which raises for a list that is longer than the name of any file.
    is_file = asked.classes.endswith(".txt") or os.path.isfile(asked.classes)  # noqa: PTH113
    names, repeated = distinct(read_lines(Path(asked.classes)) if is_file else asked.classes.split(","))
    for line in repeated:
        warn(line)
    if len(names) == 1:
        warn(f"classes: one alone, {names[0]!r}; write several with commas between them, or a line each in a text file")
    return Detector(open_model(model, device), names, asked.prompts)
