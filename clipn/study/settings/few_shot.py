"""Training images of an ID dataset, on which a classifier is fitted: no zero-shot method, and called so everywhere."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from clipn.scores import GDA
from clipn.yaml_models import LARGEST_SCALE, FileName, Record, Seed


def require_choices(shots: int | Literal["all"], seeds: Sequence[int]) -> None:
    """Raise a ValueError unless every seed chooses other images."""
    if len(set(seeds)) < len(seeds):
        raise ValueError("seeds: a seed occurs twice; name each once")
    if shots == "all" and len(seeds) > 1:
        raise ValueError("seeds: every seed chooses all images; name one")


class FewShot(Record):
    """Gaussian discriminant analysis (GDA) of some training images per class, beside the zero-shot classifier."""

    kind: Literal["gda"] = Field(default="gda", exclude=True, description="what is fitted; `cooked` is the other kind")
    dataset: FileName = Field(
        description="dataset of the registry with labels and the classes of the ID dataset, none of its images tested"
    )
    shots: int | Literal["all"] = Field(description="images of every class; `all`: whatever there is")
    seeds: list[Seed] = Field(
        default=[1],
        min_length=1,
        description="a choice of images for each; on a backbone of several trainings the seed of the training chooses",
    )
    alpha: float = Field(
        default=1.0, gt=0, le=LARGEST_SCALE, description="weight of the fitted logits beside the zero-shot ones"
    )

    @field_validator("shots")
    @classmethod
    def _spread(cls, shots: int | Literal["all"]) -> int | Literal["all"]:
        if shots != "all" and shots < 2:
            raise ValueError("one image of a class has no covariance; name 2 or more, or `all`")
        return shots

    @model_validator(mode="after")
    def _choices_differ(self) -> "FewShot":
        require_choices(self.shots, self.seeds)
        return self

    @property
    def variant(self) -> str:
        """What tables call it, e.g. `gda-16shot-alpha1.0`."""
        return f"{GDA}{self.shots}shot-alpha{self.alpha}"
