"""Every setting of a study reaches the rules under its own key."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.paths import StudyPaths
from clipn.study.rules.options import RuleOptions
from clipn.study.rules.parameters import Settings, changed_values, flattened
from clipn.study.settings.variants import ReleasedVariant
from tests.helpers.studies import GENERATED, WRITTEN, options_of, study

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
    "registry", "averages", "envisioned_words", "demo", "runs", "extends", "imported", "test_time", "train", "networks",
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
    steps += [options.prompts(), options.pools, options.metrics]
    for name in made.backbones:
        steps += [options.scorings(name), *(options.id_figures(id_dataset, name) for id_dataset in made.pairs)]
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
