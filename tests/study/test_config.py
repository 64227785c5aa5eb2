"""The typed model of a study and its schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clipn.cli.schema import FOLDER, SCHEMAS, schema
from clipn.errors import ClipnError
from clipn.study.config import Study
from clipn.study.loading import ablations, parse_study
from clipn.study.scorings import id_and_ood
from clipn.training.settings import Variant
from clipn.yaml_models import first_error
from tests.helpers.studies import study_with

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "config" / "studies").glob("*.yaml"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_those_of_the_typed_settings(name: str) -> None:
    """If this fails: `make schema`."""
    assert json.loads((ROOT / FOLDER / f"{name}.schema.json").read_text()) == schema(name)


def with_variant(variant: dict[str, object], **changes: object) -> dict[str, object]:
    """Changes that leave one variant and two runs of it."""
    runs = [{"backbone": "tiny", "variant": "only", "seeds": [1, 2]}]
    return {"variants": {"only": variant}, "runs": runs, "ablations": [], **changes}


def with_ablation(**settings: object) -> dict[str, object]:
    """Changes that leave two variants, of which `other` is an ablation of `learnable`."""
    runs = [{"backbone": "tiny", "variant": variant, "seeds": [1]} for variant in ("learnable", "other")]
    return {"variants": {"learnable": {}, "other": settings}, "runs": runs, "ablations": ["other"]}


def fitted(dataset: str = "textures", **settings: object) -> dict[str, object]:
    """Changes that fit a classifier of CIFAR-10 on a dataset."""
    return {"train": {"cifar10": {"dataset": dataset, "shots": 4, **settings}}}


def with_soup(
    backbone: str = "tiny", seeds: tuple[int, ...] = (1,), development: object = None, **soup: object
) -> dict[str, Any]:
    """Changes that leave two runs of `learnable` on one of two backbones, and what is to be their soup."""
    trained = {"architecture": "config/architectures/tiny.json", "training": {}}
    runs = [{"backbone": "tiny", "variant": "learnable", "seeds": [1, 2]}]
    runs += [{"backbone": backbone, "variant": "soup", "seeds": [*seeds]}]
    variants = {"learnable": {}, "soup": {"soup_of": "learnable"} | soup}
    backbones = {"tiny": trained, "other": trained}
    held_out = {"development": development or {}}
    return {"backbones": backbones, "variants": variants, "runs": runs, "ablations": [], **held_out}


def test_a_soup_is_one_run_without_training() -> None:
    found = Study.model_validate(study_with("demo", **with_soup()))
    assert [run.variant for run in found.trained_runs] == ["learnable"]
    assert found.shown == ["learnable", "soup"]


def test_datasets_for_development_are_made_and_never_scored() -> None:
    pairs = {"cifar10": ["cifar100"]}
    settings = with_soup(kind="greedy", development={"cifar10": ["sun", "places"]}) | {"pairs": pairs}
    found = Study.model_validate(study_with("demo", **settings))
    assert found.datasets == ["cifar10", "cifar100", "sun", "places"]
    assert id_and_ood(found, "cifar10") == ["cifar10", "cifar100"]


def test_a_soup_is_one_run_also_over_several_entries() -> None:
    settings = with_soup()
    twice = [*settings["runs"], {"backbone": "tiny", "variant": "soup", "seeds": [2]}]
    with pytest.raises(ValidationError, match="runs: soup on tiny is one run, whatever learnable has; give it one"):
        Study.model_validate(study_with("demo", **settings | {"runs": twice}))


def test_runs_on_backbones_of_several_seeds_have_no_soup() -> None:
    backbones = {"tiny": {"architecture": "config/architectures/tiny.json", "training": {}, "seeds": [1, 2]}}
    with pytest.raises(
        ValidationError, match=r"runs: soup on tiny\.seed1: each run of learnable is on a backbone of its"
    ):
        Study.model_validate(study_with("demo", **with_soup() | {"backbones": backbones}))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"demo": None}, "give `registry`, `demo`, or both"),
        ({"runs": [], "baselines": []}, "baselines: nothing is scored; name a method, or `runs`"),
        ({"runs": [{"backbone": "huge", "variant": "learnable", "seeds": [1]}]}, "no backbone 'huge'"),
        ({"runs": [{"backbone": "tiny", "variant": "learned", "seeds": [1]}]}, "no variant 'learned'"),
        ({"backbones": {"tiny": {"architecture": "ViT-B-32"}}}, "either `pretrained` or `training`"),
        ({"baselines": ["ctw"]}, "no baseline 'ctw'"),
        ({"prompts": ["single", "clipn"]}, "no pool 'clipn'; choose one of clipn128, .* or a .txt file"),
        ({"prompts": ["absent/mine.txt"]}, "absent/mine.txt: no such file"),
        ({"prompts": ["single", "single"]}, "two pools have the same name; name each once"),
        ({"prompts": []}, "should have at least 1 item"),
        ({"rules": ["mcm"]}, "no rule 'mcm'"),
        ({"logit_scale": "learned"}, "checkpoint"),
        ({"rules": ["ctw", "mcm"]}, "no rule 'mcm'; choose among ctw, atd, atd_original"),
        ({"conventions": ["clipn", "sklearn"]}, "no convention 'sklearn'; choose among clipn, "),
        ({"conventions": []}, "should have at least 1 item"),
        ({"averages": {"near": []}}, "averages: near: name OOD sets that one ID dataset of `pairs` has"),
        ({"averages": {"near": ["sun", "lsun_resize"]}}, "averages: near: name OOD sets that one ID dataset"),
        ({"resamples": -1}, "greater than or equal to 0"),
        ({"perturbation": 0}, "greater than 0"),
        (
            with_variant({"no_texts": "handcrafted", "templates": "openai80"}),
            "no such pool of pairs; choose one of clipn128, ",
        ),
        (
            with_variant({"no_texts": "handcrafted"}, prompts=["openai80", "single"]),
            "prompts: for hand-crafted runs name one of clipn128, .* first, or a file",
        ),
        ({"ablations": ["share_1"]}, "ablations: 'share_1' is not among the runs; add it there"),
        (with_ablation(), "ablations: other differs from learnable in nothing; vary one setting"),
        (with_ablation(epochs=3, losses="tso"), "other differs from learnable in epochs, losses; vary one setting"),
        ({"runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [1, 1]}]}, "a seed occurs twice"),
        ({"baselines": ["msp", "msp"]}, "a baseline occurs twice; name each once"),
        ({"rules": ["atd", "atd"]}, "a rule occurs twice; name each once"),
        ({"conventions": ["clipn", "clipn"]}, "a convention occurs twice; name each once"),
        ({"captions": {"sources": ["cc3m", "cc3m"]}}, "a source occurs twice; name each once"),
        ({"runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [-1]}]}, "greater than or equal to 0"),
        ({"variants": {"none": {}}}, "call the variant otherwise"),
        ({"pairs": {"cifar10": ["cifar10"]}}, "name one or more other datasets"),
        ({"threads": 0}, "greater than or equal to 1"),
        ({"captions": {}}, "captions: something is trained; name `sources`"),
        (with_variant({"checkpoints": {}}), "should have at least 1 item"),
        (
            {"variants": {"gda-mine": {}}},
            "gda-mine: 'gda-' begins names of fitted classifiers; call the variant otherwise",
        ),
        ({"train": {"sun": {"dataset": "places", "shots": 4}}}, "train: sun is no ID dataset; name one of imagenet, "),
        (fitted("cifar10"), "train.cifar10.dataset: cifar10 is tested in `pairs`; name other images to fit on"),
        (fitted("cifar100"), "train.cifar10.dataset: cifar100 is tested in `pairs`; name other images to fit on"),
        (fitted(shots=1), "one image of a class has no covariance; name 2 or more, or `all`"),
        (fitted(shots="some"), "'all'"),
        (fitted(seeds=[1, 1]), "seeds: a seed occurs twice; name each once"),
        (fitted(shots="all", seeds=[1, 2]), "seeds: every seed chooses all images; name one"),
        (fitted(alpha=0), "greater than 0"),
        (with_variant({"checkpoints": {1: "a"}, "epochs": 3}), "only.epochs\n"),
        (
            with_variant({"checkpoints": {1: "a", 3: "b"}}),
            "runs: only has no checkpoint 2; `seeds` must be among 1, 3",
        ),
        (with_soup(soup_of="other"), "variants.soup.soup_of: 'other' has no runs to average; name one of learnable"),
        (with_soup(soup_of="soup"), "variants.soup.soup_of: 'soup' has no runs to average; name one of learnable"),
        (with_soup(epochs=3), "soup.epochs\n"),
        (with_soup(backbone="other"), "runs: soup on other has nothing to average; add runs of learnable on other"),
        (with_soup(kind="best"), "soup.kind\n"),
        (with_soup(kind="greedy"), "development: soup is chosen on it; name an ID dataset and OOD datasets for it"),
        ({"development": {"sun": ["dtd"]}}, "development: 'sun' is no ID dataset of `pairs`; choose among imagenet, "),
        ({"development": {"cifar10": []}}, "development.cifar10: name one or more datasets, each once"),
        ({"development": {"cifar10": ["dtd", "dtd"]}}, "development.cifar10: name one or more datasets, each once"),
        (
            {"development": {"cifar10": ["sun"]}},
            "development.cifar10: sun is under `pairs`; name datasets that are not",
        ),
        (with_soup(seeds=(1, 2)), "runs: soup on tiny is one run, whatever learnable has; give it one number"),
    ],
)
def test_contradictions_in_a_study_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Study.model_validate(study_with("demo", **changes))


def test_neglabel_needs_words_where_none_are_generated() -> None:
    study = study_with("released", baselines=["neglabel"])
    with pytest.raises(ValidationError, match="negative_words: `neglabel` needs a word list; name one, or `wordnet`"):
        Study.model_validate(study)
    assert Study.model_validate({**study, "negative_words": "wordnet"}).negative_words == "wordnet"
    assert Study.model_validate(study_with("demo", baselines=["neglabel"])).negative_words is None


def test_eoe_needs_words_for_every_id_dataset_where_none_are_generated() -> None:
    study = study_with("released", baselines=["eoe"])
    first, *others = study["pairs"]
    with pytest.raises(ValidationError, match=f"envisioned_words: `eoe` needs words for {first}; name a list of the"):
        Study.model_validate(study)
    whole = dict.fromkeys([first, *others], "outliers")
    assert Study.model_validate({**study, "envisioned_words": whole}).envisioned_words == whole
    with pytest.raises(ValidationError, match="envisioned_words: moon is no ID dataset of `pairs`; correct it"):
        Study.model_validate({**study, "envisioned_words": whole | {"moon": "outliers"}})
    assert Study.model_validate(study_with("demo", baselines=["eoe", "csp"])).envisioned_words == {}


def test_a_dataset_for_development_that_the_registry_has_not() -> None:
    message = "^config/studies/released.yaml: development: 'nope' is not in the registry; it has "
    with pytest.raises(ClipnError, match=message):
        parse_study(study_with("released", development={"imagenet": ["nope"]}))


def test_what_only_some_studies_have_is_not_printed_of_the_others() -> None:
    printed = Study.model_validate(study_with("released")).model_dump()
    assert not printed.keys() & {"train", "development", "envisioned_words"}
    whole = fitted() | with_soup(kind="greedy", development={"cifar10": ["lsun_crop"]})
    printed = Study.model_validate(study_with("demo", **whole, envisioned_words={"cifar10": "moons"})).model_dump()
    assert printed.keys() >= {"train", "development", "envisioned_words"}


def test_a_word_list_that_the_registry_has_not() -> None:
    path = "config/studies/released.yaml"
    study = study_with("released")
    message = rf"^{path}: envisioned_words\.imagenet: no word list 'moons' in the registry; it has "
    with pytest.raises(ClipnError, match=message):
        parse_study(study | {"envisioned_words": {"imagenet": "moons"}})


def test_a_file_of_templates_is_a_pool_called_like_it(tmp_path: Path) -> None:
    pool, same = tmp_path / "mine.txt", tmp_path / "single.txt"
    for path in (pool, same):
        path.write_text("my {}.\n")
    assert Study.model_validate(study_with("demo", prompts=["single", str(pool)])).prompts[1] == str(pool)
    with pytest.raises(ValidationError, match="single is the name of a built-in pool; rename the file"):
        Study.model_validate(study_with("demo", prompts=[str(same)]))
    handcrafted = with_variant({"no_texts": "handcrafted"}, prompts=[str(pool)])
    with pytest.raises(ValidationError, match=r"or a file with its `_no\.txt`"):
        Study.model_validate(study_with("demo", **handcrafted))
    (tmp_path / "mine_no.txt").write_text("not my {}.\n")
    assert Study.model_validate(study_with("demo", **handcrafted)).base == "only"
    (tmp_path / "mine_no.txt").write_text("not my {}.\nno {}.\n")
    with pytest.raises(ValidationError, match=r"2 against 1 lines of .*; write a negation for every template"):
        Study.model_validate(study_with("demo", **handcrafted))


def test_ablations_vary_what_counts_for_both() -> None:
    """A hand-crafted variant has no learned prompts, so that their number does not set it apart."""
    study = Study.model_validate(study_with("demo", **with_ablation(no_texts="handcrafted", tokens=3, prompts=4)))
    assert study.base == "learnable"
    assert study.varied("other") == ["no_texts"]
    assert study.shown == ["learnable", "other"]
    study = Study.model_validate(study_with("demo", **with_ablation(tokens=3)))
    assert study.shown == ["learnable"]
    assert ablations(study) == [("tokens", "all", "learnable"), ("tokens", "3", "other")]


def test_the_papers_ablations_by_setting() -> None:
    paper = Study.model_validate(study_with("paper"))
    values: dict[str, list[str]] = {}
    for setting, value, _ in ablations(paper):
        values.setdefault(setting, []).append(value)
    assert values == {
        "no_texts": ["learnable", "handcrafted"],
        "losses": ["both", "itbo", "tso"],
        "prompts": ["16", "1", "4", "64"],
        "tokens": ["all", "1", "4", "16"],
        "share": ["1.0", "0.01", "0.1", "0.5"],
    }
    assert paper.shown == ["learnable", "handcrafted", "untrained"]


def test_the_papers_defaults_are_those_of_the_released_code() -> None:
    paper = Study.model_validate(study_with("paper"))
    learnable = paper.variants["learnable"]
    assert (learnable.epochs, learnable.batch_size, learnable.learning_rate) == (10, 2048, 3e-4)
    assert (learnable.weight_decay, learnable.warmup_steps, learnable.prompts) == (0.2, 0, 16)
    assert (learnable.loss_weight, learnable.tso_epsilon) == (0.5, 1e-4)
    assert (paper.logit_scale, paper.prompts[0], paper.conventions[0]) == (100.0, "clipn128", "clipn")


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
    assert first_error(caught.value).startswith(complaint)


def test_the_ablations_are_off_by_default() -> None:
    settings = Variant()
    assert (settings.losses, settings.tokens, settings.share) == ("both", None, 1.0)
