"""COOkeD in a study: networks and probes, what their rows are called and made of, and what is refused."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clipn.data.weights_registry import WeightsRegistry
from clipn.errors import ClipnError
from clipn.study.data import GENERATED_DATA, StudyData
from clipn.study.fits import fit_remarks, fits
from clipn.study.loading import parse_study
from clipn.study.names import RunName, Scoring
from clipn.study.paths import StudyPaths
from clipn.study.rules.options import RuleOptions
from clipn.study.scorings import methods, scorings
from clipn.study.targets import data_files, feature_files, fitted_files, network_files
from clipn.study.weights import fetched_weights, generated_networks, weight_sources
from tests.helpers.studies import GENERATED, paths, study

DEMO = "results/studies/demo"
NETWORKS = {
    "resnet18": {"model": "torchvision/resnet18", "weights": "models/cifar.pth"},
    "published": {"model": "torchvision/resnet18", "weights": "resnet18-imagenet"},
}
FITTED = {"dataset": "textures", "kind": "cooked", "network": "resnet18", "shots": 16, "seeds": [1, 2]}
IMPORTED = {"kind": "cooked", "network": "published", "probes": {"tiny": "models/probe.ckpt"}}
TRAIN = {"cifar10": FITTED, "imagenet": IMPORTED}
CHANGES = {"train": TRAIN, "networks": NETWORKS}
ROW, OTHER = "cooked-16shot-resnet18", "cooked-imported-published"


def test_rows_are_called_by_shots_and_network_and_scored_by_two_methods() -> None:
    made = study(GENERATED | CHANGES)
    assert fits(made) == {
        RunName("tiny", ROW, 1): ["cifar10"],
        RunName("tiny", ROW, 2): ["cifar10"],
        RunName("tiny", OTHER, 1): ["imagenet"],
    }
    fitted = [scoring for scoring in scorings(made) if scoring.is_fitted]
    assert fitted == [Scoring("tiny", row, "clipn128", seed) for row, seed in ((ROW, 1), (ROW, 2), (OTHER, 1))]
    assert {scoring.run for scoring in fitted} == {"none"}
    assert methods(made, ROW, "clipn128") == methods(made, OTHER, "clipn128") == ["msp", "entropy"]


def test_probes_and_what_networks_say_are_files_beside_the_image_features() -> None:
    cooked = paths(GENERATED, **CHANGES)
    features = f"{DEMO}/features"
    probes = [
        f"{features}/tiny/probes/{name}.safetensors" for name in ("cifar10/seed1", "cifar10/seed2", "imagenet/seed1")
    ]
    networks = [f"{features}/networks/resnet18/{name}.safetensors" for name in ("cifar10", "cifar100")]
    networks += [f"{features}/networks/published/{name}.safetensors" for name in ("imagenet", "sun", "places")]
    assert fitted_files(cooked, "tiny") == probes
    assert sorted(network_files(cooked)) == sorted(networks)
    assert {*probes, *networks, f"{features}/tiny/textures.safetensors"} < {*feature_files(cooked)}
    # Of imported probes no training images are there.
    assert f"{DEMO}/datasets/textures/manifest.parquet" in data_files(cooked)
    assert fetched_weights(cooked.study) == {"resnet18-f37072fd.pth": "resnet18-imagenet"}
    assert cooked.weights("models/cifar.pth") == "models/cifar.pth"


def test_rules_are_told_networks_probes_and_which_rows_they_make() -> None:
    made = study(GENERATED | CHANGES | {"baselines": [], "runs": [], "variants": {}})
    options = RuleOptions(StudyPaths(made, StudyData(made)))
    fitted = options.training_images("cifar10", made.train["cifar10"][0])
    assert str(fitted).startswith("--train textures --shots 16 --datasets ")
    words = shlex.split(str(options.scorings("tiny")))
    assert words[0] == f"tiny/{ROW}/clipn128/seed1:msp,entropy"
    assert words[-4:] == ["--network", "cifar10:resnet18", "--network", "imagenet:published"]
    assert options.scorings("tiny")["train.imagenet.network"] == "published"
    network = options.network("published")
    assert str(network).startswith("--model torchvision/resnet18 --id-dataset imagenet --datasets ")
    assert network["networks.published.weights"] == "resnet18-imagenet"
    assert options.shown["variants that are shown"][:3] == ["none", ROW, OTHER]
    averages = "is no zero-shot method: it averages the softmaxes of zero-shot CLIP, of a linear probe"
    assert options.remarks["remarks"] == [
        GENERATED_DATA,
        f"{ROW} on cifar10 {averages} fitted on textures (16 images of every class, chosen by seed 1, 2), and of the "
        "network resnet18 (torchvision/resnet18), which saw the ID classes.",
        f"{OTHER} on imagenet {averages} that others trained, and of the network published (torchvision/resnet18), "
        "which saw the ID classes.",
    ]


def test_gda_is_what_is_fitted_where_nothing_is_said() -> None:
    few = {"dataset": "textures", "shots": 4}
    assert study(GENERATED | {"train": {"cifar10": few}}) == study(
        GENERATED | {"train": {"cifar10": few | {"kind": "gda"}}}
    )
    made = study(GENERATED | CHANGES | {"train": {"imagenet": few, "cifar10": FITTED}})
    assert [fit.variant for fits in made.train.values() for fit in fits] == ["gda-4shot-alpha1.0", ROW]
    assert "kind" not in made.train["imagenet"][0].model_dump()


def test_an_id_dataset_has_a_fit_of_each_kind() -> None:
    few = {"dataset": "sun", "shots": 4, "seeds": [1, 2]}
    both = paths(GENERATED, networks=NETWORKS, train={"cifar10": [few, FITTED]})
    rows = [RunName("tiny", row, seed) for row in ("gda-4shot-alpha1.0", ROW) for seed in (1, 2)]
    assert fits(both.study) == {row: ["cifar10"] for row in rows}
    folders = [f"{DEMO}/features/tiny/{kind}/cifar10" for kind in ("discriminants", "probes")]
    assert fitted_files(both, "tiny") == [f"{folder}/seed{seed}.safetensors" for folder in folders for seed in (1, 2)]
    assert both.study.encoded_datasets[-1] == "textures"
    remarks = fit_remarks(both.study)
    assert [remark.partition(" is no ")[0] for remark in remarks] == [f"{row.variant} on cifar10" for row in rows[::2]]
    assert all("chosen by seed 1, 2)" in remark for remark in remarks)


def without(fit: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in fit.items() if key not in keys}


@pytest.mark.parametrize(
    ("fit", "complaint"),
    [
        (without(FITTED, "dataset"), "give either `dataset`, to fit a probe on, or `probes` of others"),
        (FITTED | {"probes": {"tiny": "a.pt"}}, "give either `dataset`, to fit a probe on, or `probes` of others"),
        (IMPORTED | {"shots": 4}, "`shots` and `seeds` are for a probe that is fitted here; leave them out"),
        (FITTED | {"shots": 0}, "a class without an image cannot be told; name 1 or more, or `all`"),
        (FITTED | {"seeds": [1, 1]}, "seeds: a seed occurs twice; name each once"),
        (FITTED | {"shots": "all"}, "seeds: every seed chooses all images; name one"),
        (FITTED | {"alpha": 2}, "train.cifar10.alpha"),
        ([FITTED, FITTED | {"shots": 4}], "a kind occurs twice; leave one to another study"),
        ([], "at least 1 item"),
        (FITTED | {"kind": "cook"}, "kind: 'cook' is nothing that is fitted; write gda or cooked"),
        (FITTED | {"network": "vgg"}, "train.cifar10.network: `networks` has no 'vgg'; it has resnet18, published"),
        (FITTED | {"dataset": "cifar100"}, "cifar100 is tested in `pairs`; name other images to fit on"),
        (IMPORTED | {"probes": {"tiny": "a.txt"}}, "tiny: a.txt is no weight file; it must end in .safetensors, "),
        (IMPORTED | {"probes": {"other": "a.pt"}}, "train.cifar10.probes: other is no backbone; leave it out"),
        (IMPORTED | {"probes": {"tiny": "a.pt", "z": "a.pt"}}, "train.cifar10.probes: z is no backbone; leave it out"),
    ],
)
def test_what_is_wrong_is_named(fit: dict[str, Any] | list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(ValidationError) as error:
        study(GENERATED | {"networks": NETWORKS, "train": {"cifar10": fit}})
    assert complaint in str(error.value)


FITTED_NETWORK = {"resnet18": {"model": "timm/test_resnet"}}


def test_a_network_without_weights_is_fitted_on_training_images_of_the_demo() -> None:
    demo = {"images": 40, "seed": 6, "training": 20}
    train = {"cifar10": FITTED | {"dataset": "cifar10_train"}}
    made = paths(GENERATED, demo=demo, networks=FITTED_NETWORK, train=train)
    file = f"{DEMO}/archives/mirror/resnet18.safetensors"
    assert made.network("resnet18") == file
    assert file in data_files(made)
    assert generated_networks(made.study) == ["resnet18"]
    assert not [*weight_sources(made.study)]
    options = RuleOptions(made)
    assert str(options.generated_network("resnet18")) == "--model timm/test_resnet --seed 6"
    assert options.network("resnet18")["networks.resnet18.weights"] is None


@pytest.mark.parametrize(
    ("model", "training", "complaint"),
    [
        ("timm/test_resnet", 0, "networks.resnet18.weights: name a record or a file, or give a `demo` with"),
        ("torchvision/resnet18", 20, "only networks of timm are fitted on the demo's images; name one, or `weights`"),
    ],
)
def test_a_network_without_weights_that_nothing_fits(model: str, training: int, complaint: str) -> None:
    with pytest.raises(ValidationError) as error:
        study(GENERATED | {"demo": {"training": training}, "networks": {"resnet18": {"model": model}}})
    assert complaint in str(error.value)


def test_every_backbone_has_a_probe_and_none_is_called_like_the_folder_of_networks() -> None:
    (tiny,) = GENERATED["backbones"].values()
    with pytest.raises(ValidationError, match=r"train\.imagenet\.probes: second has none; name its file"):
        study(GENERATED | CHANGES | {"backbones": {"tiny": tiny, "second": tiny}})
    with pytest.raises(ValidationError, match="backbones: networks is the folder of what networks say"):
        study(GENERATED | {"networks": NETWORKS, "backbones": {"tiny": tiny, "networks": tiny}})


@pytest.mark.parametrize("model", ["resnet18", "keras/resnet18", "timm/hf-hub:a/b", "torchvision/", "timm/a.b.c"])
def test_a_model_of_another_form(model: str) -> None:
    networks = {"resnet18": NETWORKS["resnet18"] | {"model": model}}
    with pytest.raises(ValidationError, match=r"networks\.resnet18\.model"):
        study(GENERATED | {"networks": networks})


def test_weights_and_probes_that_are_not_there(tmp_path: Path) -> None:
    file = tmp_path / "probe.pt"
    changes = CHANGES | {"train": {"imagenet": IMPORTED | {"probes": {"tiny": str(file)}}}}
    for lacking, complaint in (
        (
            {"resnet18": NETWORKS["resnet18"]},
            r"networks\.resnet18\.weights: no file models/cifar\.pth; correct the path",
        ),
        ({"published": NETWORKS["published"] | {"weights": "resnet19"}}, r"'resnet19' is not among the networks of .*"),
        ({"published": NETWORKS["published"]}, r"train\.imagenet\.probes\.tiny: no file .*probe\.pt; correct the path"),
    ):
        networks = {"published": NETWORKS["published"]} | lacking
        with pytest.raises(ClipnError, match=complaint):
            parse_study(GENERATED | changes | {"networks": networks})
    file.touch()
    parse_study(GENERATED | changes | {"networks": {"published": NETWORKS["published"]}})


def test_a_network_is_called_like_no_other_weights() -> None:
    network, tower = ({"title": file, "archive": {"file": file, "manual": "ask"}} for file in ("a.pth", "b.pth"))
    records = {"networks": {"one": network}, "image_towers": {"one": tower | {"trained_on": "photographs"}}}
    with pytest.raises(ValidationError, match="one is a network and something else; name them apart"):
        WeightsRegistry.model_validate(records)
