"""Studies, registries and their schemas."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import open_clip
import pytest
import yaml
from pydantic import ValidationError

from clipn.config import Study
from clipn.data.archives import read_members
from clipn.data.captions.sources import read_captions
from clipn.data.location import locate
from clipn.data.readers import Image, read_images
from clipn.data.registry import first_complaint, load_registry
from clipn.data.weights_registry import load_weights
from clipn.demo.mirror import ARCHIVES
from clipn.errors import ClipnError
from clipn.schema import FOLDER, SCHEMAS, schema
from clipn.settings import Variant
from clipn.study import backbone_source, parse_study, weight_sources

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
        ({"rules": ["mcm"]}, "no rule 'mcm'"),
        ({"logit_scale": "learned"}, "checkpoint"),
        (
            {"variants": {"learnable": {"no_texts": "handcrafted", "templates": "openai80"}}},
            "no such pool of pairs; choose one of clipn128, ",
        ),
        (
            {"variants": {"learnable": {"no_texts": "handcrafted"}, "untrained": {}}, "prompts": "openai80"},
            "prompts: hand-crafted runs need one of clipn128, ",
        ),
        ({"runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [1, 1]}]}, "a seed occurs twice"),
        ({"runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [-1]}]}, "greater than or equal to 0"),
        ({"variants": {"none": {}}}, "call the variant otherwise"),
        ({"pairs": {"cifar10": ["cifar10"]}}, "name one or more other datasets"),
        ({"threads": 0}, "greater than or equal to 1"),
        ({"captions": {}}, "captions: something is trained; name `sources`"),
        ({"variants": {"learnable": {"checkpoints": {}}}}, "should have at least 1 item"),
        ({"variants": {"learnable": {"checkpoints": {1: "a"}, "epochs": 3}}}, "learnable.epochs\n"),
        (
            {"variants": {"learnable": {"checkpoints": {1: "a", 3: "b"}}, "untrained": {"epochs": 0}}},
            "runs: learnable has no checkpoint 2; `seeds` must be among 1, 3",
        ),
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


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"losses": "matched"}, "losses: Input should be 'both', 'itbo' or 'tso'"),
        ({"tokens": 0}, "tokens: Input should be greater than or equal to 1"),
        ({"share": 0}, "share: Input should be greater than 0"),
        ({"share": 1.01}, "share: Input should be less than or equal to 1"),
    ],
)
def test_settings_of_the_ablations_have_bounds(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Variant.model_validate(settings)
    assert first_complaint(caught.value).startswith(complaint)


def test_the_ablations_are_off_by_default() -> None:
    settings = Variant()
    assert (settings.losses, settings.tokens, settings.share) == ("both", None, 1.0)


# Weights


def released_with(**changes: object) -> dict[str, object]:
    text = (ROOT / "config/studies/released.yaml").read_text()
    return {"study": "released", **yaml.safe_load(text), **changes}


@pytest.fixture
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("in_project")
def test_a_study_of_published_checkpoints_trains_nothing() -> None:
    study = parse_study(released_with())
    assert study.trained_runs == []
    assert study.captions.sources == []
    assert [source for _, source, _ in weight_sources(study)] == [
        "ViT-B-16/laion2b_s34b_b88k",
        "clipn_vit_b_16_run1",
        "clipn_vit_b_16_run2",
        "clipn_vit_b_16_run3",
    ]


@pytest.mark.usefixtures("in_project")
def test_weights_may_be_local_files(tmp_path: Path) -> None:
    for name in ("clip.bin", "clipn.pt"):
        (tmp_path / name).touch()
    backbone = {"architecture": "ViT-B-16", "pretrained": str(tmp_path / "clip.bin")}
    checkpoints = {number: str(tmp_path / "clipn.pt") for number in (1, 2, 3)}
    study = parse_study(
        released_with(backbones={"ViT-B-16": backbone}, variants={"released": {"checkpoints": checkpoints}})
    )
    assert backbone_source(study, "ViT-B-16") == str(tmp_path / "clip.bin")


def with_backbone(**settings: str) -> dict[str, object]:
    return {"backbones": {"ViT-B-16": {"architecture": "ViT-B-16", **settings}}}


def with_checkpoint(source: str) -> dict[str, object]:
    return {"variants": {"released": {"checkpoints": dict.fromkeys((1, 2, 3), source)}}}


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            with_backbone(pretrained="laion3b"),
            "backbones.ViT-B-16.pretrained: 'ViT-B-16/laion3b' is not among the backbones of config/weights.yaml; "
            "name one of ViT-B-16/laion2b_s34b_b88k, .* or a file that ends in .safetensors, ",
        ),
        (
            with_backbone(architecture="ViT-H-14", pretrained="openai"),
            "backbones.ViT-B-16.pretrained: 'ViT-H-14/openai' is not among the backbones",
        ),
        (with_backbone(pretrained="absent.pt"), "backbones.ViT-B-16.pretrained: no file absent.pt; correct the path"),
        (
            with_checkpoint("ViT-B-16/openai"),
            "variants.released.checkpoints.1: 'ViT-B-16/openai' is not among the checkpoints of .* clipn_vit_b_16_run1",
        ),
        (with_checkpoint("runs/epoch_10.pt"), "variants.released.checkpoints.1: no file runs/epoch_10.pt; "),
    ],
)
def test_unknown_weights_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ClipnError, match=f"^config/studies/released.yaml: {complaint}") as caught:
        parse_study(released_with(**changes))
    assert "\n" not in str(caught.value)


def test_backbones_come_from_the_repositories_of_open_clip() -> None:
    for name, weights in load_weights(ROOT / "config" / "weights.yaml").backbones.items():
        known = open_clip.get_pretrained_cfg(weights.architecture, weights.tag)
        start = f"https://huggingface.co/{known['hf_hub']}resolve/{weights.revision}/open_clip_"
        assert [address.startswith(start) for address in weights.archive.addresses] == [True], name
        assert weights.archive.file == f"{name.replace('/', '_')}.safetensors"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"revision": "abc"}, "an address lacks the revision"),
        ({"tag": "openai"}, "V/t: must be called ARCHITECTURE/TAG, V/openai"),
        ({"sha256": "x"}, r"backbones\.V/t\.sha256: unknown key"),
        ({"archive": {"file": "run.pt"}}, "two records store a file 'run.pt'"),
    ],
)
def test_contradictions_in_a_registry_of_weights(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    archive = {"file": "w.safetensors", "addresses": ["https://host/resolve/main/w"]}
    backbone = {"title": "V", "architecture": "V", "tag": "t", "archive": archive, **change}
    checkpoint = {"title": "C", "architecture": "V", "archive": {"file": "run.pt"}}
    path = tmp_path / "weights.yaml"
    path.write_text(yaml.safe_dump({"backbones": {"V/t": backbone}, "checkpoints": {"c": checkpoint}}))
    with pytest.raises(ClipnError, match=f"^{path}: .*{complaint}"):
        load_weights(path)


# Registries of data


@pytest.mark.parametrize("name", ["datasets", "real"])
def test_registries_are_valid(name: str) -> None:
    registry = load_registry(ROOT / "config" / f"{name}.yaml")
    assert registry.datasets
    assert registry.captions


def test_the_demo_uses_the_official_file_names() -> None:
    official = load_registry(ROOT / "config" / "datasets.yaml")
    for name, files in ARCHIVES.items():
        known = [archive.file for archive in official.archives(name)]
        assert list(files)[: len(known)] == known
        assert len(files) == len(known) or name == "cc3m", "only the images of CC3M are crawled"


def test_real_images_for_testing_were_never_trained_on(real: Path) -> None:
    """By sha256 of the decoded pixels: OOD sets, ID set and training images share nothing."""
    registry = load_registry(ROOT / "config" / "real.yaml")
    pixels = {name: hashes(read_images(locate(record, real, real))) for name, record in registry.datasets.items()}
    for name, source in registry.captions.items():
        wanted = {path for batch in read_captions(source, real) for path in batch["image"].to_pylist()}
        files = read_members(real / source.images[0].file, wanted.__contains__)
        pixels[name] = hashes(Image(member, -1, content) for member, content in files)
    sizes = {name: len(images) for name, images in pixels.items()}
    assert min(sizes["cifar10"], sizes["tiny_imagenet_train"]) > 9900
    assert sizes["flickr8k"] == 200
    assert sizes["flickr8k_train"] == 800
    assert len(set().union(*pixels.values())) == sum(sizes.values())


def hashes(images: Iterable[Image]) -> set[bytes]:
    return {hashlib.sha256(image.open().tobytes()).digest() for image in images}
