"""How much a study computes, worked out before anything is fetched; what is not known is assumed, and named here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clipn.planning.cached import fit_operations, probe_operations, stream_operations
from clipn.planning.flops import TowerCosts
from clipn.planning.sizes import StudySizes
from clipn.study.config import Study
from clipn.study.runs import image_caches, runs_with_steps, soup_members, text_caches
from clipn.study.scorings import prompt_pools, scorings
from clipn.study.settings.variants import ReleasedVariant, Soup, as_taught
from clipn.study.weights import locked_towers
from clipn.training.settings import Variant

TOKENS = 20
"""Of a text, with padding among texts of like length; captions of CC3M have 10.3 words on average (Sharma et al., ACL
2018)."""
GPU = "A100"
PEAK = {"fp16": 312e12, "bf16": 312e12, "fp32": 19.5e12}
"""Operations per second of that GPU, dense, as NVIDIA's data sheet gives them."""
SUSTAINED = 0.4
"""Share of the peak that is reached."""
FLOAT64 = "fp64"
"""Of features, on the CPU whatever the device."""
CORES = 8
CORE = {"portable": 33e9, "fast": 70e9}
"""Operations per second of one core in float32 by arithmetic: training and texts of ViT-B/32, which images surpass by a
fifth, as `python -m benchmarks.rates` measured them on an AMD EPYC with AVX-512 (docs/speed.md)."""
TRAINING = 3
"""A training step in forward passes: two operations per multiply-add forward, four backward."""
PERTURBATION = 3
"""Forward, backward to the pixels only, and forward again."""


@dataclass(frozen=True)
class Work:
    """One kind of work of a study.

    Attributes:
        kind: what is done.
        of: for what.
        operations: floating-point operations, a multiply-add being two.
        images: how many are decoded.
        precision: of the towers; `FLOAT64` of what is computed from their features.
        jobs: among how many it is split evenly.
    """

    kind: str
    of: str
    operations: float
    images: int = 0
    precision: str = "fp32"
    jobs: int = 1

    @property
    def gpu_hours(self) -> float:
        """Hours of the assumed GPU at the assumed share of its peak; none of what the CPU computes in any case."""
        return self.operations / (SUSTAINED * PEAK[self.precision]) / 3600 if self.precision in PEAK else 0.0

    def cpu_hours(self, core: float) -> float:
        """Hours of the assumed cores at `core` operations per second each, whatever the precision."""
        return self.operations / (CORES * core) / 3600


def training_operations(variant: Variant, samples: int, costs: TowerCosts) -> float:
    """Operations of one run.

    The "no" tower is trained; with several passes per batch it runs forward twice. What no cache holds is encoded at
    every step: images for online crops, "yes" texts for hand-crafted ones.

    Args:
        variant: its settings.
        samples: of all epochs together.
        costs: of its backbone.
    """
    local_batch = -(-variant.batch_size // variant.processes)
    # Gradient caching: a pass without gradients for the loss of the whole batch, then one with them for each part.
    again = variant.micro_batch is not None and variant.micro_batch < local_batch
    per_sample = (TRAINING + again) * costs.text
    per_sample += costs.image if variant.augmentation == "online" else 0
    per_sample += costs.text if variant.no_texts == "handcrafted" else 0
    return samples * per_sample


def work(study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> list[Work]:
    """All work with the towers and their features, by kind, in the order of the pipeline.

    Args:
        study: the study.
        sizes: its sizes.
        costs: of every backbone.
    """
    parts = [*_training(study, sizes, costs), *_evaluation(study, sizes, costs), *_cached(study, sizes, costs)]
    return [part for part in parts if part.operations]


def _training(study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> Iterator[Work]:
    """Backbones, what the frozen towers say of the captions and their images, and the runs."""
    for tower, name in locked_towers(study).items():
        yield Work("locked image tower", f"{tower}, captions", sizes.total * costs[name].image, sizes.total)
    for name, backbone in study.backbones.items():
        if backbone.training:
            passes = TRAINING * sizes.total * backbone.training.epochs
            # Decoded once: this training keeps all its images in memory, or reads what a locked tower says of them.
            trained = costs[name].text + (0 if backbone.locked else costs[name].image)
            yield Work("backbone training", name, passes * trained, 0 if backbone.locked else sizes.total)
    for name in text_caches(study):
        yield Work("caption features", name, sizes.total * costs[name].text)
    for name, views in image_caches(study):
        # 0 views stand for the one evaluation crop, which a locked tower has encoded.
        number = 0 if study.backbones[name].locked and views == 0 else sizes.total * max(views, 1)
        yield Work("caption images", f"{name}, {views or 'no'} random views", number * costs[name].image, number)
    for run, variant in runs_with_steps(study):
        samples, number = sizes.samples_of_run(variant), len(run.seeds)
        operations = number * training_operations(variant, samples, costs[run.backbone])
        images = number * samples if variant.augmentation == "online" else 0
        what = f"{run.backbone}/{run.variant}, {number} seed{'s' if number > 1 else ''}"
        yield Work("training", what, operations, images, variant.precision, number)
    for run in study.runs:
        soup = study.variants[run.variant]
        if isinstance(soup, Soup) and soup.kind == "greedy":
            # Each run is scored, then each mean but that of the best alone: by the texts of both towers.
            scored = 2 * len(soup_members(study, run.backbone, run.variant)) - 1
            texts = scored * 2 * sizes.class_texts(study.prompts[0], study.development)
            yield Work("greedy soup", f"{run.backbone}/{run.variant}", texts * costs[run.backbone].text)


def _evaluation(study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> Iterator[Work]:
    """Features of images, and texts of classes and negative labels; scoring itself is next to nothing."""
    images = sum(sizes.images.values())
    # What a locked tower says serves all backbones on it.
    encoding = locked_towers(study) | {name: name for name in costs if not study.backbones[name].locked}
    for what, name in encoding.items():
        yield Work("image features", what, images * costs[name].image, images)
    for what, need, passes in (("perturbed image features", "perturbed", PERTURBATION), ("patch features", "local", 1)):
        number, texts = sizes.under_classes(need)
        for name, cost in costs.items():
            yield Work(what, name, passes * number * cost.image + texts * cost.text, number)
    pools, scored = prompt_pools(study), scorings(study)
    for name, cost in costs.items():
        texts = sum(map(sizes.class_texts, pools.values())) + sizes.weighted_texts()
        for scoring in scored:
            if scoring.backbone == name and scoring.variant in study.variants:
                # A run shares the "yes" tower of its backbone, but for the last digits of a released checkpoint.
                towers = 2 if isinstance(as_taught(study.variants, scoring.variant), ReleasedVariant) else 1
                texts += towers * sizes.class_texts(pools[scoring.prompts])
        yield Work("class texts", name, texts * cost.text)
    for name, cost in costs.items():
        yield Work("negative labels", name, sizes.word_texts() * cost.text)


def _cached(study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> Iterator[Work]:
    """Classifiers that are fitted, and methods that adapt on the test stream."""
    for name, cost in costs.items():
        fitting = fit_operations(study, sizes, name, cost.dimension)
        yield Work("discriminant analyses", name, fitting, precision=FLOAT64)
    for name, cost in costs.items():
        probing = probe_operations(study, sizes, name, cost.dimension)
        yield Work("linear probes", name, probing, precision=FLOAT64)
    for name, cost in costs.items():
        yield Work("test streams", name, stream_operations(study, sizes, cost.dimension), precision=FLOAT64)
