"""Small studies, as their YAML files would hold them."""

import json
from pathlib import Path
from typing import Any

import yaml

from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.paths import StudyPaths
from clipn.study.rules.options import RuleOptions

STUDIES = Path(__file__).parents[2] / "config" / "studies"
GENERATED = {
    "study": "demo",
    "demo": {"images": 40},
    "captions": {"sources": ["cc3m"]},
    "backbones": {"tiny": {"architecture": "config/architectures/tiny.json", "training": {}}},
    "variants": {"learnable": {}, "handcrafted": {"no_texts": "handcrafted"}},
    "runs": [{"backbone": "tiny", "variant": name, "seeds": [1, 2]} for name in ("learnable", "handcrafted")],
    "pairs": {"imagenet": ["sun", "places"], "cifar10": ["cifar100"]},
    "baselines": ["msp", "neglabel"],
}
"""A study of generated data."""
WRITTEN = GENERATED | {
    "demo": None,
    "registry": "config/datasets.yaml",
    "mirror": "archives",
    "cleaning": ["ninco"],
    "backbones": {"b": {"architecture": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"}},
    "variants": {
        "learnable": {},
        "handcrafted": {"no_texts": "handcrafted"},
        "released": {"checkpoints": {1: "clipn_atd_1", 2: "clipn_atd_2"}},
    },
    "runs": [{"backbone": "b", "variant": name, "seeds": [1, 2]} for name in ("learnable", "handcrafted", "released")],
    "negative_words": "wordnet",
    "device": "cuda",
}
"""A study of downloads and released checkpoints."""


def study(changes: dict[str, Any]) -> Study:
    return Study.model_validate(json.loads(json.dumps(changes)))


def paths(settings: dict[str, Any], **changes: Any) -> StudyPaths:
    """The paths of a study, some of whose settings are others."""
    made = study(settings | changes)
    return StudyPaths(made, StudyData(made))


def options_of(made: Study) -> RuleOptions:
    """Of a study whose registry need not be there."""
    return RuleOptions(StudyPaths(made, StudyData(made.model_copy(update={"registry": None}))))


def study_with(name: str, **changes: object) -> dict[str, object]:
    """Settings of one of the project's studies, some of them others."""
    return {"study": name, **yaml.safe_load((STUDIES / f"{name}.yaml").read_text()), **changes}
