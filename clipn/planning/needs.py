"""What the jobs of every rule ask a cluster for, by the estimates of a study's work."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from clipn.planning.flops import TowerCosts
from clipn.planning.memory import memory_mb
from clipn.planning.sizes import StudySizes
from clipn.planning.work import CORE, CORES, FLOAT64, Work, work
from clipn.study.config import Study
from clipn.study.runs import image_caches, runs_with_steps
from clipn.study.scorings import methods, scorings

IMAGES = (
    "cache_image_features", "cache_small_image_features", "cache_tower_features", "project_image_features",
    "cache_network_logits",
)  # fmt: skip
RULES = {
    "locked image tower": ("cache_caption_tower_features",),
    "backbone training": ("train_backbone",),
    "caption features": ("cache_caption_features",),
    "caption images": ("cache_caption_images", "project_caption_images"),
    "training": ("train_clipn",),
    "image features": IMAGES,
    # The most costly on these images, so that it is enough for the other.
    "perturbed image features": ("perturbed_features", "local_features"),
    "patch features": ("local_features",),
    "class texts": ("encode_classes", "prompt_features"),
    "negative labels": ("negative_labels",),
    "greedy soup": ("average_greedily",),
    "discriminant analyses": ("fit_discriminant",),
    "linear probes": ("fit_probe",),
    "test streams": ("evaluate_streams",),
}
"""Rules that do a kind of work; each job of one that has several is taken to do that of all of them."""
ON_ONE_CORE = {"discriminant analyses", "linear probes"}
"""Whose sums would round by the number of threads."""
MARGIN = 3
"""How many times its estimate a job may take, since a cluster ends one that takes longer than it asked for."""
START, STEP = 15, 30
"""Minutes of a job for what no estimate counts, and the number that minutes are a multiple of."""
DECODED = 600
"""Images of the web per second that a core decodes and crops (docs/cluster.md)."""
RESAMPLED = 35e6
"""Scores of images per second that a core resamples for intervals, as measured (docs/cluster.md)."""
DECODERS = 2
"""Threads or processes that decode beside a model; of a training the study says how many."""


@dataclass(frozen=True)
class Needs:
    """What a job asks for.

    Attributes:
        minutes: until a cluster may end it; 0: as for all rules.
        mem_mb: megabytes of memory, not of GPUs; 0: as the rule says.
        cores: for each GPU; 0: the threads of the rule.
    """

    minutes: int
    mem_mb: int = 0
    cores: int = 0

    def covering(self, other: "Needs") -> "Needs":
        """What is enough for both."""
        return Needs(max(self.minutes, other.minutes), max(self.mem_mb, other.mem_mb), max(self.cores, other.cores))


def covering_needs(studies: Iterable[Mapping[str, Needs]]) -> dict[str, Needs]:
    """What is enough for each of several studies, by rule."""
    covering: dict[str, Needs] = {}
    for rule, needs in (item for study in studies for item in study.items()):
        covering[rule] = needs.covering(covering.get(rule, needs))
    return covering


def job_needs(study: Study, sizes: StudySizes, costs: Mapping[str, TowerCosts]) -> dict[str, Needs]:
    """What one job of a rule asks for, by rule; one whose work nothing estimates is not among them.

    Args:
        study: the study.
        sizes: its sizes.
        costs: of every backbone.
    """
    towers = (
        {rule: Needs(_minutes(study, part), memory_mb(part.kind, study, sizes, costs), _cores(study, part.kind))}
        for part in work(study, sizes, costs)
        for rule in RULES[part.kind]
    )
    dataset, captions = (_rounded(images / DECODED) for images in (max(sizes.images.values()), sizes.total))
    read = {"verify_dataset": dataset, "verify_captions": captions, "build_shards": captions}
    without_towers = {rule: Needs(minutes) for rule, minutes in read.items()}
    without_towers["score_runs"] = Needs(0, memory_mb("scoring", study, sizes, costs))
    if any(study.backbones[name].locked for name, _ in image_caches(study)):
        without_towers["project_caption_images"] = Needs(0, memory_mb("caption images", study, sizes, costs))
    without_towers["evaluate_runs"] = Needs(_rounded(_resampled(study, sizes) / RESAMPLED))
    return covering_needs([without_towers, *towers])


def _minutes(study: Study, part: Work) -> int:
    """Minutes of one job: its work, that of towers on the study's device, and decoding as if it went before."""
    threads = 1 if part.kind in ON_ONE_CORE else study.threads
    on_cpu = part.cpu_hours(CORE[study.arithmetic]) * CORES / threads
    hours = part.gpu_hours if study.device == "cuda" and part.precision != FLOAT64 else on_cpu
    decoders = study.workers if part.kind == "training" else DECODERS
    return _rounded((3600 * hours + part.images / (DECODED * max(decoders, 1))) / part.jobs)


def _resampled(study: Study, sizes: StudySizes) -> int:
    """Images whose scores the intervals of a backbone resample, once for each resample and score; the most of one."""
    scores = Counter[str]()
    for scoring in scorings(study):
        scores[scoring.backbone] += len(methods(study, scoring.variant, scoring.prompts))
    compared = (
        sizes.images[name]
        for id_dataset in study.pairs
        for other in study.pairs[id_dataset]
        for name in (id_dataset, other)
    )
    return max(scores.values(), default=0) * sum(compared) * study.resamples


def _cores(study: Study, kind: str) -> int:
    """Cores beside a GPU: threads of the model, and what decodes."""
    if study.device == "cpu":
        return 0
    if kind != "training":
        return study.threads + DECODERS
    return max(
        variant.threads + (study.workers if variant.augmentation == "online" else 0)
        for _, variant in runs_with_steps(study)
    )


def _rounded(seconds: float) -> int:
    return STEP * ceil((START + MARGIN * seconds / 60) / STEP)
