"""What a study trains and averages, and on which cached features."""

from collections.abc import Iterable, Iterator

from clipn.study.config import Study
from clipn.study.names import RunName
from clipn.study.settings.runs import Run
from clipn.study.settings.variants import Soup
from clipn.training.settings import Variant


def run_names(runs: Iterable[Run]) -> list[RunName]:
    """One name for every seed."""
    return [RunName(run.backbone, run.variant, seed) for run in runs for seed in run.seeds]


def soup_members(study: Study, backbone: str, variant: str) -> list[RunName]:
    """The runs that a soup averages: all those, on the backbone, of the variant that it is of."""
    soup = study.variants[variant]
    assert isinstance(soup, Soup)
    return [name for name in run_names(study.runs) if (name.backbone, name.variant) == (backbone, soup.soup_of)]


def runs_with_steps(study: Study) -> Iterator[tuple[Run, Variant]]:
    """The runs that take at least one training step, with their settings."""
    for run in study.runs:
        variant = study.variants[run.variant]
        if isinstance(variant, Variant) and variant.epochs:
            yield run, variant


def stored_views(variant: Variant) -> int | None:
    """Stored crops of every image that a variant trains on; 0: the evaluation crop, None: crops are drawn online."""
    return {"online": None, "none": 0, "stored": variant.views}[variant.augmentation]


def text_caches(study: Study) -> list[str]:
    """Backbones whose "yes" features of the captions are cached."""
    return list(
        dict.fromkeys(run.backbone for run, variant in runs_with_steps(study) if variant.no_texts == "learnable")
    )


def image_caches(study: Study) -> list[tuple[str, int]]:
    """Backbones whose features of the captions' images are cached, each with its `stored_views`."""
    caches = ((run.backbone, stored_views(variant)) for run, variant in runs_with_steps(study))
    # ZPE compares test images with the captions', under the same crop.
    compared = [(backbone, 0) for backbone in study.backbones if study.test_time and study.test_time.weighs_prompts]
    return list(dict.fromkeys([*((backbone, views) for backbone, views in caches if views is not None), *compared]))
