"""What single rules are told of a study's settings."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.study.data import GENERATED_DATA, READ_FROM_GENERATED, StudyData
from clipn.study.loading import load_study
from clipn.study.names import RunName
from clipn.study.paths import StudyPaths
from clipn.study.rules.options import RuleOptions
from tests.helpers.studies import GENERATED, options_of, study


@pytest.fixture
def options() -> RuleOptions:
    made = study(GENERATED)
    return RuleOptions(StudyPaths(made, StudyData(made)))


def test_the_registry_is_that_of_the_dataset(tmp_path: Path) -> None:
    own = {"title": "Pets", "reader": "folders", "folder": "pets"}
    (registry := tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": {"pets": own}}))
    made = study(GENERATED | {"registry": str(registry), "pairs": {"pets": ["sun"]}})
    options = RuleOptions(found := StudyPaths(made, StudyData(made)))
    generated = f"--registry {found.generated_registry}"
    assert str(options.images("sun")) == f"{generated} --archives results/studies/demo/archives/sun"
    assert str(options.images("pets")) == f"--registry {registry} --archives results/studies/demo/archives/pets"
    both = options.images_of_all(["sun", "pets"])
    assert str(both) == f"{generated} --registry {registry} --archives results/studies/demo/archives"
    assert [options.registry(name)["registry"] for name in ("sun", "pets")] == [None, str(registry)]
    assert both["registry"] == str(registry)


def test_each_step_is_told_its_own_settings_alone(options: RuleOptions) -> None:
    assert {key.rpartition(".")[0] for key in options.training("learnable")} == {"variants.learnable"}
    assert {key.rpartition(".")[0] for key in options.backbone_training("tiny")} == {"backbones.tiny.training"}
    assert options.model == {"device": "cpu", "threads": 1, "arithmetic": "portable"}
    assert str(options.model) == "--device cpu --threads 1"
    assert str(options.perturbation) == "--epsilon 0.0014"
    assert options.perturbation == {"perturbation": 0.0014}
    assert (str(options.prompt_pool), options.prompt_pool) == ("--prompts clipn128", {"prompts": "clipn128"})


@pytest.mark.parametrize(
    ("changes", "name"),
    [({}, "portable"), ({"arithmetic": "fast"}, "fast"), ({"device": "cuda", "arithmetic": "fast"}, "cuda")],
)
def test_models_on_a_gpu_have_the_arithmetic_of_the_gpu(changes: dict[str, Any], name: str) -> None:
    options = options_of(study(GENERATED | changes))
    assert (options.arithmetic, options.device["arithmetic"]) == (name, name)


def test_pairs_have_a_key_for_each_id_dataset(options: RuleOptions) -> None:
    assert options.pairs == {
        "pairs.imagenet": ["sun", "places"],
        "pairs.cifar10": ["cifar100"],
        "order of ID datasets": ["imagenet", "cifar10"],
    }
    assert str(options.pairs) == "--pair imagenet:sun,places --pair cifar10:cifar100"


def test_scorings_are_told_with_their_methods() -> None:
    made = study(GENERATED | {"prompts": ["clipn128", "openai80"]})
    found = options_of(made).scorings("tiny")
    taught = [f"tiny/learnable/{pool}/seed{seed}:ctw,atd" for pool in ("clipn128", "openai80") for seed in (1, 2)]
    # Negative labels come with the main pool only, and hand-crafted runs with pools that negate.
    plain = ["tiny/none/clipn128/seed0:msp,neglabel", "tiny/none/openai80/seed0:msp"]
    handcrafted = [f"tiny/handcrafted/clipn128/seed{seed}:ctw,atd" for seed in (1, 2)]
    words = shlex.split(str(found))
    assert words == [*plain, *taught, *handcrafted, "--rule", "ctw", "--rule", "atd", "--logit-scale", "100.0"]
    assert found == {
        "baselines": ["msp", "neglabel"],
        "what is scored": [word.partition(":")[0] for word in words[:8]],
        "rules": ["ctw", "atd"],
        "logit_scale": 100.0,
        "arithmetic": "portable",
    }


TRAIN = {
    "imagenet": {"dataset": "textures", "shots": 16, "seeds": [1, 2]},
    "cifar10": {"dataset": "lsun_resize", "shots": 16},
}


def test_fits_are_told_what_they_are_fitted_on_and_scorings_which_there_are() -> None:
    made = study(GENERATED | {"train": TRAIN, "baselines": [], "runs": [], "variants": {}})
    options = options_of(made)
    fitted = options.training_images("imagenet", made.train["imagenet"][0])
    assert str(fitted).startswith("--train textures --shots 16 --alpha 1.0 --datasets ")
    assert fitted == {
        "train.imagenet.dataset": "textures",
        "train.imagenet.shots": 16,
        "train.imagenet.alpha": 1.0,
        "arithmetic": "portable",
    }
    words = shlex.split(str(options.scorings("tiny")))
    gda = "tiny/gda-16shot-alpha1.0"
    assert words[:2] == [f"{gda}/clipn128/seed{seed}:msp,energy,mcm" for seed in (1, 2)]
    assert words[-4:] == ["--fit", f"{gda}/seed1:imagenet,cifar10", "--fit", f"{gda}/seed2:imagenet"]
    assert options.scorings("tiny")["ID datasets of fits"] == {
        f"{gda}/seed1": ["imagenet", "cifar10"],
        f"{gda}/seed2": ["imagenet"],
    }
    assert options.shown["variants that are shown"] == ["none", "gda-16shot-alpha1.0"]


def test_a_study_without_training_images_is_told_as_before(options: RuleOptions) -> None:
    assert "ID datasets of fits" not in options.scorings("tiny")
    assert not any(key.startswith("train") for key in options.page)


def test_averages_are_of_the_id_datasets_that_have_their_ood_sets() -> None:
    averages = {"scenes": ["sun", "places"], "one": ["cifar100"]}
    options = options_of(study(GENERATED | {"averages": averages}))
    assert options.ood_table("imagenet")["averages"] == {"scenes": ["sun", "places"]}
    assert options.ood_table("imagenet").words[-2:] == ["--average", "scenes:sun,places"]
    assert options.ood_table("cifar10").words[-2:] == ["--average", "one:cifar100"]
    assert options.ood_table("cifar100") == options.tables
    # The page has the tables of all of them.
    page = options.page.words
    told = [page[index + 1] for index, word in enumerate(page) if word == "--average"]
    assert told == ["scenes:sun,places", "one:cifar100"]


def test_remarks_say_what_fitted_classifiers_saw() -> None:
    every = TRAIN | {"cifar10": {"dataset": "lsun_resize", "shots": "all", "alpha": 0.5}}
    added = "times the logits of a Gaussian discriminant analysis of"
    assert options_of(study(GENERATED | {"train": every})).remarks["remarks"] == [
        GENERATED_DATA,
        f"gda-16shot-alpha1.0 on imagenet is no zero-shot method: it adds 1.0 {added} textures (16 images of every "
        "class, chosen by seed 1, 2).",
        f"gda-allshot-alpha0.5 on cifar10 is no zero-shot method: it adds 0.5 {added} lsun_resize (all images).",
    ]


def test_class_texts_are_told_all_pools_and_the_runs_of_their_backbone(options: RuleOptions) -> None:
    assert (options.pools, str(options.pools)) == ({"prompts": ["clipn128"]}, "--prompts clipn128")
    names = [f"{variant}/seed{seed}" for variant in ("learnable", "handcrafted") for seed in (1, 2)]
    folder = "results/studies/demo/runs/tiny"
    assert str(options.runs_of("tiny")) == " ".join(
        f"--checkpoint {name}:{folder}/{name}.safetensors" for name in names
    )
    assert (options.id_datasets, str(options.id_datasets)) == (
        {"order of ID datasets": ["imagenet", "cifar10"]},
        "imagenet cifar10",
    )


def test_figures_of_an_id_dataset_are_told_by_backbone() -> None:
    other = {"other": GENERATED["backbones"]["tiny"], "idle": GENERATED["backbones"]["tiny"]}
    runs = [*GENERATED["runs"], {"backbone": "other", "variant": "learnable", "seeds": [1]}]
    made = study(GENERATED | {"backbones": GENERATED["backbones"] | other, "runs": runs, "rules": ["ctw"]})
    kinds = "scores,roc,intervals,calibration,similarity,reliability"
    figures = {"tiny": kinds, "other": kinds, "idle": "scores,roc,intervals,calibration"}
    for backbone, names in figures.items():
        found = options_of(made).id_figures("imagenet", backbone)
        words = shlex.split(str(found))
        assert words[:2] == ["--figure", f"{backbone}:{names}"]
        assert found["kinds of figures"] == names.split(",")
    for option, folder in (("datasets", "datasets"), ("features", "features"), ("classifiers", "classifiers")):
        assert words[words.index(f"--{option}") + 1] == f"results/studies/demo/{folder}"


def test_a_soup_is_told_by_the_runs_that_it_averages() -> None:
    runs = [*GENERATED["runs"], {"backbone": "tiny", "variant": "soup", "seeds": [1]}]
    soup = {"variants": GENERATED["variants"] | {"soup": {"soup_of": "learnable"}}, "runs": runs}
    found = options_of(study(GENERATED | soup)).soup("tiny", "soup")
    assert str(found) == "--name tiny/soup"
    assert found == {
        "variants.soup.soup_of": "learnable",
        "variants.soup.kind": "uniform",
        "runs that soup averages": ["tiny/learnable/seed1", "tiny/learnable/seed2"],
    }


def test_a_greedy_soup_is_told_the_images_that_decide() -> None:
    runs = [*GENERATED["runs"], {"backbone": "tiny", "variant": "soup", "seeds": [1]}]
    variants = GENERATED["variants"] | {"soup": {"soup_of": "learnable", "kind": "greedy"}}
    development = {"cifar10": ["textures", "inaturalist"]}
    made = study(GENERATED | {"variants": variants, "runs": runs, "development": development, "logit_scale": 50})
    found = options_of(made).greedy_soup("tiny", "soup")
    assert str(found) == (
        "--name tiny/soup --pair cifar10:textures,inaturalist --datasets results/studies/demo/datasets"
        " --features results/studies/demo/features/tiny --prompts clipn128 --logit-scale 50.0 --device cpu --threads 1"
    )
    assert found["development.cifar10"] == ["textures", "inaturalist"]
    assert found["variants.soup.kind"] == "greedy"


def test_settings_of_a_backbone_are_those_of_its_own_runs() -> None:
    """So that a change of one backbone's runs scores and draws no other again."""
    both = {"backbones": GENERATED["backbones"] | {"other": GENERATED["backbones"]["tiny"]}, "train": TRAIN}
    more = [*GENERATED["runs"], {"backbone": "other", "variant": "learnable", "seeds": [1, 2]}]
    before, after = (options_of(study(GENERATED | both | {"runs": runs})) for runs in (GENERATED["runs"], more))

    def recorded(options: RuleOptions, backbone: str) -> list[str]:
        return [repr(options.scorings(backbone)), repr(options.id_figures("imagenet", backbone))]

    assert recorded(before, "tiny") == recorded(after, "tiny")
    scored = [f"other/{name}" for name in ("none/clipn128/seed0", "learnable/clipn128/seed1")]
    assert {*scored} < {*after.scorings("other")["what is scored"]}
    assert all(name.startswith("other/") for name in after.scorings("other")["ID datasets of fits"])
    assert [run["backbone"] for run in after.id_figures("imagenet", "other")["runs"]] == ["other"]
    assert "tiny" not in {part for word in shlex.split(str(after.scorings("other"))) for part in word.split("/")}


def test_small_datasets_are_told_in_their_order(options: RuleOptions) -> None:
    found = options.small_datasets(["sun", "cifar10"])
    assert str(found).startswith("sun cifar10 --registry ")
    assert found["datasets of one job"] == ["sun", "cifar10"]


def test_states_of_trainings_lie_with_the_study_that_is_extended() -> None:
    found = options_of(study(GENERATED | {"study": "more", "extends": "demo"}))
    run = RunName("tiny", "learnable", 1)
    curves = "logs/{}/tensorboard/tiny/learnable/seed1"
    for name in ("demo", "more"):
        assert str(found.training_folders(name, run)) == f"--work work/demo/train --curves {curves.format(name)}"


def test_words_of_the_demo_are_a_file_and_no_setting(options: RuleOptions) -> None:
    file = "results/studies/demo/archives/mirror/words.txt"
    assert str(options.words) == f"--method neglabel --words {file}"
    assert options.words == {"negative_words": None, "envisioned_words": {}, "methods with words": ["neglabel"]}
    of_eoe = options_of(study(GENERATED | {"baselines": ["eoe"]}))
    envisioned = " ".join(f"--envisioned {name}:{file}" for name in ("imagenet", "cifar10"))
    assert str(of_eoe.words) == f"--method eoe --words {file} {envisioned}"


def test_a_training_of_several_processes_has_a_launcher() -> None:
    made = study(GENERATED | {"variants": {"learnable": {"processes": 2}, "handcrafted": {}}})
    found = RuleOptions(StudyPaths(made, StudyData(made)))
    assert str(found.launcher("learnable")) == "torchrun --standalone --nproc-per-node 2 --no-python"
    assert str(found.launcher("handcrafted")) == ""


def real_options(**lite0: Any) -> RuleOptions:
    """What rules are told of the study `real`, with other settings of its backbone."""
    made = load_study("real", {"backbones": {"lite0": lite0}})
    return RuleOptions(StudyPaths(made, StudyData(made)))


def test_class_folders_are_told_where_false_negatives_are_handled() -> None:
    told = str(real_options().class_sources("lite0.seed1"))
    assert "--class-source tiny_imagenet_train --class-source caltech_train" in told
    assert "flickr8k" not in told
    assert str(real_options(training={"false_negatives": "keep"}).class_sources("lite0.seed1")) == ""


def test_tables_say_what_an_image_tower_saw(tmp_path: Path) -> None:
    known = "EfficientNet-Lite0, which was trained on ImageNet-1k with its labels"
    own = tmp_path / "own.safetensors"
    own.touch()
    for options, told in ((real_options(), known), (real_options(image_tower=str(own)), str(own))):
        assert shlex.split(str(options.remarks)) == ["--remark", f"Image tower of lite0: {told}."]


def test_tables_and_page_say_that_data_are_generated() -> None:
    for found in (options_of(study(GENERATED)), options_of(study(GENERATED | {"study": "mine"}))):
        assert found.data_remarks.words == found.remarks.words == ["--remark", GENERATED_DATA]
        assert found.page.words[-4:] == ["--remark", GENERATED_DATA, "--remark", READ_FROM_GENERATED]
    assert real_options().data_remarks.words == []
    assert READ_FROM_GENERATED not in real_options().page.words


def test_the_page_prints_the_study_as_yaml(options: RuleOptions) -> None:
    words = shlex.split(str(options.page))
    printed = yaml.safe_load(words[words.index("--settings") + 1])
    assert printed == study(GENERATED).model_dump(mode="json", exclude_none=True)
    assert [words[index + 1] for index, word in enumerate(words) if word == "--id"] == ["imagenet", "cifar10"]
