"""Where the weights of a study come from: records of `config/weights.yaml`, or local files."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from clipn.data.weights_registry import WEIGHTS, ImageTower, WeightFile, load_weights
from clipn.files import WEIGHT_SUFFIXES
from clipn.study.config import Study
from clipn.study.names import family
from clipn.study.settings.cooked import cooked_of
from clipn.study.settings.variants import ReleasedVariant


class WeightSource(NamedTuple):
    """Weights that a study names.

    Attributes:
        where: key of the study that names them.
        source: weight file, or key of a record.
        kind: of the record; probes are local files, and have none.
    """

    where: str
    source: str
    kind: Literal["backbones", "checkpoints", "image_towers", "networks", "probes"]


def weight_sources(study: Study) -> Iterator[WeightSource]:
    """All weights that a study names."""
    for name in study.backbones:
        if source := backbone_source(study, name):
            yield WeightSource(f"backbones.{name}.pretrained", source, "backbones")
        if tower := study.backbones[name].image_tower:
            yield WeightSource(f"backbones.{name}.image_tower", tower, "image_towers")
    for name, variant in study.variants.items():
        if isinstance(variant, ReleasedVariant):
            for number, source in variant.checkpoints.items():
                yield WeightSource(f"variants.{name}.checkpoints.{number}", source, "checkpoints")
    for name, network in study.networks.items():
        if network.weights:
            yield WeightSource(f"networks.{name}.weights", network.weights, "networks")
    for id_dataset, fit in cooked_of(study.train).items():
        for name, source in fit.probes.items():
            yield WeightSource(f"train.{id_dataset}.probes.{name}", source, "probes")


def backbone_source(study: Study, name: str) -> str | None:
    """Weight file, or key of the record in `WEIGHTS`, of a backbone; None when it is trained here."""
    backbone = study.backbones[name]
    if backbone.pretrained is None or is_weight_file(backbone.pretrained):
        return backbone.pretrained
    return f"{backbone.architecture}/{backbone.pretrained}"


def generated_networks(study: Study) -> list[str]:
    """Networks that are fitted on training images of the demo."""
    return [name for name, network in study.networks.items() if network.weights is None]


def image_towers(study: Study) -> dict[str, str]:
    """Weight files, or keys of records in `WEIGHTS`, of the image towers that backbones start from.

    By the name of the backbone, or what its seeds are called together.
    """
    return {family(name): backbone.image_tower for name, backbone in study.backbones.items() if backbone.image_tower}


def locked_towers(study: Study) -> dict[str, str]:
    """The keys of `image_towers` whose towers are locked in training, each with the first backbone on it."""
    locked = [name for name, backbone in study.backbones.items() if backbone.locked]
    return {family(name): name for name in reversed(locked)}


def released_source(study: Study, variant: str, number: int) -> str:
    """Weight file, or key of the record in `WEIGHTS`, of a released checkpoint."""
    released = study.variants[variant]
    assert isinstance(released, ReleasedVariant)
    return released.checkpoints[number]


def is_weight_file(source: str) -> bool:
    """Whether it is a local file, by its name; else it is the key of a record."""
    return source.endswith(WEIGHT_SUFFIXES)


def weight_record(source: str) -> WeightFile:
    """The record in `WEIGHTS` of a source that is no local file."""
    return load_weights(WEIGHTS).weights(source)


def tower_record(key: str) -> ImageTower:
    """The record in `WEIGHTS` of an image tower; raises ClipnError when there is none."""
    return load_weights(WEIGHTS).image_tower(key)


def tower_remarks(study: Study) -> list[str]:
    """What the image towers of backbones saw before, a sentence for each."""
    remarks = []
    for name, source in image_towers(study).items():
        known = None if is_weight_file(source) else tower_record(source)
        told = f"{known.title}, which was trained on {known.trained_on}" if known else source
        remarks.append(f"Image tower of {name}: {told}.")
    return remarks


def fetched_weights(study: Study) -> dict[str, str]:
    """Files that are fetched, each with the key of its record."""
    keys = [source for _, source, _ in weight_sources(study) if not is_weight_file(source)]
    return {weight_record(key).archive.file: key for key in keys}
