"""Settings of training, of backbones and of CLIPN's variants, apart from the study that holds them."""

from typing import Literal

from pydantic import Field, field_validator

from clipn.text.prompts import NO_POOLS
from clipn.yaml_models import Record, Seed, Threads

MOST_EPOCHS = 10_000
LARGEST_BATCH = 1 << 20
MOST_STEPS = 10**9
MOST_PROMPTS = 10_000
MOST_VIEWS = 1000


FalseNegatives = Literal["keep", "eliminate", "attract"]


class OptimizerSettings(Record):
    """AdamW with a cosine schedule to zero, per step."""

    epochs: int = Field(ge=0, le=MOST_EPOCHS, description="passes over the captions")
    batch_size: int = Field(ge=2, le=LARGEST_BATCH, description="image-caption samples per step")
    learning_rate: float = Field(gt=0, description="at the start of the cosine")
    weight_decay: float = Field(default=0.2, ge=0, description="on tensors with two or more dimensions")
    warmup_steps: int = Field(default=0, ge=0, le=MOST_STEPS, description="steps of linear warm-up")
    threads: Threads = Field(default=1, description="torch threads; sums, and so digits, depend on it")


class BackboneTraining(OptimizerSettings):
    """Training of a small CLIP from scratch on the study's shards."""

    epochs: int = Field(default=14, ge=1, le=MOST_EPOCHS, description="passes over the captions")
    batch_size: int = Field(default=256, ge=2, le=LARGEST_BATCH, description="image-caption samples per step")
    learning_rate: float = Field(default=2e-3, gt=0, description="at the end of the warm-up")
    warmup_steps: int = Field(default=50, ge=0, le=MOST_STEPS, description="steps of linear warm-up")
    logit_scale: float = Field(default=1 / 0.07, gt=0, le=100, description="at the start; CLIP's is 1 / 0.07")
    flip: bool = Field(default=False, description="mirror images at random")
    lock_images: bool = Field(
        default=False,
        description="train on features of a locked `image_tower`, encoded once: no crops, no mirroring",
    )
    false_negatives: FalseNegatives = Field(
        default="keep",
        description="other samples of a batch that show the class of a sample: negatives as in CLIP, left out, or "
        "positives; a class is a folder of reader `class_folders`, else one image with all its captions",
    )
    crop: float = Field(default=0.9, gt=0, le=1, description="smallest side of the random crop, as a share")
    seed: Seed = Field(default=0, description="seed of weights, order and crops")
    threads: Threads = Field(default=2, description="torch threads; sums, and so digits, depend on it")


class Variant(OptimizerSettings):
    """How the "no" tower is taught.

    Where the paper and the authors' released code differ, defaults are the code's, except for precision.
    """

    epochs: int = Field(
        default=10, ge=0, le=MOST_EPOCHS, description="passes over the samples; 0 leaves the copy untrained"
    )
    batch_size: int = Field(
        default=2048, ge=2, le=LARGEST_BATCH, description="global batch: the loss compares all its samples"
    )
    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the samples to train on: a random subset, the same for every seed, within larger shares'",
    )
    learning_rate: float = Field(default=3e-4, gt=0, description="at the start of the cosine")
    no_texts: Literal["learnable", "handcrafted"] = Field(
        default="learnable", description="learnable prompts added to the caption, or templates that negate it"
    )
    prompts: int = Field(default=16, ge=1, le=MOST_PROMPTS, description="size of the bank of learnable prompts")
    tokens: int | None = Field(
        default=None,
        ge=1,
        le=MOST_PROMPTS,
        description="positions, from the first, that get a learnable prompt added; else all of them",
    )
    templates: str = Field(default="clipn128", description="pool of paired templates for hand-crafted texts")
    augmentation: Literal["online", "stored", "none"] = Field(
        default="online",
        description="random crops of the images: drawn each time (released code), `views` of each encoded once, "
        "or none and the evaluation crop encoded once",
    )
    views: int = Field(default=4, ge=1, le=MOST_VIEWS, description="stored crops of every image")
    temperature: Literal["frozen", "learnable", "fixed"] = Field(
        default="frozen", description="of the losses: the backbone's (released code), learned (paper), or scale 100"
    )
    losses: Literal["both", "itbo", "tso"] = Field(
        default="both", description='which losses train the "no" tower; all are computed and logged'
    )
    loss_weight: float = Field(default=0.5, gt=0, description="factor of the whole loss: released code 0.5, paper 1")
    tso_epsilon: float = Field(default=1e-4, ge=0, description="inside TSO's root: released code 1e-4, paper 0")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32", description="of the towers; losses and weights are always float32 (released code: fp16)"
    )
    micro_batch: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_BATCH,
        description="samples per process and pass; smaller needs less memory, the loss stays global",
    )
    processes: Threads = Field(default=1, description="processes that share a batch, one per GPU")

    @field_validator("templates")
    @classmethod
    def _paired(cls, name: str) -> str:
        if name not in NO_POOLS:
            raise ValueError(f"no such pool of pairs; choose one of {', '.join(NO_POOLS)}")
        return name
