"""Where the files of a study lie."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.study.names import RunName, Scoring
from clipn.study.paths import study_folder, study_of
from clipn.study.report_paths import short_path
from clipn.study.targets import data_files
from clipn.study.word_lists import fetched_words, word_files
from tests.helpers.studies import GENERATED, WRITTEN, paths

DEMO = "results/studies/demo"


def test_names_may_be_wildcards() -> None:
    demo = paths(GENERATED)
    assert demo.backbone("{backbone}") == f"{DEMO}/backbones/{{backbone}}.safetensors"
    assert demo.scores(Scoring("{b}", "{v}", "{p}", "{s}")) == f"{DEMO}/scores/{{b}}/{{v}}/{{p}}/seed{{s}}.parquet"


def test_a_path_is_found_again_in_its_study() -> None:
    demo = paths(GENERATED)
    assert study_of(demo.table("metrics")) == ("demo", "tables/metrics.csv")
    assert study_of(demo.run(RunName("tiny", "learnable", 1))) == ("demo", "runs/tiny/learnable/seed1.safetensors")


@pytest.mark.parametrize("path", ["results/tables/metrics.csv", study_folder("demo"), "config/studies/demo.yaml", "a"])
def test_a_path_elsewhere_is_of_no_study(path: str) -> None:
    assert study_of(path) is None


def test_people_find_copies_of_the_active_study_at_short_paths() -> None:
    demo = paths(GENERATED)
    assert short_path(demo.figure("training", "pdf")) == "results/figures/training.pdf"
    assert short_path(demo.page) == "results/report.html"
    assert demo.ood_table("imagenet") == f"{DEMO}/tables/imagenet_ood.csv"
    assert demo.ood_table("pets", "md") == f"{DEMO}/tables/own_id/pets_ood.md"
    assert short_path(demo.ood_table("pets")) == "results/tables/pets_ood.csv"


def test_the_demo_has_its_own_mirror_registry_and_words() -> None:
    demo = paths(GENERATED)
    assert demo.registries("sun", "cc3m") == [demo.generated_registry] == [f"{DEMO}/archives/mirror/datasets.yaml"]
    assert word_files(demo) == [f"{DEMO}/archives/mirror/words.txt"]
    assert word_files(paths(GENERATED, baselines=["eoe", "csp"])) == word_files(demo)
    assert f"{DEMO}/archives/mirror/SUN.tar.gz" in demo.mirrored
    assert demo.archives("sun") == [f"{DEMO}/archives/sun/SUN.tar.gz"]


def test_a_written_registry_and_a_word_list_lie_where_the_study_says() -> None:
    assert paths(WRITTEN).registries("sun") == ["config/datasets.yaml"]
    assert paths(WRITTEN).generated_registries("sun") == []
    assert word_files(paths(WRITTEN)) == []
    assert word_files(paths(WRITTEN, negative_words="words.txt")) == ["words.txt"]


def test_word_lists_of_the_registry_lie_among_the_archives(tmp_path: Path) -> None:
    archive = {"sha256": "0" * 64}
    lists = {name: {"title": name, "source": "x", "archive": archive | {"file": f"{name}.txt"}} for name in "abc"}
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump({"words": lists}))
    settings = {"registry": str(tmp_path / "registry.yaml"), "demo": {}, "negative_words": "a", "cleaning": []}
    envisioned = {"imagenet": "b", "cifar10": "b"}
    with_eoe = paths(WRITTEN | settings, baselines=["eoe", "csp"], envisioned_words=envisioned)
    files = [f"{DEMO}/archives/{name}/{name}.txt" for name in "ab"]
    assert word_files(with_eoe) == files == fetched_words(with_eoe)
    assert set(files) <= {*data_files(with_eoe)}
    assert word_files(paths(WRITTEN | settings)) == files[:1]


def test_switched_on_cleaning_lists_are_archives_where_they_are_asked_for() -> None:
    found = paths(WRITTEN, mirror=None)
    assert set(found.archives("places", cleaning=True)) > set(found.archives("places"))


def test_captions_whose_images_are_fetched_one_by_one_have_a_crawl_report() -> None:
    assert paths(WRITTEN, mirror=None).crawl_reports == ["results/studies/demo/captions/crawl_cc3m.json"]
    assert paths(GENERATED).crawl_reports == []


CAPTIONS = f"{DEMO}/caption_features/tiny/captions.safetensors"
IMAGES = f"{DEMO}/caption_features/tiny/views{{}}.safetensors"
SHARDS = [f"{DEMO}/shards/00000.tar", f"{DEMO}/shards/00001.tar"]


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ({"augmentation": "none"}, {"captions": CAPTIONS, "images": IMAGES.format(0)}),
        ({"augmentation": "stored", "views": 3}, {"captions": CAPTIONS, "images": IMAGES.format(3)}),
        ({"augmentation": "online"}, {"captions": CAPTIONS, "shards": SHARDS}),
        ({"no_texts": "handcrafted"}, {"shards": SHARDS}),
        ({"epochs": 0}, {}),
    ],
)
def test_what_a_run_is_trained_on(settings: dict[str, Any], files: dict[str, Any]) -> None:
    variants = GENERATED["variants"] | {"learnable": settings}
    demo = paths(GENERATED, variants=variants, captions={"sources": ["cc3m"], "shards": 2})
    always = {"backbone": f"{DEMO}/backbones/tiny.safetensors", "index": f"{DEMO}/shards/index.parquet"}
    assert demo.training_files("tiny", "learnable") == always | files


def test_features_of_single_methods() -> None:
    features = f"{DEMO}/features/tiny"
    needs = ("perturbed", "local", "no", "negatives", "csp_labels", "csp_negatives")
    assert paths(GENERATED).own_features("tiny", needs) == {
        "local": [f"{features}/local/{name}.safetensors" for name in ("imagenet", "cifar10")],
        "negatives": [f"{features}/negative_labels/{name}.safetensors" for name in ("imagenet", "cifar10")],
        "csp_negatives": [f"{features}/csp/{name}.safetensors" for name in ("imagenet", "cifar10")],
        "perturbed": [f"{features}/perturbed/{name}.safetensors" for name in ("imagenet", "cifar10")],
    }


def test_runs_of_a_backbone_and_its_classifiers() -> None:
    other = {"other": GENERATED["backbones"]["tiny"]}
    runs = [*GENERATED["runs"], {"backbone": "other", "variant": "learnable", "seeds": [7]}]
    demo = paths(GENERATED, backbones=GENERATED["backbones"] | other, runs=runs)
    assert demo.runs_of("other") == [RunName("other", "learnable", 7)]
    assert len(demo.runs_of("tiny")) == 4
    assert demo.classifiers("other") == f"{demo.classifiers_folder}/other.safetensors"


def test_weights_are_a_file_of_ones_own_or_one_that_is_fetched() -> None:
    assert paths(WRITTEN).weights("own/clip.pt") == "own/clip.pt"
    fetched = paths(WRITTEN).weights("ViT-B-32/laion2b_s34b_b79k")
    assert fetched.startswith(f"{DEMO}/weights/")
