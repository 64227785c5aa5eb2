"""The runs of a study: which variants are trained or taken as they are, on which backbones, and how often."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import Field, field_validator

from clipn.study.settings.variants import AnyVariant, ReleasedVariant
from clipn.yaml_models import FileName, Record, Seed, require_distinct


class Run(Record):
    """Trainings of one variant on one backbone, or published checkpoints of it."""

    backbone: FileName
    variant: FileName
    seeds: list[Seed] = Field(
        min_length=1, description="one training each; of a released variant the numbers of its checkpoints"
    )
    shared: bool = Field(default=False, description="whether these are runs of the study that this one extends")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        require_distinct(seeds, "seed")
        return seeds


def require_known(runs: Sequence[Run], backbones: Collection[str], variants: Collection[str]) -> None:
    """Raise a ValueError if a run is on no backbone of the study, or of no variant of it."""
    for run in runs:
        if run.backbone not in backbones:
            raise ValueError(f"runs: no backbone {run.backbone!r}; it must be one of {', '.join(backbones)}")
        if run.variant not in variants:
            raise ValueError(f"runs: no variant {run.variant!r}; it must be one of {', '.join(variants)}")


def require_once(runs: Sequence[Run]) -> None:
    """Raise a ValueError if a run is named twice."""
    every = [(run.backbone, run.variant, seed) for run in runs for seed in run.seeds]
    for backbone, variant, seed in every:
        if every.count((backbone, variant, seed)) > 1:
            raise ValueError(f"runs: {backbone}/{variant} with seed {seed} is named twice; name it once")


def require_checkpoints(runs: Sequence[Run], variants: Mapping[str, AnyVariant]) -> None:
    """Raise a ValueError if a run of a released variant has no checkpoint."""
    for run in runs:
        variant = variants[run.variant]
        numbers_there_are = variant.checkpoints if isinstance(variant, ReleasedVariant) else run.seeds
        for seed in run.seeds:
            if seed not in numbers_there_are:
                numbers = ", ".join(map(str, numbers_there_are))
                raise ValueError(f"runs: {run.variant} has no checkpoint {seed}; `seeds` must be among {numbers}")
