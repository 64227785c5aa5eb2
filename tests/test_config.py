"""Studies, registries and their schemas."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from clipn.config import Study
from clipn.data.archives import read_members
from clipn.data.captions import read_captions
from clipn.data.readers import Image, read_images
from clipn.data.registry import load_registry
from clipn.demo.mirror import ARCHIVES
from clipn.schema import FOLDER, SCHEMAS, schema

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "config" / "studies").glob("*.yaml"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_those_of_the_typed_settings(name: str) -> None:
    """If this fails: `make schema`."""
    assert json.loads((ROOT / FOLDER / f"{name}.schema.json").read_text()) == schema(name)


def demo_with(**changes: object) -> dict[str, object]:
    return {"study": "demo", **yaml.safe_load((ROOT / "config/studies/demo.yaml").read_text()), **changes}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"registry": "config/datasets.yaml"}, "either `registry` or `demo`"),
        ({"runs": [{"backbone": "huge", "variant": "learnable", "seeds": [1]}]}, "no backbone 'huge'"),
        ({"runs": [{"backbone": "tiny", "variant": "learned", "seeds": [1]}]}, "no variant 'learned'"),
        ({"backbones": {"tiny": {"architecture": "ViT-B-32"}}}, "either `pretrained` or `training`"),
        ({"baselines": ["ctw"]}, "no baseline 'ctw'"),
        ({"prompts": "clipn"}, "no such pool"),
        ({"runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [1, 1]}]}, "a seed occurs twice"),
        ({"runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [-1]}]}, "greater than or equal to 0"),
        ({"variants": {"none": {}}}, "call the variant otherwise"),
        ({"pairs": {"cifar10": ["cifar10"]}}, "name one or more other datasets"),
        ({"threads": 0}, "greater than or equal to 1"),
    ],
)
def test_contradictions_in_a_study_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Study.model_validate(demo_with(**changes))


def test_the_papers_defaults_are_those_of_the_released_code() -> None:
    paper = Study.model_validate({"study": "paper", **yaml.safe_load((ROOT / "config/studies/paper.yaml").read_text())})
    learnable = paper.variants["learnable"]
    assert (learnable.epochs, learnable.batch_size, learnable.learning_rate) == (10, 2048, 3e-4)
    assert (learnable.weight_decay, learnable.warmup_steps, learnable.prompts) == (0.2, 0, 16)
    assert (learnable.loss_weight, learnable.tso_epsilon) == (0.5, 1e-4)
    assert (paper.logit_scale, paper.prompts) == (100.0, "clipn128")


@pytest.mark.parametrize("name", ["datasets", "real"])
def test_registries_are_valid(name: str) -> None:
    registry = load_registry(ROOT / "config" / f"{name}.yaml")
    assert registry.datasets
    assert registry.captions


def test_the_demo_uses_the_official_file_names() -> None:
    official = load_registry(ROOT / "config" / "datasets.yaml")
    for name, files in ARCHIVES.items():
        assert [archive.file for archive in official.archives(name)] == list(files)


def test_real_images_for_testing_were_never_trained_on(real: Path) -> None:
    """By sha256 of the decoded pixels: OOD sets, ID set and training images share nothing."""
    registry = load_registry(ROOT / "config" / "real.yaml")
    pixels = {name: hashes(read_images(record, real)) for name, record in registry.datasets.items()}
    for name, source in registry.captions.items():
        wanted = {member for member, _ in read_captions(source, real)}
        files = read_members(real / source.images.file, wanted.__contains__)
        pixels[name] = hashes(Image(member, -1, content) for member, content in files)
    sizes = {name: len(images) for name, images in pixels.items()}
    assert min(sizes["cifar10"], sizes["tiny_imagenet_train"]) > 9900
    assert sizes["flickr8k"] == 200
    assert sizes["flickr8k_train"] == 800
    assert len(set().union(*pixels.values())) == sum(sizes.values())


def hashes(images: Iterable[Image]) -> set[bytes]:
    return {hashlib.sha256(image.open().tobytes()).digest() for image in images}
