"""Data, words and weights that a study names, and the registries that it finds them in."""

import re
from pathlib import Path

import open_clip
import pytest
import yaml

from clipn.data.registry import load_registry
from clipn.data.weights_registry import load_weights
from clipn.demo.settings import ARCHIVES
from clipn.errors import ClipnError
from clipn.study.loading import parse_study
from clipn.study.weights import backbone_source, weight_sources
from tests.helpers.studies import study_with

ROOT = Path(__file__).parents[2]


# Data of one's own


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A registry of photographs without and with class names, and of captions."""
    photos = {"title": "Photos", "folder": "photos"}
    datasets = {
        "flat": photos | {"reader": "flat"},
        "listed": photos | {"reader": "list", "file_list": "list.txt"},
        "named": photos | {"reader": "flat", "classes": ["cat", "dog"]},
        "pets": photos | {"reader": "folders"},
    }
    captions = {"mine": {"title": "Mine", "reader": "table", "folder": "captions"}}
    (path := tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": datasets, "captions": captions}))
    return path


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize("name", ["named", "pets", "textures"])
def test_any_dataset_with_class_names_may_be_id(own: Path, name: str) -> None:
    study = parse_study(study_with("demo", registry=str(own), pairs={name: ["flat", "sun"]}))
    assert study.datasets == [name, "flat", "sun"]


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize("name", ["flat", "listed"])
def test_an_id_dataset_without_class_names_is_refused_before_anything_runs(own: Path, name: str) -> None:
    with pytest.raises(ClipnError) as caught:
        parse_study(study_with("demo", registry=str(own), pairs={name: ["sun"]}))
    assert str(caught.value) == (
        f"config/studies/demo.yaml: pairs: {name} has no class names, so it cannot be ID; "
        f"name them, in label order, under datasets.{name}.classes in {own}"
    )


@pytest.mark.usefixtures("in_project")
def test_captions_are_of_one_registry(own: Path) -> None:
    captions = {"sources": ["cc3m", "mine"]}
    with pytest.raises(ClipnError, match=r"captions\.sources: some are the demo's and some are not; name those of one"):
        parse_study(study_with("demo", registry=str(own), captions=captions))


# Weights


@pytest.fixture
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("in_project")
def test_a_study_of_published_checkpoints_trains_nothing() -> None:
    study = parse_study(study_with("released"))
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
        study_with("released", backbones={"ViT-B-16": backbone}, variants={"released": {"checkpoints": checkpoints}})
    )
    assert backbone_source(study, "ViT-B-16") == str(tmp_path / "clip.bin")


@pytest.mark.usefixtures("in_project")
def test_a_word_list_that_is_missing_is_noticed_before_anything_runs(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    with pytest.raises(ClipnError, match=f"^config/studies/released.yaml: negative_words: no file {words}; correct it"):
        parse_study(study_with("released", negative_words=str(words)))
    words.write_text("stone\n")
    assert parse_study(study_with("released", negative_words=str(words))).negative_words == str(words)


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
        parse_study(study_with("released", **changes))
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


@pytest.mark.usefixtures("in_project")
def test_the_example_of_the_configuration_guide_is_a_study() -> None:
    *_, example = re.findall(r"```yaml\n(.*?)```", (ROOT / "config" / "README.md").read_text(), re.DOTALL)
    assert parse_study({"study": "example"} | yaml.safe_load(example)).pairs == {"cifar10": ["cifar100", "lsun_resize"]}
