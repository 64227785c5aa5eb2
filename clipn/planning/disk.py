"""How much disk a study takes, worked out before anything is fetched."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clipn.data.registry import CaptionSource
from clipn.planning.flops import FLOAT, Towers
from clipn.planning.sizes import Amounts
from clipn.planning.work import image_caches, text_caches
from clipn.study.config import Published, Run, Study
from clipn.study.data import StudyData
from clipn.training.settings import Variant

CRAWLED_IMAGE = 24_000
"""Bytes of a photograph whose shorter side is 256 pixels, as JPEG: CC3M is about 70 GB."""
CRAWLED_SIZE = 256
DEMO_SAMPLE = 4_000
"""Bytes of a sample of the generated world in a shard, as measured."""


@dataclass(frozen=True)
class Space:
    """Files of one kind.

    Attributes:
        what: kind of files.
        bytes: of all of them.
        is_estimate: whether anything else than published sizes went into it.
    """

    what: str
    bytes: int
    is_estimate: bool = True


def space(study: Study, amounts: Amounts, towers: Mapping[str, Towers], downloads: int) -> list[Space]:
    """What the files of a study take.

    Args:
        study: what is asked for.
        amounts: its sizes.
        towers: cost of every backbone.
        downloads: known bytes of archives and weights.
    """
    known = Space("archives and weights", downloads, is_estimate=False)
    parts = [known, *_captions(study, amounts), *_features(study, amounts, towers), *_models(study, towers)]
    return [part for part in parts if part.bytes]


def _captions(study: Study, amounts: Amounts) -> Iterator[Space]:
    """Images of the captions: as they come, where no size of that is published, and in shards."""
    data, crawled, unmeasured, sealed = StudyData(study), 0, 0, 0
    for name, samples in amounts.samples.items():
        record, guess = data.record(name), samples * _sample_bytes(study)
        sizes = [archive.bytes for archive in record.images] if isinstance(record, CaptionSource) else []
        is_crawled = isinstance(record, CaptionSource) and record.is_crawled
        crawled += guess if is_crawled else 0
        unmeasured += guess if None in sizes else 0
        sealed += sum(filter(None, sizes)) if sizes and None not in sizes else guess
    yield Space("crawled images", crawled)
    yield Space("caption images in archives of unknown size", unmeasured)
    yield Space("shards", sealed)


def _sample_bytes(study: Study) -> int:
    if study.demo:
        return DEMO_SAMPLE
    return round(CRAWLED_IMAGE * (study.captions.crawl.image_size / CRAWLED_SIZE) ** 2)


def _features(study: Study, amounts: Amounts, towers: Mapping[str, Towers]) -> Iterator[Space]:
    perturbed, _ = amounts.perturbed()
    images = sum(amounts.images.values()) + perturbed
    yield Space("image features", sum(images * FLOAT * cost.dimension for cost in towers.values()))
    texts = (FLOAT * (towers[name].dimension + towers[name].context) for name in text_caches(study))
    yield Space("caption features and tokens", amounts.total * sum(texts))
    views = (FLOAT * towers[name].dimension * max(views, 1) for name, views in image_caches(study))
    yield Space("features of the captions' images", amounts.total * sum(views))


def _models(study: Study, towers: Mapping[str, Towers]) -> Iterator[Space]:
    yield Space("backbones", sum(cost.backbone_bytes for cost in towers.values()))
    yield Space("checkpoints", sum(len(run.seeds) * _checkpoint(study, run, towers) for run in study.runs))


def _checkpoint(study: Study, run: Run, towers: Mapping[str, Towers]) -> int:
    """Bytes of one; a published one is as the released code makes it, which is the default."""
    variant = study.variants[run.variant]
    settings = Variant() if isinstance(variant, Published) else variant
    prompts = settings.prompts if settings.no_texts == "learnable" else 0
    return towers[run.backbone].checkpoint_bytes(prompts, settings.tokens)
