"""The backbones of a study: pretrained, or trained by the pipeline."""

from pydantic import Field, model_validator

from clipn.training.settings import BackboneTraining
from clipn.yaml_models import Record, Seed


class Backbone(Record):
    """An open_clip model, pretrained or trained by the pipeline."""

    architecture: str = Field(description="open_clip name or path of a JSON file of the same form")
    pretrained: str | None = Field(
        default=None, description="open_clip tag of a record in config/weights.yaml, or local weight file"
    )
    training: BackboneTraining | None = Field(default=None, description="how to train it; instead of `pretrained`")
    image_tower: str | None = Field(
        default=None,
        description="tower of timm that training starts from: record in config/weights.yaml, or local weight file",
    )
    seeds: list[Seed] | None = Field(
        default=None,
        min_length=1,
        description="one training for each, called NAME.seedK; run K of a variant is then on that of seed K",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "Backbone":
        if (self.pretrained is None) == (self.training is None):
            raise ValueError("give either `pretrained` or `training`")
        if self.training is None and (self.image_tower or self.seeds):
            raise ValueError("`image_tower` and `seeds` are for a backbone with `training`; leave them out")
        if self.seeds:
            raise ValueError("seeds: name each once, and no `seed` under `training` beside them")
        if self.training and self.training.lock_images and self.image_tower is None:
            raise ValueError("training.lock_images: needs `image_tower`; name what is locked")
        return self

    @property
    def locked(self) -> bool:
        """Whether its image tower is locked in training."""
        return self.training is not None and self.training.lock_images
