"""How runs and scorings are named, as the folders and files that hold them are."""

import re
from pathlib import PurePath
from typing import Any, NamedTuple, Self

from clipn.errors import ClipnError
from clipn.scores import FITTED, PLAIN_CLIP

SEED = "seed"
_SEEDED = re.compile(rf"(?P<family>.+)\.{SEED}(?P<seed>\d+)")
"""Name of one of several trainings of a backbone."""


def seeded(backbone: str, seed: int) -> str:
    """Name of the training of a backbone with a seed, where there are several."""
    return f"{backbone}.{SEED}{seed}"


def family(backbone: str) -> str:
    """What the trainings of a backbone with several seeds are called together; of another its own name."""
    found = _SEEDED.fullmatch(backbone)
    return found["family"] if found else backbone


def seed_of(backbone: str) -> int | None:
    """Seed of one of several trainings of a backbone, as its name says; None of another one."""
    found = _SEEDED.fullmatch(backbone)
    return int(found["seed"]) if found else None


class RunName(NamedTuple):
    """One training of a variant on a backbone.

    Attributes:
        backbone: name of the backbone.
        variant: name of the variant.
        seed: of the training, or number of a released checkpoint; a rule has a wildcard here.
    """

    backbone: str
    variant: str
    seed: int | str

    def __str__(self) -> str:
        """Path without an ending, `<backbone>/<variant>/seed<k>`."""
        return f"{self.backbone}/{self.variant}/{SEED}{self.seed}"

    @classmethod
    def of(cls, path: PurePath) -> Self:
        """The run that a file is named after.

        Raises:
            ClipnError: its path has another form.
        """
        return cls(*_parts(path, "<backbone>/<variant>"))


class Scoring(NamedTuple):
    """One scoring of all ID/OOD pairs: of a run, or of the methods on plain CLIP.

    Attributes:
        backbone: name of the backbone.
        variant: name of the variant; `none` for the methods on plain CLIP.
        prompts: name of the prompt pool.
        seed: of the run, or of the choice of training images; 0 for the methods on plain CLIP; a rule has a wildcard.
    """

    backbone: str
    variant: str
    prompts: str
    seed: int | str

    def __str__(self) -> str:
        """Path without an ending, `<backbone>/<variant>/<prompts>/seed<k>`."""
        return f"{self.backbone}/{self.variant}/{self.prompts}/{SEED}{self.seed}"

    @classmethod
    def of(cls, path: PurePath) -> Self:
        """The scoring that a file is named after.

        Raises:
            ClipnError: its path has another form.
        """
        return cls(*_parts(path, "<backbone>/<variant>/<prompts>"))

    @property
    def described(self) -> dict[str, str | int]:
        """What names it in metrics and tables, where trainings of one backbone are runs of one row."""
        seed = seed_of(self.backbone)
        return self._asdict() | ({} if seed is None else {"backbone": family(self.backbone), "seed": seed})

    @property
    def is_plain(self) -> bool:
        """Whether it is of the methods on plain CLIP."""
        return self.variant == PLAIN_CLIP

    @property
    def is_fitted(self) -> bool:
        """Whether it is of a classifier that was fitted on training images."""
        return self.variant.startswith(FITTED)

    @property
    def run(self) -> str:
        """Name of the run among those of its backbone, as classifiers are called: `<variant>/seed<k>`, or `none`."""
        return PLAIN_CLIP if self.is_plain or self.is_fitted else f"{self.variant}/{SEED}{self.seed}"


def _parts(path: PurePath, folders: str) -> list[Any]:
    """Names of a file's folders, as many as in `folders`, and the number of its seed."""
    *names, _ = path.parts[-folders.count("/") - 2 :]
    number = path.stem.removeprefix(SEED)
    # A file without the prefix would pass for a seed if it were named by a number alone.
    if len(names) != folders.count("/") + 1 or path.stem != f"{SEED}{number}" or not number.isdecimal():
        raise ClipnError(f"{path}: expected .../{folders}/{SEED}<k>{path.suffix}; rename the file")
    return [*names, int(number)]
