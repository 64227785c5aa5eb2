"""COOkeD of an ID dataset: a linear probe and a network beside zero-shot CLIP; no zero-shot method, and called so."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from clipn.files import WEIGHT_SUFFIXES
from clipn.scores import COOKED
from clipn.study.settings.few_shot import FewShot, require_choices
from clipn.yaml_models import FileName, Record, Seed


class Cooked(Record):
    """The mean of the softmaxes of zero-shot CLIP, of a linear probe of its image features, and of a network."""

    kind: Literal["cooked"]
    network: FileName = Field(description="key of `networks`; it was trained on the classes of the ID dataset")
    dataset: FileName | None = Field(
        default=None,
        description="dataset of the registry that the probe is fitted on, with labels and the classes of the ID "
        "dataset, none of its images tested",
    )
    shots: int | Literal["all"] = Field(default="all", description="images of every class; `all`: whatever there is")
    seeds: list[Seed] = Field(
        default=[1],
        min_length=1,
        description="a choice of images for each; on a backbone of several trainings the seed of the training chooses",
    )
    probes: dict[FileName, str] = Field(
        default={}, description="backbone -> local file of a probe that others trained on it; instead of `dataset`"
    )

    @field_validator("shots")
    @classmethod
    def _of_every_class(cls, shots: int | Literal["all"]) -> int | Literal["all"]:
        if shots != "all" and shots < 1:
            raise ValueError("a class without an image cannot be told; name 1 or more, or `all`")
        return shots

    @field_validator("probes")
    @classmethod
    def _are_files(cls, probes: dict[str, str]) -> dict[str, str]:
        for backbone, file in probes.items():
            if not file.endswith(WEIGHT_SUFFIXES):
                raise ValueError(f"{backbone}: {file} is no weight file; it must end in {', '.join(WEIGHT_SUFFIXES)}")
        return probes

    @model_validator(mode="after")
    def _one_origin(self) -> "Cooked":
        if (self.dataset is None) == (not self.probes):
            raise ValueError("give either `dataset`, to fit a probe on, or `probes` of others")
        if self.probes and {"shots", "seeds"} & self.model_fields_set:
            raise ValueError("`shots` and `seeds` are for a probe that is fitted here; leave them out")
        require_choices(self.shots, self.seeds)
        return self

    @property
    def variant(self) -> str:
        """What tables call it, e.g. `cooked-16shot-resnet18`, or `cooked-imported-resnet18`."""
        return f"{COOKED}{'imported' if self.probes else f'{self.shots}shot'}-{self.network}"


AnyFit = FewShot | Cooked


def _of_its_kind(value: object) -> AnyFit:
    """Check a fit against the one kind that it must be, so that an error speaks of that kind."""
    kinds: dict[object, type[AnyFit]] = {"gda": FewShot, "cooked": Cooked}
    kind = value.get("kind", "gda") if isinstance(value, dict) else "gda"
    if kind not in kinds:
        raise ValueError(f"kind: {kind!r} is nothing that is fitted; write {' or '.join(map(str, kinds))}")
    return kinds[kind].model_validate(value)


def _of_their_kinds(value: object) -> list[AnyFit]:
    """One fit or several, of which no two may be of one kind: their files are told apart by it."""
    fits = [_of_its_kind(fit) for fit in (value if isinstance(value, list) else [value])]
    if len({type(fit) for fit in fits}) < len(fits):
        raise ValueError("a kind occurs twice; leave one to another study")
    return fits


Fits = Annotated[
    list[AnyFit], Field(min_length=1), BeforeValidator(_of_their_kinds, json_schema_input_type=AnyFit | list[AnyFit])
]
"""What is fitted for an ID dataset; a study writes a single fit without the list."""


def cooked_of(train: Mapping[str, Sequence[AnyFit]]) -> dict[str, Cooked]:
    """COOkeD by the ID datasets that have it."""
    return {id_dataset: fit for id_dataset, fits in train.items() for fit in fits if isinstance(fit, Cooked)}
