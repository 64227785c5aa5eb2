"""What a study trains and scores."""

import pytest

from clipn.study.names import RunName, Scoring
from clipn.study.runs import image_caches, run_names, runs_with_steps, soup_members, stored_views, text_caches
from clipn.study.scorings import baselines, can_score, main_pool, methods, own_features, prompt_pools, scorings
from clipn.training.settings import Variant
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
    made = study(GENERATED | {"prompts": ["clipn128", "nice"], "baselines": ["neglabel", "msp", "odin_perturbed"]})
    assert main_pool(made) == "clipn128"
    assert baselines(made, "clipn128") == ["neglabel", "msp", "odin_perturbed"]
    assert baselines(made, "nice") == ["msp"]


def test_plain_clip_is_not_scored_under_a_pool_that_leaves_no_method() -> None:
    made = study(GENERATED | {"prompts": ["clipn128", "nice"], "baselines": ["neglabel"]})
    assert [scoring.prompts for scoring in scorings(made) if scoring.variant == "none"] == ["clipn128"]


def test_methods_of_a_no_tower_are_no_baselines() -> None:
    assert methods(study(GENERATED), "learnable", "clipn128") == ["ctw", "atd"]


def test_features_that_methods_need() -> None:
    assert own_features(["msp", "neglabel"]) == {"negatives"}
    assert own_features(["react", "odin_perturbed"]) == {"perturbed"}


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
