"""How much a study computes, worked out before anything is fetched; what is not known is assumed, and named here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clipn.planning.flops import Towers
from clipn.planning.sizes import Amounts
from clipn.study.config import Published, Run, Study
from clipn.text.prompts import has_negations
from clipn.training.settings import Variant

TOKENS = 20
"""Of a text, with padding among texts of like length; captions of CC3M have 10.3 words on average (Sharma et al., ACL
2018)."""
GPU = "A100"
PEAK = {"fp16": 312e12, "bf16": 312e12, "fp32": 19.5e12}
"""Operations per second of that GPU, dense, as NVIDIA's data sheet gives them."""
SUSTAINED = 0.4
"""Share of the peak that is reached."""
TRAINING = 3
"""A training step in forward passes: two operations per multiply-add forward, four backward."""
PERTURBATION = 3
"""Forward, backward to the pixels only, and forward again."""


@dataclass(frozen=True)
class Work:
    """One kind of work with the towers of a study.

    Attributes:
        kind: what is done.
        of: for what.
        operations: floating-point operations, a multiply-add being two.
        images: how many are decoded.
        precision: of the towers.
    """

    kind: str
    of: str
    operations: float
    images: int = 0
    precision: str = "fp32"

    @property
    def gpu_hours(self) -> float:
        """Hours of the assumed GPU at the assumed share of its peak."""
        return self.operations / (SUSTAINED * PEAK[self.precision]) / 3600


def training_operations(variant: Variant, samples: int, towers: Towers) -> float:
    """Operations of one run.

    The "no" tower is trained; with several passes per batch it runs forward twice. What no cache holds is encoded anew:
    images for online crops, "yes" texts for hand-crafted ones.

    Args:
        variant: its settings.
        samples: of all epochs together.
        towers: of its backbone.
    """
    part = -(-variant.batch_size // variant.processes)
    again = variant.micro_batch is not None and variant.micro_batch < part
    per_sample = (TRAINING + again) * towers.text
    per_sample += towers.image if variant.augmentation == "online" else 0
    per_sample += towers.text if variant.no_texts == "handcrafted" else 0
    return samples * per_sample


def work(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> list[Work]:
    """All work with the towers, by kind.

    Args:
        study: what is asked for.
        amounts: its sizes.
        towers: cost of every backbone.
    """
    kinds = (_backbones, _captions, _runs, _images, _perturbed_images, _texts, _negative_labels)
    return [part for kind in kinds for part in kind(study, amounts, towers) if part.operations]


def _backbones(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Work]:
    for name, backbone in study.backbones.items():
        if backbone.training:
            samples, cost = amounts.total * backbone.training.epochs, towers[name]
            yield Work("backbone training", name, TRAINING * samples * (cost.image + cost.text), amounts.total)


def _captions(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Work]:
    """What the frozen towers say of the captions and their images."""
    for name in text_caches(study):
        yield Work("caption features", name, amounts.total * towers[name].text)
    for name, views in image_caches(study):
        number = amounts.total * max(views, 1)
        yield Work("caption images", f"{name}, {views or 'no'} random views", number * towers[name].image, number)


def _runs(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Work]:
    for run, variant in _taught(study):
        samples, number = amounts.samples_of_run(variant), len(run.seeds)
        operations = number * training_operations(variant, samples, towers[run.backbone])
        images = number * samples if variant.augmentation == "online" else 0
        what = f"{run.backbone}/{run.variant}, {number} seed{'s' if number > 1 else ''}"
        yield Work("training", what, operations, images, variant.precision)


def _images(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Work]:
    number = sum(amounts.images.values())
    for name, cost in towers.items():
        yield Work("image features", name, number * cost.image, number)


def _perturbed_images(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Work]:
    number, texts = amounts.perturbed()
    for name, cost in towers.items():
        operations = PERTURBATION * number * cost.image + texts * cost.text
        yield Work("perturbed image features", name, operations, number)


def _texts(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Work]:
    """Class names in all prompt pools: by the "yes" tower for the baselines, by both for every run."""
    for name, cost in towers.items():
        pools = study.prompts if study.baselines else []
        texts = sum(map(amounts.class_texts, pools))
        for run in study.runs:
            pools = [pool for pool in study.prompts if run.backbone == name and _suits(study, run, pool)]
            texts += 2 * len(run.seeds) * sum(map(amounts.class_texts, pools))
        yield Work("class texts", name, texts * cost.text)


def _negative_labels(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Work]:
    for name, cost in towers.items():
        yield Work("negative labels", name, amounts.negative_words() * cost.text)


def text_caches(study: Study) -> list[str]:
    """Backbones whose "yes" features of the captions are stored."""
    return list(dict.fromkeys(run.backbone for run, variant in _taught(study) if variant.no_texts == "learnable"))


def image_caches(study: Study) -> list[tuple[str, int]]:
    """Backbones whose features of the captions' images are stored, each with the number of random views."""
    stored = ((run, variant) for run, variant in _taught(study) if variant.augmentation != "online")
    caches = ((run.backbone, variant.views if variant.augmentation == "stored" else 0) for run, variant in stored)
    return list(dict.fromkeys(caches))


def _taught(study: Study) -> Iterator[tuple[Run, Variant]]:
    """The runs that take a step, with their settings."""
    for run in study.runs:
        variant = study.variants[run.variant]
        if isinstance(variant, Variant) and variant.epochs:
            yield run, variant


def _suits(study: Study, run: Run, pool: str) -> bool:
    """Whether a run is scored under a pool: one that negated texts taught needs them in evaluation, too."""
    variant = study.variants[run.variant]
    return isinstance(variant, Published) or variant.no_texts == "learnable" or has_negations(pool)
