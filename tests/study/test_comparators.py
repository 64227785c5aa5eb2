"""The study that sets all methods beside each other."""

from clipn.adaptation import ADAPTIVE
from clipn.files import read_json
from clipn.model.vision import require_patches
from clipn.scores import SCORES
from clipn.study.fits import fitted_variants
from clipn.study.loading import load_study
from clipn.study.weights import generated_networks
from tests.helpers.project import ROOT


def test_it_names_every_method() -> None:
    study = load_study("comparators")
    assert [name for name, score in SCORES.items() if score.needs_no or name in study.baselines] == [*SCORES]
    assert study.test_time is not None
    assert study.test_time.methods == [*ADAPTIVE]
    assert {run.variant for run in study.runs} == {"learnable", "soup", "greedy"}
    assert fitted_variants(study) == ["gda-16shot-alpha1.0", "cooked-16shot-resnet"]
    assert generated_networks(study) == ["resnet"]


def test_its_backbone_has_patches() -> None:
    (backbone,) = load_study("comparators").backbones.values()
    vision = read_json(ROOT / backbone.architecture)["vision_cfg"]
    require_patches(vision, backbone.architecture)
    assert (vision["image_size"] // vision["patch_size"]) ** 2 == 16
