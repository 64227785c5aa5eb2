"""Every setting of a study reaches the rules under its own key."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.loading import load_study
from clipn.study.names import RunName
from clipn.study.options import RuleOptions
from clipn.study.parameters import Settings, changed_values, flattened
from clipn.study.paths import StudyPaths
from clipn.study.variants import ReleasedVariant
from tests.helpers.studies import GENERATED, WRITTEN, study

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "workflow/schemas/study.schema.json").read_text())
OTHERS: dict[str, Any] = {
    "study": "other",
    "registry": "other.yaml",
    "mirror": "elsewhere",
    "negative_words": "words.txt",
    "rules": ["atd"],
    "conventions": ["clipn", "mcm"],
    "baselines": ["mcm", "neglabel"],
    "prompts": ["clipn128_clean"],
    "captions.sources": ["cc3m", "cc3m_frozen"],
    "pairs.imagenet": ["sun"],
    "pairs.cifar10": ["cifar100", "lsun_resize"],
    "ablations": ["handcrafted"],
    "backbones.tiny.architecture": "config/architectures/small.json",
    "backbones.b.architecture": "ViT-B-16",
    "backbones.b.pretrained": "openai",
    "variants.released.checkpoints.1": "clipn_atd_3",
    "variants.released.checkpoints.2": "clipn_atd_3",
    "logit_scale": "checkpoint",
    "variants.handcrafted.no_texts": "learnable",
    "variants.learnable.no_texts": "handcrafted",
    "variants.handcrafted.templates": "clipn128_clean",
    "variants.learnable.templates": "clipn128_clean",
    "variants.learnable.tokens": 8,
    "variants.learnable.micro_batch": 2,
}
"""Other values of settings that no rule of thumb gives one."""
CHOICES = {
    "overlong": "drop",
    "empty": "keep",
    "duplicates": "drop",
    "augmentation": "none",
    "temperature": "fixed",
    "losses": "tso",
    "precision": "bf16",
    "false_negatives": "attract",
    "arithmetic": "fast",
}
DEPENDENT = {
    "registry", "envisioned_words", "demo", "runs", "extends", "imported", "test_time", "train", "networks",
    "development",
    "backbones.tiny.training.lock_images",
    "variants.handcrafted.tokens", "variants.handcrafted.micro_batch",
}  # fmt: skip
"""Keys that are not varied here: those that must change together with others, and optional ones of a second variant."""


def changed(base: dict[str, Any], key: str, value: Any) -> Study:
    """The study with another value of one setting."""
    settings = study(base).model_dump(mode="json", exclude_none=True)
    inner = settings
    *above, name = key.split(".")
    for part in above:
        inner = inner[part]
    inner[name] = value
    return study(settings)


def another(key: str, value: Any) -> Any:
    """Another valid value of a setting."""
    name = key.rpartition(".")[2]
    if key == "cleaning":
        return [] if value else ["ninco"]
    if key == "device":
        return "cpu" if value == "cuda" else "cuda"
    if key in OTHERS:
        return OTHERS[key]
    if name in CHOICES:
        return CHOICES[name]
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2


def settings_with_values(base: dict[str, Any]) -> list[str]:
    flat = flattened(study(base).model_dump(mode="json"))
    return [key for key in flat if key not in DEPENDENT and (flat[key] is not None or key in OTHERS)]


CASES = [(base, key) for base in (GENERATED, WRITTEN) for key in settings_with_values(base)]


@pytest.mark.parametrize(("base", "key"), CASES, ids=[f"{base['study']}-{key}" for base, key in CASES])
def test_an_edit_of_a_setting_is_named_by_its_key(base: dict[str, Any], key: str) -> None:
    """What `clipn why` reads off the parameters of the page, which hold all settings."""
    before = study(base)
    value = flattened(before.model_dump(mode="json")).get(key)
    after = changed(base, key, another(key, value))
    found = changed_values([repr(options_of(before).page)], [repr(options_of(after).page)], Settings)
    assert {name: values for name, values in found.items() if " " not in name} == {key: (value, another(key, value))}


def options_of(made: Study) -> RuleOptions:
    # Without a registry, as those of the walk are not there.
    return RuleOptions(StudyPaths(made, StudyData(made.model_copy(update={"registry": None}))))


@pytest.mark.parametrize("base", [GENERATED, WRITTEN], ids=lambda base: base["study"])
def test_every_setting_is_recorded_by_a_rule_that_it_changes(base: dict[str, Any]) -> None:
    # The page holds all of them; processes that decode images, and the folder archives come from, change no result.
    unrecorded = {key for of, key in CASES if of is base} - recorded(study(base))
    assert unrecorded <= {"workers", "mirror"}


def recorded(made: Study) -> set[str]:
    """Keys that rules other than the page's record."""
    options = RuleOptions(StudyPaths(made, StudyData(made)))
    steps = [options.study, options.registry(made.datasets[0]), options.captions, options.shards, options.crawl]
    steps += [options.demo] if made.demo else []
    steps += [options.verification(name) for name in made.datasets]
    for name, backbone in made.backbones.items():
        steps += [options.architecture(name)]
        steps += [options.backbone_training(name) if backbone.training else options.weights(name)]
    for name, variant in made.variants.items():
        released = variant.checkpoints if isinstance(variant, ReleasedVariant) else []
        steps += [options.released(name, number) for number in released] or [options.training(name)]
    steps += [options.model, options.words, options.perturbation]
    steps += [options.prompts(), options.pools, options.scorings, options.metrics]
    steps += [options.id_figures(id_dataset) for id_dataset in made.pairs]
    steps += [options.shown, options.ablations]
    return {key for step in steps for key in step}


def fields(name: str, above: str = "") -> set[str]:
    """Keys of a model in the schema, those of a mapping's values under `*`."""
    found = set()
    for key, value in SCHEMA["$defs"][name]["properties"].items() if name else SCHEMA["properties"].items():
        nested = [part["$ref"].rpartition("/")[2] for part in (value, *value.get("anyOf", [])) if "$ref" in part]
        found |= {path for part in nested for path in fields(part, f"{above}{key}.")} or {f"{above}{key}"}
    return found


def test_every_setting_of_the_schema_is_among_them() -> None:
    walked = {key for _, key in CASES} | DEPENDENT
    variants, training = (
        fields("Variant", "variants.learnable."),
        fields("BackboneTraining", "backbones.tiny.training."),
    )
    crawl = {f"captions.{key}" for key in fields("Crawl", "crawl.")}
    assert walked >= (variants | training | crawl)
    top = {key.partition(".")[0] for key in walked}
    assert top == SCHEMA["properties"].keys()
    captions = {key.split(".")[1] for key in walked if key.startswith("captions.")}
    assert captions == SCHEMA["$defs"]["Captions"]["properties"].keys()


# What single rules are told


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
    found = options_of(made).scorings
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
    options = options_of(study(GENERATED | {"train": TRAIN, "baselines": [], "runs": [], "variants": {}}))
    assert str(options.training_images("imagenet")).startswith("--train textures --shots 16 --alpha 1.0 --datasets ")
    assert options.training_images("imagenet") == {
        "train.imagenet.dataset": "textures",
        "train.imagenet.shots": 16,
        "train.imagenet.alpha": 1.0,
        "arithmetic": "portable",
    }
    words = shlex.split(str(options.scorings))
    gda = "tiny/gda-16shot-alpha1.0"
    assert words[:2] == [f"{gda}/clipn128/seed{seed}:msp,energy,mcm" for seed in (1, 2)]
    assert words[-4:] == ["--fit", f"{gda}/seed1:imagenet,cifar10", "--fit", f"{gda}/seed2:imagenet"]
    assert options.scorings["ID datasets of fits"] == {
        f"{gda}/seed1": ["imagenet", "cifar10"],
        f"{gda}/seed2": ["imagenet"],
    }
    assert options.shown["variants that are shown"] == ["none", "gda-16shot-alpha1.0"]


def test_a_study_without_training_images_is_told_as_before(options: RuleOptions) -> None:
    assert "ID datasets of fits" not in options.scorings
    assert not any(key.startswith("train") for key in options.page)


def test_remarks_say_what_fitted_classifiers_saw() -> None:
    every = TRAIN | {"cifar10": {"dataset": "lsun_resize", "shots": "all", "alpha": 0.5}}
    added = "times the logits of a Gaussian discriminant analysis of"
    assert options_of(study(GENERATED | {"train": every})).remarks["remarks"] == [
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
    found = options_of(made).id_figures("imagenet")
    words = shlex.split(str(found))
    assert [words[index + 1] for index, word in enumerate(words) if word == "--figure"] == [
        f"{backbone}:{names}" for backbone, names in figures.items()
    ]
    assert found["kinds of figures"] == {backbone: names.split(",") for backbone, names in figures.items()}
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


def test_a_backbone_without_figures_is_not_named() -> None:
    other = {"idle": GENERATED["backbones"]["tiny"]}
    made = study(GENERATED | {"backbones": GENERATED["backbones"] | other, "baselines": []})
    found = options_of(made).id_figures("imagenet")
    assert "idle" not in str(found)
    assert found["kinds of figures"]["idle"] == []


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
    made = changed(GENERATED, "variants.learnable.processes", 2)
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


def test_the_page_prints_the_study_as_yaml(options: RuleOptions) -> None:
    words = shlex.split(str(options.page))
    printed = yaml.safe_load(words[words.index("--settings") + 1])
    assert printed == study(GENERATED).model_dump(mode="json", exclude_none=True)
    assert [words[index + 1] for index, word in enumerate(words) if word == "--id"] == ["imagenet", "cifar10"]
