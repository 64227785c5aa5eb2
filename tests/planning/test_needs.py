"""What jobs ask a cluster for, against figures worked out by hand."""

from pathlib import Path

import pytest

from clipn.planning.flops import TowerCosts
from clipn.planning.needs import Needs, covering_needs, job_needs
from clipn.planning.sizes import StudySizes
from clipn.study.config import Study
from clipn.study.loading import load_study

COSTS = TowerCosts(image=1, text=1, dimension=500, context=77, width=4, parameters=10**8, no_parameters=10**8)
SAMPLES, IMAGES, CLASSES = 2_891_445, 30_000, 110
"""Captions of the study, images of its largest dataset, classes of CIFAR-10 and CIFAR-100 together."""


@pytest.fixture
def cifar() -> Study:
    return load_study("cifar")


def needs(study: Study, **costs: int) -> dict[str, Needs]:
    towers = TowerCosts(**(COSTS.__dict__ | costs))
    return job_needs(study, StudySizes(study), dict.fromkeys(study.backbones, towers))


def changed(study: Study, **settings: object) -> Study:
    """A study with other settings."""
    return Study.model_validate(study.model_dump(mode="json", exclude_unset=True) | settings)


def half_hours(seconds: float) -> int:
    """A quarter of an hour and three times as long, in minutes, up to the next half hour."""
    return next(minutes for minutes in range(30, 10_000, 30) if minutes >= 15 + 3 * seconds / 60)


def test_time_is_that_of_reading_images_where_towers_cost_next_to_nothing(cifar: Study) -> None:
    found = needs(cifar)
    # Ten epochs of one seed, whose images four processes decode; 600 per second and core.
    assert found["train_clipn"].minutes == half_hours(10 * SAMPLES / (4 * 600)) == 630
    assert found["build_shards"].minutes == half_hours(SAMPLES / 600)
    assert found["verify_dataset"].minutes == half_hours(IMAGES / 600) == 30


def test_time_of_the_towers_follows_from_operations_and_the_device(cifar: Study) -> None:
    # Seventy thousand images: at 40 % of 19.5 TFLOP/s, and at 33 GFLOP/s on each of two threads.
    image = 10**12
    decoding = 70_000 / (2 * 600)
    on_gpu = needs(cifar, image=image)["cache_image_features"].minutes
    assert on_gpu == half_hours(70_000 * image / (0.4 * 19.5e12) + decoding)
    smaller = image // 100
    on_cpu = needs(cifar.model_copy(update={"device": "cpu"}), image=smaller)["cache_image_features"].minutes
    assert on_cpu == half_hours(70_000 * smaller / (2 * 33e9) + decoding)


def test_memory_holds_the_process_and_files_twice(cifar: Study) -> None:
    found, model = needs(cifar), 4 * 2 * 10**8
    of_images = 4e9 + 2 * (model + IMAGES * 4 * 500)
    of_scores = 4e9 + 2 * (model + 4 * 8 * IMAGES * CLASSES)
    # Online crops are stored nowhere: tokens and texts only.
    of_captions = 4e9 + 2 * (model + SAMPLES * 4 * (500 + 77))
    for rule, expected in (
        ("cache_image_features", of_images), ("score_runs", of_scores), ("train_clipn", of_captions)
    ):  # fmt: skip
        assert expected <= 1e6 * found[rule].mem_mb < expected + 1e9, rule


@pytest.fixture
def probing(cifar: Study) -> Study:
    """With a linear probe on the 50,000 training images of the hundred classes of CIFAR-100."""
    networks = {"net": {"model": "torchvision/resnet18", "weights": "net.pth"}}
    train = {"cifar100": {"kind": "cooked", "network": "net", "dataset": "cifar100_train"}}
    return changed(cifar, networks=networks, train=train)


def test_a_probe_is_fitted_on_one_core_whatever_the_device_and_the_threads(probing: Study) -> None:
    operations = 100 * 4 * 50_000 * 100 * 50_000
    for device in ("cpu", "cuda"):
        found = needs(changed(probing, device=device, threads=4), dimension=50_000)
        assert found["fit_probe"].minutes == half_hours(operations / 33e9) == 180


def test_a_probe_has_features_twice_and_logits_three_times_in_float64(probing: Study) -> None:
    found = needs(probing)
    expected = 4e9 + 2 * (4 * 2 * 10**8 + 50_000 * 4 * 500) + 8 * 50_000 * (2 * 500 + 3 * 100)
    assert expected <= 1e6 * found["fit_probe"].mem_mb < expected + 1e9
    assert "fit_discriminant" not in found


def test_captions_projected_from_a_locked_tower_take_memory_though_no_image_is_encoded(cifar: Study) -> None:
    locked = {"architecture": "ViT-B-32", "image_tower": "tower.pth", "training": {"lock_images": True}}
    runs = [{"backbone": "ViT-B-32", "variant": "plain", "seeds": [1]}]
    settings = {"backbones": {"ViT-B-32": locked}, "variants": {"plain": {"augmentation": "none"}}, "runs": runs}
    found = needs(changed(cifar, **settings))
    expected = 4e9 + 2 * (4 * 2 * 10**8 + SAMPLES * 4 * (2 * 500 + 77))
    assert expected <= 1e6 * found["project_caption_images"].mem_mb < expected + 1e9
    assert found["project_caption_images"].minutes == 0
    assert "project_caption_images" not in needs(cifar)


def test_intervals_are_of_all_methods_also_under_a_prompt_pool_of_ones_own(cifar: Study, tmp_path: Path) -> None:
    (pool := tmp_path / "mine.txt").write_text("a photo of a {}.\n")
    settings = {"variants": {}, "runs": [], "pairs": {"cifar10": ["cifar100"]}, "resamples": 100_000}
    methods = ["msp", "mcm", "odin_perturbed", "gl_mcm", "l_mcm"]
    found = needs(changed(cifar, **settings, prompts=[str(pool)], baselines=methods))
    # Of one backbone; ten thousand images of CIFAR-10 and as many of CIFAR-100.
    assert found["evaluate_runs"].minutes == half_hours(5 * 20_000 * 100_000 / 35e6) == 30


def test_cores_beside_a_gpu_are_for_threads_and_for_what_decodes(cifar: Study) -> None:
    found = needs(cifar)
    assert (found["train_clipn"].cores, found["cache_image_features"].cores) == (1 + 4, 2 + 2)
    on_cpu = needs(cifar.model_copy(update={"device": "cpu"}))
    assert not any(one.cores for one in on_cpu.values())


def test_several_studies_are_covered_by_the_largest_of_each() -> None:
    first, second = {"a": Needs(30, 9000, 1), "b": Needs(60)}, {"a": Needs(90, 5000, 4)}
    assert covering_needs([first, second]) == {"a": Needs(90, 9000, 4), "b": Needs(60)}
