"""Which figures a study has, and of which files it consists."""

import pytest

from clipn.provenance.stages import load_stages
from clipn.study.figures import drawn_alike, figure_names, overall_figures, shown_scorings
from clipn.study.names import Scoring
from clipn.study.targets import (
    all_files,
    data_files,
    feature_files,
    model_files,
    number_files,
    ood_table_files,
    own_ood_table_files,
    report_files,
)
from tests.helpers.project import ROOT
from tests.helpers.studies import GENERATED, WRITTEN, paths, study

DEMO = "results/studies/demo"
PAIRS = {"imagenet": ["sun"]}
UNTRAINED = {"variants": {"no": {"epochs": 0}}, "runs": [{"backbone": "b", "variant": "no", "seeds": [1]}]}


def test_figures_in_the_order_of_the_page() -> None:
    made = study(GENERATED | {"pairs": PAIRS, "ablations": ["handcrafted"]})
    kinds = ("scores", "roc", "intervals", "calibration", "similarity", "reliability", "mistakes")
    per_backbone = [f"imagenet_{kind}_tiny" for kind in kinds]
    assert figure_names(made, [made.study]) == ["published", *per_backbone, "imagenet_ablations", "training"]
    assert overall_figures(made, [made.study]) == ["published", "imagenet_ablations", "training"]
    assert "published" not in figure_names(made, [])


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"rules": ["ctw"]}, {"mistakes"}),
        ({"rules": ["atd_original"]}, {"mistakes", "reliability"}),
        (UNTRAINED, {"training"}),
    ],
)
def test_figures_that_a_study_has_nothing_for(changes: dict[str, object], missing: set[str]) -> None:
    kinds = {name.split("_")[-2] if "_" in name else name for name in figure_names(study(WRITTEN | changes), [])}
    made = {"scores", "roc", "intervals", "calibration", "similarity", "reliability", "mistakes", "training"}
    assert kinds == made - missing


def test_a_backbone_without_runs_has_the_figures_of_its_baselines() -> None:
    other = {"other": {"architecture": "ViT-B-16", "pretrained": "openai"}}
    changes = {"backbones": WRITTEN["backbones"] | other, "pairs": PAIRS}
    names = figure_names(study(WRITTEN | changes), [])
    assert [name for name in names if name.endswith("_other")] == [
        f"imagenet_{kind}_other" for kind in ("scores", "roc", "intervals", "calibration")
    ]
    alike = drawn_alike(study(WRITTEN | changes))
    assert sorted((len(kinds), names) for kinds, names in alike.items()) == [(4, ["other"]), (7, ["b"])]
    made = study(WRITTEN | changes | {"baselines": []})
    assert not any(name.endswith("_other") for name in figure_names(made, []))
    assert [*drawn_alike(made).values()] == [["b"]]


def test_backbones_are_compared_where_there_are_several() -> None:
    """Several trainings of one backbone are one of them."""
    other = {"other": {"architecture": "ViT-B-16", "pretrained": "openai"}}
    seeded = {"tiny": GENERATED["backbones"]["tiny"] | {"seeds": [1, 2]}}
    for backbones, compared in ((seeded, False), (seeded | other, True)):
        names = figure_names(study(WRITTEN | {"backbones": backbones, "runs": [], "pairs": PAIRS}), [])
        assert ("imagenet_backbones" in names) is compared
    fitted = {"train": {"imagenet": {"dataset": "svhn", "shots": 2}}, "runs": [], "baselines": [], "pairs": PAIRS}
    names = figure_names(study(WRITTEN | fitted | {"backbones": seeded | other}), [])
    assert "imagenet_backbones" not in names


def test_figures_show_the_first_seed_of_every_variant_and_none_of_the_ablations() -> None:
    variants = GENERATED["variants"] | {"short": {"epochs": 1}}
    runs = [{"backbone": "tiny", "variant": name, "seeds": [3, 1]} for name in variants]
    made = study(GENERATED | {"variants": variants, "runs": [*runs, runs[0] | {"seeds": [2]}], "ablations": ["short"]})
    assert shown_scorings(made, "tiny") == [
        Scoring("tiny", "none", "clipn128", 0),
        Scoring("tiny", "learnable", "clipn128", 3),
        Scoring("tiny", "handcrafted", "clipn128", 3),
    ]


def test_a_study_without_training_needs_no_captions() -> None:
    changes = UNTRAINED | {"variants": {"no": {"checkpoints": {1: "clipn_atd_1"}}}, "captions": {}, "mirror": None}
    files = data_files(paths(WRITTEN, **changes))
    assert f"{DEMO}/datasets/sun/manifest.parquet" in files
    assert not any("captions" in file or "shards" in file for file in files)


def test_models_are_backbones_caches_and_runs_with_their_histories() -> None:
    assert model_files(paths(GENERATED)) == [
        f"{DEMO}/backbones/tiny.safetensors",
        f"{DEMO}/backbones/tiny.csv",
        f"{DEMO}/caption_features/tiny/captions.safetensors",
        *(f"{DEMO}/runs/tiny/{run}.safetensors" for run in RUNS),
        *(f"{DEMO}/runs/tiny/{run}.csv" for run in RUNS),
    ]


RUNS = [f"{variant}/seed{seed}" for variant in ("learnable", "handcrafted") for seed in (1, 2)]


def test_features_of_single_methods_are_among_the_features() -> None:
    files = feature_files(paths(GENERATED))
    assert f"{DEMO}/features/tiny/negative_labels/imagenet.safetensors" in files
    assert not any("perturbed" in file for file in files)
    assert f"{DEMO}/classifiers/tiny.safetensors" in files
    assert f"{DEMO}/metrics/tiny/none/clipn128/seed0.parquet" in files


FEW = {"imagenet": {"dataset": "textures", "shots": 16, "seeds": [1, 2]}}


def test_training_images_are_fetched_and_encoded_and_what_is_fitted_on_them_is_scored() -> None:
    few = paths(GENERATED, train=FEW)
    added = [file for file in data_files(few) if file not in data_files(paths(GENERATED))]
    assert added == [
        f"{DEMO}/archives/textures/dtd-r1.0.1.tar.gz",
        *(f"{DEMO}/datasets/textures/{file}" for file in ("manifest.parquet", "dataset.json")),
    ]
    added = [file for file in feature_files(few) if file not in feature_files(paths(GENERATED))]
    scorings = [f"tiny/gda-16shot-alpha1.0/clipn128/seed{seed}" for seed in (1, 2)]
    assert added == [
        f"{DEMO}/features/tiny/textures.safetensors",
        *(f"{DEMO}/features/tiny/discriminants/imagenet/seed{seed}.safetensors" for seed in (1, 2)),
        *(f"{DEMO}/scores/{scoring}.parquet" for scoring in scorings),
        *(f"{DEMO}/metrics/{scoring}.{ending}" for ending in ("json", "parquet") for scoring in scorings),
    ]


def test_any_id_dataset_has_a_table_and_those_of_the_paper_are_always_there() -> None:
    demo = paths(GENERATED, pairs=OWN)
    own = [f"{DEMO}/tables/own_id/textures_ood.csv", "results/tables/textures_ood.csv"]
    assert own_ood_table_files(demo)[:2] == own
    files = report_files(demo, [])
    assert {*own, "results/tables/cifar10_ood.csv", f"{DEMO}/tables/imagenet_ood.csv"} < set(files)
    assert f"{DEMO}/tables/own_id/textures_ood.csv" in number_files(demo)
    summaries = [file for file in files if "/summary/" in file]
    assert summaries == [f"{home}/summary/{name}.json" for name in OWN for home in (DEMO, "results")]
    assert own_ood_table_files(paths(GENERATED)) == []


def test_a_study_of_baselines_alone_has_their_figures() -> None:
    made = study(GENERATED | BASELINES_ONLY | {"pairs": PAIRS})
    plain = [f"imagenet_{kind}_tiny" for kind in ("scores", "roc", "intervals", "calibration")]
    assert figure_names(made, []) == [*plain, "training"]
    assert (made.base, made.shown, made.trained_runs) == ("none", [], [])


def test_tables_lie_at_two_places() -> None:
    assert ood_table_files(paths(GENERATED), "cifar10")[:2] == [
        f"{DEMO}/tables/cifar10_ood.csv",
        "results/tables/cifar10_ood.csv",
    ]
    files = report_files(paths(GENERATED), ["training"])
    assert {f"{DEMO}/figures/training.pdf", "results/figures/training.pdf", "results/report.html"} <= set(files)
    assert f"{DEMO}/tables/metrics.md" not in files


OWN = {"textures": ["sun"], "imagenet": ["sun"]}
BASELINES_ONLY = {"variants": {}, "runs": []}


@pytest.mark.parametrize(
    "settings",
    [
        GENERATED,
        WRITTEN | {"mirror": None},
        GENERATED | {"pairs": OWN},
        GENERATED | BASELINES_ONLY,
        GENERATED | {"train": FEW},
        GENERATED | {"test_time": {"methods": ["adaneg", "zpe"], "stream": {"seeds": [1]}}},
    ],
)
def test_every_file_belongs_to_one_stage_of_dvc(settings: dict[str, object]) -> None:
    found = paths(settings)
    files = all_files(found, figure_names(found.study, [found.study.study]))
    assert len(files) == len(set(files))
    stages = load_stages(ROOT, "demo", files)
    assert {file: sum(stage.has(file) for stage in stages) for file in files} == dict.fromkeys(files, 1)
