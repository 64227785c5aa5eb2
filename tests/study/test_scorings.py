"""What a study trains and scores."""

import pytest

from clipn.errors import ClipnError
from clipn.study.fits import fits
from clipn.study.loading import parse_study
from clipn.study.names import RunName, Scoring
from clipn.study.runs import image_caches, run_names, runs_with_steps, soup_members, stored_views, text_caches
from clipn.study.scorings import (
    baselines,
    can_score,
    main_pool,
    main_scorings,
    methods,
    own_features,
    prompt_pools,
    scored_alike,
    scorings,
)
from clipn.training.settings import Variant
from tests.helpers.project import ROOT
from tests.helpers.studies import GENERATED, WRITTEN, study


def test_plain_clip_is_scored_first_then_every_run_under_every_pool() -> None:
    made = study(GENERATED | {"prompts": ["clipn128", "clipn128_clean"]})
    assert scorings(made) == [
        *(Scoring("tiny", "none", pool, 0) for pool in ("clipn128", "clipn128_clean")),
        *(
            Scoring("tiny", variant, pool, seed)
            for variant in ("learnable", "handcrafted")
            for pool in ("clipn128", "clipn128_clean")
            for seed in (1, 2)
        ),
    ]


def test_the_main_scorings_are_the_seeds_of_the_first_run_under_the_main_pool() -> None:
    other = {"other": {"architecture": "ViT-B-16", "pretrained": "openai"}}
    runs = [*GENERATED["runs"], {"backbone": "other", "variant": "learnable", "seeds": [1]}]
    changes = {"backbones": GENERATED["backbones"] | other, "runs": runs, "prompts": ["clipn128", "single"]}
    assert main_scorings(study(GENERATED | changes)) == [
        Scoring("tiny", "learnable", "clipn128", seed) for seed in (1, 2)
    ]


def test_the_main_scorings_without_runs_are_those_of_plain_clip_with_what_was_imported() -> None:
    """Several trainings of a backbone are one of them."""
    seeded = {"tiny": GENERATED["backbones"]["tiny"] | {"seeds": [3, 4]}}
    other = {"other": {"architecture": "ViT-B-16", "pretrained": "openai"}}
    scores = {"backbone": "tiny.seed3", "higher": "id", "files": {"cifar10": {"cifar10": "a.csv", "cifar100": "b.csv"}}}
    imported = {"pairs": {"cifar10": ["cifar100"]}, "imported": {"theirs": scores}}
    made = study(GENERATED | {"backbones": seeded | other, "runs": [], "variants": {}} | imported)
    assert main_scorings(made) == [
        *(Scoring(f"tiny.seed{seed}", "none", "clipn128", 0) for seed in (3, 4)),
        Scoring("tiny.seed3", "none", "imported", 0),
    ]


def test_a_variant_that_negated_texts_taught_is_scored_under_pools_that_negate() -> None:
    made = study(GENERATED | {"prompts": ["clipn128", "single", "nice"]})
    assert [pool for pool in prompt_pools(made) if can_score(made, "handcrafted", pool)] == ["clipn128", "single"]
    assert all(can_score(made, "learnable", pool) for pool in prompt_pools(made))


def test_a_soup_is_scored_as_the_runs_that_it_averages() -> None:
    soups = {f"{of}_soup": {"soup_of": of} for of in ("learnable", "handcrafted")}
    runs = [*GENERATED["runs"], *({"backbone": "tiny", "variant": name, "seeds": [1]} for name in soups)]
    variants = GENERATED["variants"] | soups
    made = study(GENERATED | {"prompts": ["clipn128", "nice"], "variants": variants, "runs": runs})
    assert [can_score(made, name, "nice") for name in soups] == [True, False]
    assert Scoring("tiny", "handcrafted_soup", "clipn128", 1) in scorings(made)
    assert soup_members(made, "tiny", "learnable_soup") == [RunName("tiny", "learnable", seed) for seed in (1, 2)]


def test_methods_with_features_of_their_own_come_with_the_main_pool_only() -> None:
    made = study(GENERATED | {"prompts": ["clipn128", "nice"], "baselines": ["neglabel", "msp", "l_mcm"]})
    assert main_pool(made) == "clipn128"
    assert baselines(made, "clipn128") == ["neglabel", "msp", "l_mcm"]
    assert baselines(made, "nice") == ["msp"]


def test_plain_clip_is_not_scored_under_a_pool_that_leaves_no_method() -> None:
    made = study(GENERATED | {"prompts": ["clipn128", "nice"], "baselines": ["neglabel"]})
    assert [scoring.prompts for scoring in scorings(made) if scoring.variant == "none"] == ["clipn128"]


def test_backbones_with_the_same_scorings_share_a_rule_and_those_without_have_none() -> None:
    tiny, pool = GENERATED["backbones"]["tiny"], "clipn128"
    names = ["tiny", "more", "other", "idle"]
    runs = [{"backbone": name, "variant": "learnable", "seeds": [1]} for name in names[:2]]
    runs += [{"backbone": "other", "variant": "learnable", "seeds": [2]}]
    made = study(GENERATED | {"backbones": dict.fromkeys(names, tiny), "runs": runs, "baselines": []})
    assert scored_alike(scorings(made)) == {
        (Scoring("{backbone}", "learnable", pool, 1),): ["tiny", "more"],
        (Scoring("{backbone}", "learnable", pool, 2),): ["other"],
    }


def test_methods_of_a_no_tower_are_no_baselines() -> None:
    assert methods(study(GENERATED), "learnable", "clipn128") == ["ctw", "atd"]


FEW = {"dataset": "textures", "shots": 4, "seeds": [1, 2]}


def test_fitted_classifiers_are_scored_for_every_seed_under_every_pool_and_before_the_runs() -> None:
    made = study(GENERATED | {"train": {"imagenet": FEW}, "prompts": ["clipn128", "single"]})
    found = [scoring for scoring in scorings(made) if scoring.is_fitted]
    gda = "gda-4shot-alpha1.0"
    assert found == [Scoring("tiny", gda, pool, seed) for seed in (1, 2) for pool in ("clipn128", "single")]
    assert scorings(made)[2:6] == found
    assert {scoring.run for scoring in found} == {"none"}
    assert methods(made, gda, "single") == ["msp", "energy", "mcm"]


def test_every_training_of_a_backbone_chooses_images_by_its_own_seed() -> None:
    seeded = {"tiny": GENERATED["backbones"]["tiny"] | {"seeds": [3, 4]}}
    made = study(GENERATED | {"backbones": seeded, "runs": [], "variants": {}, "train": {"imagenet": FEW}})
    gda = "gda-4shot-alpha1.0"
    assert fits(made) == {RunName(f"tiny.seed{seed}", gda, seed): ["imagenet"] for seed in (3, 4)}
    described = [scoring.described for scoring in scorings(made) if scoring.is_fitted]
    assert [(names["backbone"], names["seed"]) for names in described] == [("tiny", 3), ("tiny", 4)]


def test_features_that_methods_need() -> None:
    assert own_features(["msp", "neglabel"]) == {"negatives"}
    assert own_features(["react", "odin_perturbed"]) == {"perturbed"}
    assert own_features(["gl_mcm", "l_mcm"]) == {"local"}


@pytest.mark.parametrize(("method", "name"), [("gl_mcm", "RN50"), ("l_mcm", "config/architectures/small.json")])
def test_patches_of_a_resnet_are_refused_before_anything_runs(
    method: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    settings = GENERATED | {"backbones": {"tiny": {"architecture": name, "training": {}}}}
    refusal = f"^config/studies/demo.yaml: backbones.tiny: {name}: its image tower is a ResNet, but .*; leave out the"
    with pytest.raises(ClipnError, match=refusal):
        parse_study(settings | {"baselines": [method]})
    assert parse_study(settings | {"baselines": ["mcm"]}).baselines == ["mcm"]


@pytest.mark.parametrize(("augmentation", "views"), [("online", None), ("none", 0), ("stored", 4)])
def test_stored_views(augmentation: str, views: int | None) -> None:
    assert stored_views(Variant(augmentation=augmentation, views=4)) == views  # type: ignore[arg-type]


def test_only_what_takes_a_step_has_caches() -> None:
    variants = {"learnable": {"augmentation": "none"}, "handcrafted": {"no_texts": "handcrafted"}, "no": {"epochs": 0}}
    runs = [{"backbone": "tiny", "variant": name, "seeds": [3]} for name in variants]
    made = study(GENERATED | {"variants": variants, "runs": runs})
    assert [run.variant for run, _ in runs_with_steps(made)] == ["learnable", "handcrafted"]
    assert text_caches(made) == ["tiny"]
    assert image_caches(made) == [("tiny", 0)]


def test_released_checkpoints_are_not_trained() -> None:
    made = study(WRITTEN)
    assert {run.variant for run, _ in runs_with_steps(made)} == {"learnable", "handcrafted"}
    assert image_caches(made) == []
    assert RunName("b", "released", 2) in run_names(made.runs)
    assert RunName("b", "released", 2) not in run_names(made.trained_runs)
