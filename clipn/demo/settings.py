"""Settings of the generated world, and the archives that it consists of."""

from pydantic import Field

from clipn.yaml_models import Record, Seed

ARCHIVES = {
    "imagenet": ("ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"),
    "cifar10": ("cifar-10-python.tar.gz",),
    "cifar100": ("cifar-100-python.tar.gz",),
    "inaturalist": ("iNaturalist.tar.gz",),
    "sun": ("SUN.tar.gz",),
    "places": ("Places.tar.gz",),
    "textures": ("dtd-r1.0.1.tar.gz",),
    "imagenet_resize": ("Imagenet_resize.tar.gz",),
    "lsun_resize": ("LSUN_resize.tar.gz",),
    "cc3m": ("GCC-training.tsv", "cc3m-images.tar"),
}
TRAINING = "cifar10_train"
"""Dataset of the training images, in the archive of the test images."""


class Demo(Record):
    """The generated world that a study runs on instead of downloads."""

    seed: Seed = Field(default=0, description="seed of all generated images and captions")
    captions: int = Field(default=12_000, ge=1, le=10**7, description="number of image-caption rows")
    images: int = Field(default=600, ge=1, le=10**6, description="images per benchmark dataset")

    training: int = Field(
        default=0,
        ge=0,
        le=10**6,
        exclude_if=lambda value: not value,
        description=f"training images of `cifar10`, as `{TRAINING}`; 0: no such dataset",
    )

    @property
    def archives(self) -> dict[str, tuple[str, ...]]:
        """Files of every dataset and caption source that it consists of."""
        return ARCHIVES | ({TRAINING: ARCHIVES["cifar10"]} if self.training else {})
