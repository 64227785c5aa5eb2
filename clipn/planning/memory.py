"""How much memory of a machine a kind of work takes at most, worked out before anything is fetched."""

from collections.abc import Mapping
from math import ceil

from clipn.model.backbone import architecture
from clipn.planning.disk import LOG_ODDS
from clipn.planning.flops import FLOAT, TowerCosts
from clipn.planning.sizes import StudySizes
from clipn.study.config import Study
from clipn.study.fits import probes
from clipn.study.runs import image_caches
from clipn.study.settings.backbones import Backbone

PROCESS = 4e9
"""Bytes of a process with torch and the libraries of a GPU that has not opened anything: an assumption, since without
those libraries it is one gigabyte."""
COPIES = 2
"""How often a file lies in memory while it is read or written."""
PIXEL = 6
"""Bytes of three colours in float16, as a backbone's training keeps its images."""
SIDE = 224
"""Pixels of an image where an architecture says nothing else."""
TABLES = 4
"""Tables of log-odds, images times classes, that scoring holds at once."""
DOUBLE = 8
"""Bytes of a number that classifiers are fitted in."""
ON_CAPTIONS = {"caption features", "caption images", "locked image tower", "training"}


def memory_mb(kind: str, study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> int:
    """Megabytes of one process that does a kind of work, in whole thousands; the largest backbone counts.

    Args:
        kind: as `clipn.planning.work` names it, or `scoring`.
        study: the study.
        sizes: its sizes.
        costs: of every backbone.
    """
    model = max(FLOAT * (cost.parameters + cost.no_parameters) for cost in costs.values())
    fitting = _fitting(study, sizes, costs) if kind == "linear probes" else 0
    return 1000 * ceil((PROCESS + COPIES * (model + _held(kind, study, sizes, costs)) + fitting) / 1e9)


def _held(kind: str, study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> int:
    """Bytes of images, features or scores that are held at once."""
    images = max(sizes.images.values())
    dimension = max(max(cost.dimension, cost.tower_width) for cost in costs.values())
    if kind == "scoring":
        return TABLES * LOG_ODDS * images * sizes.class_texts("single")
    if kind == "backbone training":
        return sizes.total * max(_image_bytes(backbone, dimension) for backbone in study.backbones.values())
    if kind not in ON_CAPTIONS:
        return images * FLOAT * dimension
    # Tokens and one text beside the images; a training that draws crops online stores none of them.
    views = max((max(views, 1) for _, views in image_caches(study)), default=0)
    return sizes.total * FLOAT * (dimension * (1 + views) + max(cost.context for cost in costs.values()))


def _fitting(study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> int:
    """Bytes in which the largest probe is fitted: features, by class and all together, and three tables of logits."""
    dimension = max(cost.dimension for cost in costs.values())
    fitted = ((sizes.training_images(name, fit), sizes.classes(name)) for name, fit in probes(study).items())
    return DOUBLE * max(images * (2 * dimension + 3 * classes) for images, classes in fitted)


def _image_bytes(backbone: Backbone, dimension: int) -> int:
    """Bytes of an image, or of what a locked tower says of it, that a backbone's training holds."""
    if backbone.locked:
        return FLOAT * dimension
    side = architecture(backbone.architecture)["vision_cfg"].get("image_size", SIDE)
    return PIXEL * (side * side if isinstance(side, int) else side[0] * side[1])
