"""A study that is written from what a person names: datasets, folders, a backbone, checkpoints."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.cli import main as cli
from clipn.data.registry import load_registry
from clipn.errors import ClipnError
from clipn.study.new import BASELINES, NewStudy, write_study
from tests.helpers.project import ROOT
from tests.helpers.tiny_dataset import jpeg, write_files
from tests.helpers.tiny_model import ARCHITECTURE

DATASETS, STUDY, REGISTRY = (Path(f"config/{name}.yaml") for name in ("datasets", "studies/mine", "mine"))
SUN = {"title": "SUN", "reader": "flat", "archives": [{"file": "SUN.tar", "addresses": ["../SUN.tar"]}]}
CIFAR = {"title": "CIFAR-10", "reader": "cifar", "archives": [{"file": "c.tar"}]}
ASKED = NewStudy("mine", ["photos/my pets"], ["photos/food"], "ViT-B-16/openai", None, [], DATASETS)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with registries, and photographs of two classes and of none."""
    monkeypatch.chdir(tmp_path)
    for folder in ("config/studies", "config/architectures", "elsewhere"):
        Path(folder).mkdir(parents=True)
    shutil.copy(ROOT / "config/weights.yaml", "config")
    DATASETS.write_text(yaml.safe_dump({"datasets": {"sun": SUN, "cifar10": CIFAR}}))
    pets = {f"my pets/{kind}/{number}.jpg": jpeg(number) for kind in ("cat", "dog") for number in range(2)}
    write_files(Path("photos"), pets | {"food/0.jpg": jpeg()})


def written() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(STUDY.read_text())
    return content


def test_folders_get_a_registry_of_their_own() -> None:
    study = write_study(ASKED)
    assert (study.study, study.pairs, study.registry) == ("mine", {"my_pets": ["food"]}, str(REGISTRY))
    assert (study.baselines, study.runs, study.variants) == ([*BASELINES], [], {})
    records = load_registry(REGISTRY).datasets
    assert {name: (record.reader, record.images) for name, record in records.items()} == {
        "my_pets": ("folders", 4),
        "food": ("flat", 1),
    }
    assert records["my_pets"].folder == "../photos/my pets"


def test_ood_images_may_lie_in_any_folders_but_classes_may_not() -> None:
    write_files(Path("photos"), {"trips/2019/01/1.jpg": jpeg(), "trips/2020/2.jpg": jpeg()})
    with pytest.raises(ClipnError, match=r"2019/01 and 2020 hold images and do not lie side by side"):
        write_study(replace(ASKED, id_datasets=["photos/trips"]))
    write_study(replace(ASKED, ood_datasets=["photos/trips"]))
    trips = load_registry(REGISTRY).datasets["trips"]
    assert (trips.reader, trips.images) == ("flat", 2)


def test_every_key_has_a_comment_above_it() -> None:
    Path("run 1.safetensors").touch()
    write_study(replace(ASKED, checkpoints=["run 1.safetensors", "clipn_vit_b_16_run2"]))
    lines = STUDY.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r" *[a-z]+:", line)]
    names = {lines[number].strip().partition(":")[0] for number in keys}
    assert {*written()} | {"architecture", "pretrained", "checkpoints"} <= names
    named_by_people = {"clipn"}
    assert [lines[k] for k in keys if not lines[k - 1].lstrip().startswith("# ")] == [
        f"  {n}:" for n in named_by_people
    ]


def test_checkpoints_are_runs_of_one_variant() -> None:
    Path("run 1.safetensors").touch()
    study = write_study(replace(ASKED, checkpoints=["run 1.safetensors", "clipn_vit_b_16_run2"]))
    assert written()["variants"] == {"clipn": {"checkpoints": {1: "run 1.safetensors", 2: "clipn_vit_b_16_run2"}}}
    (run,) = study.runs
    assert (run.backbone, run.variant, run.seeds) == ("ViT-B-16", "clipn", [1, 2])


def test_datasets_of_the_registry_need_no_other() -> None:
    study = write_study(replace(ASKED, id_datasets=["cifar10"], ood_datasets=["sun", "cifar10"]))
    assert (study.pairs, study.registry) == ({"cifar10": ["sun"]}, str(DATASETS))
    assert not REGISTRY.exists()


def test_beside_folders_they_are_copied() -> None:
    source = DATASETS.rename("elsewhere/datasets.yaml")
    study = write_study(replace(ASKED, ood_datasets=["food=photos/food", "sun"], registry=source))
    assert study.pairs == {"my_pets": ["food", "sun"]}
    (archive,) = load_registry(REGISTRY).datasets["sun"].archives
    assert archive.addresses == ["../SUN.tar"]
    source = Path("elsewhere/deeper/datasets.yaml")
    source.parent.mkdir()
    Path("elsewhere/datasets.yaml").rename(source)
    write_study(replace(ASKED, name="other", ood_datasets=["sun"], registry=source))
    (archive,) = load_registry(Path("config/other.yaml")).datasets["sun"].archives
    assert archive.addresses == ["../elsewhere/SUN.tar"]


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("ViT-B-32/openai", {"ViT-B-32": {"architecture": "ViT-B-32", "pretrained": "openai"}}),
        ("ViT-B-16:clip.pt", {"ViT-B-16": {"architecture": "ViT-B-16", "pretrained": "clip.pt"}}),
        (
            "config/architectures/a.json:clip.pt",
            {"a": {"architecture": "config/architectures/a.json", "pretrained": "clip.pt"}},
        ),
    ],
)
def test_backbones_by_their_weights(backbone: str, expected: dict[str, Any]) -> None:
    Path("clip.pt").touch()
    Path("config/architectures/a.json").touch()
    write_study(replace(ASKED, backbone=backbone))
    assert written()["backbones"] == expected


@pytest.mark.parametrize("known", [True, False])
def test_a_backbone_file_tells_its_architecture(known: bool) -> None:
    Path("tiny.safetensors").touch()
    name = "known" if known else "mine"
    if known:
        Path("config/architectures/known.json").write_text(json.dumps(ARCHITECTURE))
    write_study(replace(ASKED, backbone="tiny.safetensors", architecture=ARCHITECTURE))
    file = f"config/architectures/{name}.json"
    assert written()["backbones"] == {"tiny": {"architecture": file, "pretrained": "tiny.safetensors"}}
    assert json.loads(Path(file).read_text()) == ARCHITECTURE


# Refusals


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "../mine"}, "'../mine': is no name of a study; use letters, digits, `.`, `_` and `-`"),
        ({"id_datasets": ["moon"]}, "moon: no folder or archive, and no dataset of config/datasets.yaml, which has "),
        ({"ood_datasets": ["elsewhere"]}, "elsewhere: holds no image in the layout 'flat'"),
        (
            {"ood_datasets": ["my_pets=photos/food"]},
            "my_pets=photos/food: photos/my pets is called my_pets, too; name one of them otherwise, as NAME=PATH",
        ),
        ({"ood_datasets": ["photos/my pets"]}, "config/studies/mine.yaml: pairs: my_pets: name one or more other"),
        (
            {"backbone": "ViT-B-16/laion3b"},
            "config/studies/mine.yaml: backbones.ViT-B-16.pretrained: 'ViT-B-16/laion3b'",
        ),
        ({"backbone": "clip.pt"}, "--backbone clip.pt: does not say its architecture; write ARCHITECTURE:clip.pt"),
        ({"checkpoints": ["x.pt"]}, "config/studies/mine.yaml: variants.clipn.checkpoints.1: no file x.pt"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClipnError) as caught:
        write_study(replace(ASKED, **changes))
    assert str(caught.value).startswith(complaint)
    assert not STUDY.exists()
    assert not REGISTRY.exists()


@pytest.mark.parametrize("file", [STUDY, REGISTRY])
def test_nothing_is_overwritten(file: Path) -> None:
    file.write_text("mine")
    with pytest.raises(ClipnError, match=f"^{file}: is there already; choose another name for the study, or remove"):
        write_study(ASKED)
    assert file.read_text() == "mine"


def test_an_id_dataset_without_classes_is_left_for_a_person_to_name_them() -> None:
    with pytest.raises(ClipnError) as caught:
        write_study(replace(ASKED, id_datasets=["photos/food"], ood_datasets=["sun"]))
    assert str(caught.value) == (
        f"{STUDY}: is written, but food has no class names, so it cannot be ID; name them, in label order, under "
        f"datasets.food.classes in {REGISTRY}, and run the study"
    )
    assert written()["pairs"] == {"food": ["sun"]}


def test_the_command_names_the_one_that_makes_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--id", "photos/my pets", "--ood", "photos/food", "--backbone", "ViT-B-16/openai"]
    monkeypatch.setattr("sys.argv", ["clipn", "study", "new", "mine", *asked])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    command = capsys.readouterr().out.rstrip().partition("; now: ")[2]
    assert command == "snakemake --cores 8 results/tables/my_pets_ood.csv --config study=mine"
