"""Settings of single steps, apart from the study that holds them, so that a step depends on its own only."""

from pydantic import Field

from clipn.data.registry import Record


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


class Variant(Optimisation):
    """How the "no" tower is taught; defaults are those of the authors' released code."""

    epochs: int = Field(default=10, ge=0, description="passes over the captions; 0 leaves the copy untrained")
    batch_size: int = Field(default=2048, ge=2, description="global batch")
    learning_rate: float = Field(default=3e-4, gt=0, description="at the start of the cosine")
    prompts: int = Field(default=16, ge=1, description="size of the bank of learnable prompts")
    loss_weight: float = Field(default=0.5, gt=0, description="factor of the whole loss: released code 0.5, paper 1")
    tso_epsilon: float = Field(default=1e-4, ge=0, description="inside TSO's root: released code 1e-4, paper 0")
