"""What a study computes and stores, against figures worked out by hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.planning.disk import DiskUsage, disk_usage
from clipn.planning.flops import TowerCosts
from clipn.planning.sizes import StudySizes
from clipn.planning.work import Work, training_operations, work
from clipn.study.config import Study
from clipn.text.prompts import prompt_pool
from clipn.training.settings import Variant
from tests.helpers.tiny_dataset import write_files

COSTS = TowerCosts(
    image=1000, text=10, dimension=8, context=20, width=4, parameters=100, no_parameters=30, tower_width=64
)


@pytest.mark.parametrize(
    ("settings", "per_sample"),
    [
        ({}, 3 * 10 + 1000),
        ({"augmentation": "stored"}, 3 * 10),
        ({"augmentation": "none", "no_texts": "handcrafted"}, 3 * 10 + 10),
        ({"augmentation": "none", "batch_size": 64, "micro_batch": 32}, 4 * 10),
        ({"augmentation": "none", "batch_size": 64, "micro_batch": 64}, 3 * 10),
        ({"augmentation": "none", "batch_size": 64, "micro_batch": 32, "processes": 2}, 3 * 10),
    ],
)
def test_operations_of_a_training(settings: dict[str, Any], per_sample: int) -> None:
    assert training_operations(Variant(**settings), samples=7, costs=COSTS) == 7 * per_sample


@pytest.mark.parametrize(("precision", "operations"), [("fp16", 124.8e12), ("bf16", 124.8e12), ("fp32", 7.8e12)])
def test_an_hour_is_forty_percent_of_the_peak_for_an_hour(precision: str, operations: float) -> None:
    assert Work("training", "x", operations * 3600, precision=precision).gpu_hours == pytest.approx(1)


def archive(file: str, **more: object) -> dict[str, object]:
    return {"file": file, "addresses": [f"https://example.org/{file}"], **more}


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    names = [f"class {number}" for number in range(5)]
    datasets: dict[str, dict[str, object]] = {
        "imagenet": {"images": 100, "classes": names},
        "cifar10": {"images": 50},
        "sun": {"images": 20},
        "isun": {},
    }
    common = {"reader": "flat"}
    records = {
        name: {"title": name, "archives": [archive(f"{name}.tar", bytes=1000)], **common, **more}
        for name, more in datasets.items()
    }
    tsv = archive("cc.tsv")
    captions = {
        "cc": {"title": "CC", "reader": "cc3m", "captions": tsv, "rows": 500, "trained_on": 400},
        "wds": {"title": "W", "reader": "webdataset", "rows": 600, "images": [archive("w.tar", bytes=7_000)]},
        "new": {"title": "N", "reader": "webdataset", "images": [archive("n.tar")]},
        "part": {
            "title": "P",
            "reader": "webdataset",
            "first": 3,
            "images": [archive("p-{0..9}.tar")],
            "captions_per_archive": 50,
            "image_size": 512,
        },
    }
    path = tmp_path / "registry.yaml"
    path.write_text(yaml.safe_dump({"datasets": records, "captions": captions}))
    return path


def study(registry: Path | None, **more: Any) -> Study:
    config: dict[str, Any] = {
        "study": "s",
        "captions": {"sources": ["cc", "wds"]},
        "backbones": {"b": {"architecture": "B", "pretrained": "t"}},
        "variants": {"learnable": {"epochs": 2}},
        "runs": [{"backbone": "b", "variant": "learnable", "seeds": [1, 2]}],
        "pairs": {"imagenet": ["sun"]},
        "prompts": ["single"],
        **({"registry": str(registry)} if registry else {}),
    }
    return Study.model_validate(config | more)


def operations(study: Study) -> dict[str, float]:
    """Operations by kind and what they are for."""
    parts = work(study, StudySizes(study), dict.fromkeys(study.backbones, COSTS))
    return {f"{part.kind} {part.of}": part.operations for part in parts}


def disk(study: Study) -> dict[str, int]:
    costs = dict.fromkeys(study.backbones, COSTS)
    return {part.what: part.bytes for part in disk_usage(study, StudySizes(study), costs, downloads=11)}


def locked_study(registry: Path) -> Study:
    """Two trainings of one backbone on a locked tower, each with a run."""
    training = {"lock_images": True, "epochs": 4}
    backbone = {"architecture": "B", "image_tower": "t.pth", "seeds": [1, 2], "training": training}
    variants = {"learnable": {"epochs": 2, "augmentation": "none"}}
    return study(registry, backbones={"b": backbone}, variants=variants)


class TestWork:
    """One image costs 1,000 operations, one text 10; there are 1,000 samples and 120 images."""

    def test_online_crops(self, registry: Path) -> None:
        made = study(registry)
        assert operations(made) == {
            "caption features b": 1000 * 10,
            "training b/learnable, 2 seeds": 2 * 2 * 1000 * (30 + 1000),
            "image features b": 120 * 1000,
            "class texts b": 5 * 10 + 2 * 5 * 10,
        }
        images = {part.kind: part.images for part in work(made, StudySizes(made), {"b": COSTS})}
        assert images == {"caption features": 0, "training": 4000, "image features": 120, "class texts": 0}

    def test_a_share_of_the_samples(self, registry: Path) -> None:
        variants = {"learnable": {"epochs": 2, "share": 0.1, "augmentation": "none", "precision": "bf16"}}
        parts = work(made := study(registry, variants=variants), StudySizes(made), {"b": COSTS})
        assert Work("training", "b/learnable, 2 seeds", 2 * 2 * 100 * 30, 0, "bf16", jobs=2) in parts

    def test_stored_images_are_encoded_once_for_all_that_share_them(self, registry: Path) -> None:
        stored = {"epochs": 1, "augmentation": "stored", "views": 3}
        variants = {"a": stored, "c": stored | {"prompts": 4}, "d": {"epochs": 1, "augmentation": "none"}}
        runs = [{"backbone": "b", "variant": name, "seeds": [1]} for name in variants]
        found = operations(study(registry, variants=variants, runs=runs))
        assert found["caption images b, 3 random views"] == 3 * 1000 * 1000
        assert found["caption images b, no random views"] == 1000 * 1000
        assert found["training b/a, 1 seed"] == 1000 * 30
        assert len(found) == 8

    def test_handcrafted_texts_are_scored_where_there_are_negations(self, registry: Path) -> None:
        handcrafted = {"epochs": 1, "augmentation": "none", "no_texts": "handcrafted"}
        settings = {"variants": {"learnable": handcrafted}, "prompts": ["clipn128", "openai80"], "baselines": []}
        found = operations(study(registry, **settings))
        assert found["training b/learnable, 2 seeds"] == 2 * 1000 * 40
        pools = [5 * len(prompt_pool(name)) for name in ("clipn128", "openai80")]
        assert found["class texts b"] == (sum(pools) + 2 * pools[0]) * 10
        assert "caption features b" not in found

    def test_untrained_and_published_runs_are_scored_only(self, registry: Path) -> None:
        variants = {
            "untrained": {"epochs": 0},
            "released": {"checkpoints": {1: "x.pt"}},
            "soup": {"soup_of": "released"},
        }
        runs = [{"backbone": "b", "variant": name, "seeds": [1]} for name in variants]
        found = operations(study(registry, variants=variants, runs=runs))
        assert found == {"image features b": 120 * 1000, "class texts b": (1 + 1 + 2 + 2) * 5 * 10}

    def test_a_backbone_of_its_own(self, registry: Path) -> None:
        backbones = {"b": {"architecture": "B", "training": {"epochs": 3}}}
        assert operations(study(registry, backbones=backbones))["backbone training b"] == 3 * 3 * 1000 * (1000 + 10)

    def test_a_locked_tower_encodes_every_image_once_for_all_backbones_on_it(self, registry: Path) -> None:
        found = operations(locked_study(registry))
        assert found.pop("locked image tower b, captions") == 1000 * 1000
        assert found.pop("image features b") == 120 * 1000
        assert found == {
            f"{what} b.seed{seed}{of}": operations
            for seed in (1, 2)
            for what, of, operations in (
                ("backbone training", "", 3 * 4 * 1000 * 10),
                ("caption features", "", 1000 * 10),
                ("training", "/learnable, 1 seed", 2 * 1000 * 30),
                ("class texts", "", 2 * 5 * 10),
            )
        }

    def test_methods_with_features_of_their_own(self, registry: Path, tmp_path: Path) -> None:
        words = tmp_path / "words.txt"
        words.write_text("hill\nlake\nhill\n")
        methods = {"baselines": ["msp", "odin_perturbed", "neglabel", "l_mcm"], "negative_words": str(words)}
        pairs = {"imagenet": ["sun"], "cifar10": ["sun"]}
        found = operations(study(registry, pairs=pairs, **methods))
        assert found["perturbed image features b"] == 3 * (100 + 20 + 50 + 20) * 1000 + (5 + 10) * 10
        assert found["patch features b"] == (100 + 20 + 50 + 20) * 1000 + (5 + 10) * 10
        assert found["negative labels b"] == 2 * 10

    def test_wordnet_is_not_needed_to_count_its_words(self, registry: Path) -> None:
        methods = {"baselines": ["neglabel"], "negative_words": "wordnet"}
        assert operations(study(registry, **methods))["negative labels b"] == 139_000 * 10

    def test_words_of_a_record_are_those_of_its_file_once_that_is_fetched(
        self, registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        words = {"far": {"title": "Far", "source": "x", "archive": archive("far.txt", sha256="0" * 64)}}
        registry.write_text(yaml.safe_dump(yaml.safe_load(registry.read_text()) | {"words": words}))
        made = study(registry, baselines=["neglabel"], negative_words="far")
        assert (StudySizes(made).word_texts(), StudySizes(made).unknown) == (0, ["far"])
        write_files(tmp_path / "results/studies/s/archives/far", {"far.txt": b"hill\nlake\nhill\n"})
        assert (StudySizes(made).word_texts(), StudySizes(made).unknown) == (2, [])

    def test_greedy_soups_score_every_run_and_mean_on_what_is_held_out(self, registry: Path) -> None:
        variants = {"learnable": {"epochs": 0}, "best": {"soup_of": "learnable", "kind": "greedy"}}
        runs = [
            {"backbone": "b", "variant": name, "seeds": seeds}
            for name, seeds in (("learnable", [1, 2, 3]), ("best", [1]))
        ]
        pairs = {"imagenet": ["sun"], "cifar10": ["sun"]}
        found = operations(
            study(registry, variants=variants, runs=runs, pairs=pairs, development={"cifar10": ["isun"]})
        )
        assert found["greedy soup b/best"] == (3 + 2) * 2 * 10 * 10

    @pytest.mark.parametrize(("shots", "images"), [(4, 4 * 5), ("all", 50)])
    def test_fits_of_every_seed_are_in_float64_on_the_cpu(self, registry: Path, shots: int | str, images: int) -> None:
        seeds = [1] if shots == "all" else [1, 2, 3]
        made = study(registry, train={"imagenet": {"dataset": "cifar10", "shots": shots, "seeds": seeds}})
        (found,) = (part for part in work(made, StudySizes(made), {"b": COSTS}) if part.kind == "discriminant analyses")
        covariance, factors, solution = 2 * images * 8**2, 2 * 8**3 / 3, 2 * 8**2 * 5
        assert found.operations == pytest.approx(len(seeds) * (covariance + factors + solution))
        assert (found.of, found.precision, found.images, found.gpu_hours) == ("b", "fp64", 0, 0)
        assert found.cpu_hours(found.operations) == pytest.approx(1 / 8 / 3600)

    def test_probes_take_a_hundred_times_the_logits_of_all_images_and_their_gradient(self, registry: Path) -> None:
        networks = {"net": {"model": "torchvision/resnet18", "weights": "net.pth"}}
        cooked = {"kind": "cooked", "network": "net"}
        fitted = cooked | {"dataset": "isun", "shots": 4, "seeds": [1, 2, 3]}
        imported = cooked | {"probes": {"b": "probe.pth"}}
        pairs = {"imagenet": ["sun"], "cifar10": ["sun"]}
        made = study(registry, networks=networks, train={"imagenet": fitted, "cifar10": imported}, pairs=pairs)
        (found,) = (part for part in work(made, StudySizes(made), {"b": COSTS}) if part.kind == "linear probes")
        assert found == Work("linear probes", "b", 3 * 100 * 4 * (4 * 5) * 8 * 5, precision="fp64")
        assert not any(kind.startswith("discriminant") for kind in operations(made))

    def test_streams_compare_images_with_labels_and_memory(self, registry: Path, tmp_path: Path) -> None:
        words = tmp_path / "words.txt"
        words.write_text("".join(f"word {number}\n" for number in range(40)))
        test_time = {"methods": ["adaneg", "adaneg_released"], "stream": {"seeds": [1, 2, 3]}}
        pairs = {"imagenet": ["sun", "cifar10"], "cifar10": ["sun"]}
        found = operations(study(registry, test_time=test_time, negative_words=str(words), pairs=pairs))
        of_imagenet = (100 + 20 + 100 + 50) * (6 + 5 + 10 * 5)
        of_cifar10 = (50 + 20) * (6 + 10 + 10 * 10)
        assert found["test streams b"] == 2 * 3 * 2 * 8 * (of_imagenet + of_cifar10)

    def test_weighing_prompts_compares_images_with_the_classes_under_each_once(self, registry: Path) -> None:
        test_time = {"methods": ["zpe"], "stream": {"seeds": [1, 2, 3]}}
        found = operations(study(registry, test_time=test_time, prompts=["openai80"]))
        assert found["test streams b"] == 2 * 8 * 120 * (80 + 1) * 5

    def test_wordnet_has_more_words_than_become_negative_labels(self, registry: Path) -> None:
        test_time = {"methods": ["adaneg"], "stream": {"seeds": [1]}}
        found = operations(study(registry, test_time=test_time, negative_words="wordnet"))
        assert found["test streams b"] == 2 * 8 * 120 * (10_000 + 5 + 10 * 5)

    def test_csp_puts_every_word_in_its_templates_and_eoe_has_500_outliers(self, registry: Path) -> None:
        methods = {"baselines": ["eoe", "csp", "neglabel"], "negative_words": "wordnet"}
        envisioned = {"imagenet": "outliers"}
        found = operations(study(registry, pairs={"imagenet": ["sun"]}, envisioned_words=envisioned, **methods))
        assert found["negative labels b"] == ((1 + 8) * 139_000 + 500) * 10


class TestSizes:
    def test_the_number_that_the_paper_trained_on_comes_before_the_rows(self, registry: Path) -> None:
        assert StudySizes(study(registry)).samples == {"cc": 400, "wds": 600}

    def test_a_part_of_the_archives_has_its_share_of_the_captions(self, registry: Path) -> None:
        made = study(registry, captions={"sources": ["part"]})
        assert StudySizes(made).samples == {"part": 3 * 50}
        registry.write_text(registry.read_text().replace("first: 3", "first: 3\n    trained_on: 900"))
        assert StudySizes(made).samples == {"part": 3 * 50}
        assert disk(made)["caption images in archives of unknown size"] == 3 * 50 * 4 * 24_000

    def test_classes_are_those_of_the_registry_or_as_many_as_the_dataset_is_known_for(self, registry: Path) -> None:
        sizes = StudySizes(study(registry, pairs={"imagenet": ["sun"], "cifar10": ["sun"]}))
        assert sizes.class_texts("single") == 5 + 10

    def test_classes_of_ones_own_folder_are_counted_in_it(self, tmp_path: Path) -> None:
        files = {f"{kind}/0.png": b"" for kind in ("cat", "dog", "eel")}
        write_files(tmp_path / "pets", files)
        pets = {"title": "Pets", "reader": "folders", "folder": "pets", "images": 3}
        far = {"title": "Far", "reader": "folders", "archives": [{"file": "far.tar"}], "images": 5}
        (path := tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": {"pets": pets, "far": far}}))
        own = {"captions": {}, "variants": {}, "runs": []}
        sizes = StudySizes(study(path, **own, pairs={"pets": ["far"]}))
        assert (sizes.class_texts("single"), sizes.unknown) == (3, [])
        sizes = StudySizes(study(path, **own, pairs={"far": ["pets"]}))
        assert (sizes.class_texts("single"), sizes.unknown) == (0, ["far"])

    def test_what_is_unknown_counts_for_nothing_and_is_named(self, registry: Path) -> None:
        sizes = StudySizes(study(registry, captions={"sources": ["new"]}, pairs={"imagenet": ["isun"]}))
        assert (sizes.total, sizes.images) == (0, {"imagenet": 100, "isun": 0})
        assert sizes.unknown == ["new", "isun"]

    def test_a_generated_world(self) -> None:
        world = {"demo": {"captions": 30, "images": 7}, "captions": {"sources": ["cc3m"]}}
        sizes = StudySizes(study(None, **world))
        assert (sizes.samples, sizes.images) == ({"cc3m": 30}, {"imagenet": 7, "sun": 7})
        assert sizes.class_texts("single") == 1000


class TestDisk:
    def test_of_a_study_that_crawls(self, registry: Path) -> None:
        assert disk(study(registry)) == {
            "archives and weights": 11,
            "crawled images": 400 * 24_000,
            "shards": 400 * 24_000 + 7_000,
            "image features": 120 * 8 * 4,
            "caption features and tokens": 1000 * (8 + 20) * 4,
            "backbones": 100 * 4,
            "checkpoints": 2 * (100 + 30 + 16 * 20 * 4) * 4,
        }

    def test_archives_of_unknown_size_are_estimated_by_their_images(self, registry: Path) -> None:
        text = registry.read_text().replace("bytes: 7000", "md5: null")
        registry.write_text(text)
        found = disk(study(registry, captions={"sources": ["wds"]}))
        assert found["caption images in archives of unknown size"] == found["shards"] == 600 * 24_000

    def test_crawled_images_grow_with_their_area(self, registry: Path) -> None:
        captions = {"sources": ["cc"], "crawl": {"image_size": 128}}
        assert disk(study(registry, captions=captions))["crawled images"] == 400 * 6_000

    def test_features_of_a_locked_tower(self, registry: Path) -> None:
        assert disk(locked_study(registry))["features of locked image towers"] == (1000 + 120) * 4 * 64

    def test_stored_views(self, registry: Path) -> None:
        variants = {"learnable": {"epochs": 1, "augmentation": "stored", "views": 3}}
        assert disk(study(registry, variants=variants))["features of the captions' images"] == 1000 * 3 * 8 * 4

    def test_perturbed_images_have_features_for_every_pair(self, registry: Path) -> None:
        assert disk(study(registry, baselines=["odin_perturbed"]))["image features"] == 2 * 120 * 8 * 4

    def test_patches_take_a_number_per_image_for_every_pair(self, registry: Path) -> None:
        found = disk(study(registry, baselines=["gl_mcm", "l_mcm"]))
        assert (found["image features"], found["best patches"]) == (120 * 8 * 4, 120 * 8)

    @pytest.mark.parametrize(
        ("variant", "bank"),
        [
            ({"epochs": 1, "prompts": 2, "tokens": 5}, 2 * 5 * 4),
            ({"epochs": 1, "no_texts": "handcrafted"}, 0),
            ({"checkpoints": {1: "x.pt", 2: "y.pt"}}, 16 * 20 * 4),
        ],
    )
    def test_checkpoints_hold_their_bank_of_prompts(self, registry: Path, variant: dict[str, Any], bank: int) -> None:
        made = study(registry, variants={"learnable": variant}, prompts=["clipn128"])
        assert disk(made)["checkpoints"] == 2 * (100 + 30 + bank) * 4

    def test_only_published_sizes_are_no_estimates(self, registry: Path) -> None:
        made = study(registry)
        first, *others = disk_usage(made, StudySizes(made), {"b": COSTS}, downloads=11)
        assert first == DiskUsage("archives and weights", 11, is_estimate=False)
        assert all(part.is_estimate for part in others)
