"""How much disk a study takes, worked out before anything is fetched."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clipn.data.registry import CaptionSource
from clipn.planning.flops import FLOAT, TowerCosts
from clipn.planning.sizes import StudySizes
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.runs import image_caches, text_caches
from clipn.study.settings.runs import Run
from clipn.study.settings.variants import ReleasedVariant, as_taught
from clipn.study.weights import locked_towers
from clipn.training.settings import Variant

PHOTOGRAPH = 24_000
"""Bytes of a photograph of the web whose shorter side is 256 pixels, as JPEG: CC3M is about 70 GB."""
PHOTOGRAPH_SIDE = 256
LOG_ODDS = 8
"""Bytes of a float64."""
DEMO_SAMPLE = 4_000
"""Bytes of a sample of the generated world in a shard, as measured."""


@dataclass(frozen=True)
class DiskUsage:
    """Files of one kind.

    Attributes:
        what: kind of files.
        bytes: of all of them.
        is_estimate: whether anything else than published sizes went into it.
    """

    what: str
    bytes: int
    is_estimate: bool = True


def disk_usage(study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts], downloads: int) -> list[DiskUsage]:
    """What the files of a study take, by kind.

    Args:
        study: the study.
        sizes: its sizes.
        costs: of every backbone.
        downloads: known bytes of archives and weights.
    """
    perturbed, _ = sizes.under_classes("perturbed")
    compared, _ = sizes.under_classes("local")
    images = sum(sizes.images.values()) + perturbed
    texts = (FLOAT * (costs[name].dimension + costs[name].context) for name in text_caches(study))
    # 0 views stand for the one evaluation crop.
    views = (FLOAT * costs[name].dimension * max(views, 1) for name, views in image_caches(study))
    widths = (costs[name].tower_width for name in locked_towers(study).values())
    checkpoints = (len(run.seeds) * _checkpoint_bytes(study, run, costs[run.backbone]) for run in study.runs)
    parts = [
        DiskUsage("archives and weights", downloads, is_estimate=False),
        *_caption_images(study, sizes),
        DiskUsage("features of locked image towers", (images + sizes.total) * FLOAT * sum(widths)),
        DiskUsage("image features", sum(images * FLOAT * cost.dimension for cost in costs.values())),
        DiskUsage("prompt features", sizes.weighted_texts() * FLOAT * sum(cost.dimension for cost in costs.values())),
        DiskUsage("best patches", len(costs) * compared * LOG_ODDS),
        DiskUsage("caption features and tokens", sizes.total * sum(texts)),
        DiskUsage("features of the captions' images", sizes.total * sum(views)),
        DiskUsage("backbones", sum(cost.backbone_bytes for cost in costs.values())),
        DiskUsage("checkpoints", sum(checkpoints)),
    ]
    return [part for part in parts if part.bytes]


def _caption_images(study: Study, sizes: StudySizes) -> Iterator[DiskUsage]:
    """Images of the captions: as they come, where no size of that is published, and in shards."""
    data = StudyData(study)
    crawled, unmeasured, in_shards = 0, 0, 0
    for name, samples in sizes.samples.items():
        record, sample, archives = data.record(name), DEMO_SAMPLE, []
        if isinstance(record, CaptionSource):
            side = record.image_size or study.captions.crawl.image_size
            # A JPEG grows with its area, the square of its side.
            sample = round(PHOTOGRAPH * (side / PHOTOGRAPH_SIDE) ** 2)
            archives = [archive.bytes for archive in record.images]
        guess = samples * sample
        crawled += guess if name in data.crawled else 0
        unmeasured += guess if None in archives else 0
        # A sum with an unknown size in it would be too small; a guess of the whole is nearer.
        in_shards += sum(filter(None, archives)) if archives and None not in archives else guess
    yield DiskUsage("crawled images", crawled)
    yield DiskUsage("caption images in archives of unknown size", unmeasured)
    yield DiskUsage("shards", in_shards)


def _checkpoint_bytes(study: Study, run: Run, costs: TowerCosts) -> int:
    variant = as_taught(study.variants, run.variant)
    # Released checkpoints are as the released code makes them, which is what the defaults are.
    settings = Variant() if isinstance(variant, ReleasedVariant) else variant
    prompts = settings.prompts if settings.no_texts == "learnable" else 0
    return costs.checkpoint_bytes(prompts, settings.tokens)
