"""A backbone with several seeds: one training each, and each run on its own."""

from typing import Any

import pytest
from pydantic import ValidationError

from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.names import Scoring, family
from clipn.study.paths import StudyPaths
from clipn.study.scorings import scorings
from clipn.yaml_models import first_error
from tests.study.test_config import study_with

TRAINED = {"architecture": "config/architectures/tiny.json", "training": {"epochs": 2}, "seeds": [3, 5]}


def study(backbone: dict[str, Any] = TRAINED, seeds: tuple[int, ...] = (3, 5)) -> Study:
    runs = [{"backbone": "tiny", "variant": "learnable", "seeds": [*seeds]}]
    return Study.model_validate(
        study_with("demo", backbones={"tiny": backbone}, runs=runs, ablations=[], prompts=["clipn128"])
    )


def test_one_training_for_each_seed_and_one_run_on_each() -> None:
    found = study()
    assert {name: backbone.training and backbone.training.seed for name, backbone in found.backbones.items()} == {
        "tiny.seed3": 3,
        "tiny.seed5": 5,
    }
    assert [(run.backbone, run.seeds) for run in found.runs] == [("tiny.seed3", [3]), ("tiny.seed5", [5])]


def test_they_are_runs_of_one_row_in_tables() -> None:
    plain, taught = scorings(study())[0], scorings(study())[-1]
    assert plain == Scoring("tiny.seed3", "none", "clipn128", 0)
    assert plain.described == {"backbone": "tiny", "variant": "none", "prompts": "clipn128", "seed": 3}
    assert taught.described == {"backbone": "tiny", "variant": "learnable", "prompts": "clipn128", "seed": 5}
    other = Scoring("ViT-B-16", "none", "clipn128", 0)
    assert other.described == other._asdict()


def test_a_checked_study_is_checked_again_alike() -> None:
    found = study()
    assert Study.model_validate(found.model_dump(mode="json")) == found


def test_their_locked_tower_is_encoded_once() -> None:
    locked = {**TRAINED, "image_tower": "efficientnet-lite0", "training": {"lock_images": True}}
    found = study(locked)
    paths = StudyPaths(found, StudyData(found))
    for path in (paths.image_tower, paths.caption_tower_features, paths.tower_features_folder):
        assert len({path(backbone) for backbone in found.backbones}) == 1
    assert {family(name) for name in found.backbones} == {"tiny"}
    assert paths.backbone_files("tiny.seed3") == {
        "index": paths.shard_index,
        "image_tower": paths.image_tower("tiny"),
        "tower_features": paths.caption_tower_features("tiny"),
    }


@pytest.mark.parametrize(
    ("backbone", "seeds", "error"),
    [
        (TRAINED, (3, 4), "runs: no backbone 'tiny.seed4'; it must be one of tiny.seed3, tiny.seed5"),
        ({**TRAINED, "seeds": []}, (3,), "backbones.tiny.seeds: List should have at least 1 item"),
        ({**TRAINED, "seeds": [-1]}, (-1,), "backbones.tiny.seed-1.training.seed: Input should be greater than or"),
        ({**TRAINED, "seeds": [3, 3]}, (3,), "seeds: name each once, and no `seed` under `training` beside them"),
        ({**TRAINED, "training": {"seed": 4}}, (3,), "seeds: name each once, and no `seed` under `training` beside"),
        ({**TRAINED, "training": {"lock_images": True}}, (3,), "training.lock_images: needs `image_tower`; name what"),
        ({"architecture": "ViT-B-16", "pretrained": "x", "seeds": [1]}, (1,), "`image_tower` and `seeds` are for a"),
    ],
)
def test_what_does_not_fit(backbone: dict[str, Any], seeds: tuple[int, ...], error: str) -> None:
    with pytest.raises(ValidationError) as caught:
        study(backbone, seeds)
    assert error in first_error(caught.value)


ONE = {"architecture": "config/architectures/tiny.json", "training": {"seed": 1}}
CALLED = "backbones: tiny.seed1 is what the training of tiny with seed 1 is called, and its run; call it otherwise"


@pytest.mark.parametrize(
    ("backbones", "seeds"),
    [
        ({"tiny.seed1": {"architecture": "ViT-B-16", "pretrained": "laion2b_s34b_b88k"}}, [1]),
        ({"tiny.seed1": {**ONE, "training": {"seed": 2}}}, [1]),
        ({"tiny.seed1": ONE}, [1, 2]),
        ({"tiny.seed1": ONE, "tiny": {**ONE, "training": {}}}, [1]),
    ],
)
def test_a_name_of_a_seed_is_of_its_training(backbones: dict[str, Any], seeds: list[int]) -> None:
    runs = [{"backbone": "tiny.seed1", "variant": "learnable", "seeds": seeds}]
    with pytest.raises(ValidationError) as caught:
        Study.model_validate(study_with("demo", backbones=backbones, runs=runs, ablations=[]))
    assert CALLED in first_error(caught.value)


def test_trainings_of_one_backbone_differ_in_their_seed_alone() -> None:
    other = {**ONE, "training": {"seed": 2, "epochs": 3}}
    runs = [{"backbone": "tiny.seed1", "variant": "learnable", "seeds": [1]}]
    backbones = {"tiny.seed1": ONE, "tiny.seed2": other}
    with pytest.raises(ValidationError, match=r"backbones: tiny\.seed2 is what the training of tiny with seed 2"):
        Study.model_validate(study_with("demo", backbones=backbones, runs=runs, ablations=[]))
