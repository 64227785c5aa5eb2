"""How runs and scorings are named, as the folders and files that hold them are."""

from pathlib import PurePath
from typing import NamedTuple, Self

SEED = "seed"


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
            ValueError: its path has another form.
        """
        backbone, variant, file = path.parts[-3:]
        return cls(backbone, variant, _seed(file))


class Scoring(NamedTuple):
    """One scoring of all ID/OOD pairs: of a run, or of the methods on plain CLIP.

    Attributes:
        backbone: name of the backbone.
        variant: name of the variant; `none` for the methods on plain CLIP.
        prompts: name of the prompt pool.
        seed: of the run; 0 for the methods on plain CLIP; a rule has a wildcard here.
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
            ValueError: its path has another form.
        """
        backbone, variant, prompts, file = path.parts[-4:]
        return cls(backbone, variant, prompts, _seed(file))


def _seed(file: str) -> int:
    number = PurePath(file).stem.removeprefix(SEED)
    # A file without the prefix would pass for a seed if it were named by a number alone.
    if f"{SEED}{number}" != PurePath(file).stem:
        raise ValueError(f"{file} is not named {SEED}<k>")
    return int(number)
