"""The typed model of a study; its JSON schema in `workflow/schemas/` is generated from it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from clipn.data.registry import Record
from clipn.prompts import POOLS
from clipn.scores import SCORES

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
ID_DATASETS = ("imagenet", "cifar10", "cifar100")


class Demo(Record):
    """The generated world that a study runs on instead of downloads."""

    seed: int = Field(default=0, description="seed of all generated images and captions")
    captions: int = Field(default=12_000, ge=1, description="number of image-caption rows")
    images: int = Field(default=600, ge=1, description="images per benchmark dataset")


class Optimisation(Record):
    """AdamW with a cosine schedule to zero, per step."""

    epochs: int = Field(ge=0, description="passes over the captions")
    batch_size: int = Field(ge=2, description="image-caption samples per step")
    learning_rate: float = Field(gt=0, description="at the start of the cosine")
    weight_decay: float = Field(default=0.2, ge=0, description="on tensors with two or more dimensions")
    warmup_steps: int = Field(default=0, ge=0, description="steps of linear warm-up")
    threads: int = Field(default=1, ge=1, description="torch threads; sums, and so digits, depend on it")


class BackboneTraining(Optimisation):
    """Training of a small CLIP from scratch on the study's shards."""

    epochs: int = Field(default=14, ge=1, description="passes over the captions")
    batch_size: int = Field(default=256, ge=2, description="image-caption samples per step")
    learning_rate: float = Field(default=2e-3, gt=0, description="at the end of the warm-up")
    warmup_steps: int = Field(default=50, ge=0, description="steps of linear warm-up")
    logit_scale: float = Field(default=1 / 0.07, gt=0, le=100, description="at the start; CLIP's is 1 / 0.07")
    flip: bool = Field(default=False, description="mirror images at random")
    crop: float = Field(default=0.9, gt=0, le=1, description="smallest side of the random crop, as a share")
    seed: int = Field(default=0, description="seed of weights, order and crops")
    threads: int = Field(default=2, ge=1, description="torch threads; sums, and so digits, depend on it")


class Backbone(Record):
    """An open_clip model, pretrained or trained by the pipeline."""

    architecture: str = Field(description="open_clip name or path of a JSON file of the same form")
    pretrained: str | None = Field(default=None, description="open_clip tag or local weight file")
    training: BackboneTraining | None = Field(default=None, description="how to train it; instead of `pretrained`")

    @model_validator(mode="after")
    def _one_origin(self) -> "Backbone":
        if (self.pretrained is None) == (self.training is None):
            raise ValueError("give either `pretrained` or `training`")
        return self


class Variant(Optimisation):
    """How the "no" tower is taught; defaults are those of the authors' released code."""

    epochs: int = Field(default=10, ge=0, description="passes over the captions; 0 leaves the copy untrained")
    batch_size: int = Field(default=2048, ge=2, description="global batch")
    learning_rate: float = Field(default=3e-4, gt=0, description="at the start of the cosine")
    prompts: int = Field(default=16, ge=1, description="size of the bank of learnable prompts")
    loss_weight: float = Field(default=0.5, gt=0, description="factor of the whole loss: released code 0.5, paper 1")
    tso_epsilon: float = Field(default=1e-4, ge=0, description="inside TSO's root: released code 1e-4, paper 0")


class Run(Record):
    """Trainings of one variant on one backbone."""

    backbone: Name
    variant: Name
    seeds: list[int] = Field(min_length=1, description="one training each")


class Captions(Record):
    """Which captions, and into how many shards they go."""

    sources: list[Name] = Field(min_length=1, description="caption sources of the registry")
    shards: int = Field(default=4, ge=1, description="number of WebDataset shards")


class Study(Record):
    """All that a study is."""

    study: Name = Field(description="name of the study: config/studies/<study>.yaml")
    registry: str | None = Field(default=None, description="registry of datasets and caption sources")
    demo: Demo | None = Field(default=None, description="generate registry and archives; instead of `registry`")
    captions: Captions
    backbones: dict[Name, Backbone] = Field(min_length=1)
    variants: dict[Name, Variant] = Field(min_length=1)
    runs: list[Run] = Field(min_length=1)
    pairs: dict[Literal["imagenet", "cifar10", "cifar100"], list[Name]] = Field(
        min_length=1, description="OOD datasets of every ID dataset"
    )
    baselines: list[Name] = Field(default=["msp", "max_logit", "energy", "mcm"], description="methods on plain CLIP")
    prompts: Name = Field(default="clipn128", description="prompt pool of the class names")
    logit_scale: float = Field(default=100.0, gt=0, description="what multiplies cosines in evaluation")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where models run")
    threads: int = Field(default=1, ge=1, description="torch threads of encoding; digits depend on it")

    @field_validator("prompts")
    @classmethod
    def _known_pool(cls, name: str) -> str:
        if name not in POOLS:
            raise ValueError(f"no such pool; choose one of {', '.join(POOLS)}")
        return name

    @field_validator("baselines")
    @classmethod
    def _plain_methods(cls, names: list[str]) -> list[str]:
        known = [name for name, score in SCORES.items() if not score.needs_no]
        for name in names:
            if name not in known:
                raise ValueError(f"no baseline {name!r}; choose among {', '.join(known)}")
        return names

    @model_validator(mode="after")
    def _one_origin(self) -> "Study":
        if (self.registry is None) == (self.demo is None):
            raise ValueError("give either `registry` or `demo`")
        return self

    @model_validator(mode="after")
    def _runs_name_what_exists(self) -> "Study":
        for run in self.runs:
            if run.backbone not in self.backbones:
                raise ValueError(f"runs: no backbone {run.backbone!r}; it must be one of {', '.join(self.backbones)}")
            if run.variant not in self.variants:
                raise ValueError(f"runs: no variant {run.variant!r}; it must be one of {', '.join(self.variants)}")
        return self

    @property
    def datasets(self) -> list[str]:
        """Every dataset of the pairs, once, in order."""
        return list(dict.fromkeys(name for known, unknown in self.pairs.items() for name in (known, *unknown)))
