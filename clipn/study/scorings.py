"""What a study scores: its runs and the methods on plain CLIP, each under the prompt pools that suit it."""

from collections.abc import Iterable

from clipn.features.stored import WORD_FEATURES
from clipn.scores import COOKED, FITTED, IMPORTED, PLAIN_CLIP, SCORES
from clipn.study.config import Study
from clipn.study.fits import fits
from clipn.study.names import Scoring, family
from clipn.study.settings.variants import as_taught
from clipn.text.prompts import has_negations, pool_name
from clipn.training.settings import Variant

OWN_FEATURES = {"local", "perturbed", *(words.negatives for words in WORD_FEATURES.values())}
"""What some methods need beside the cached features of the datasets."""
ON_GDA = ("msp", "energy", "mcm")
"""Methods on zero-shot logits with those of a Gaussian discriminant analysis added."""
ON_COOKED = ("msp", "entropy")
"""Methods on the mean of three softmaxes, as in COOkeD."""


def id_and_ood(study: Study, id_dataset: str) -> list[str]:
    """An ID dataset and its OOD datasets."""
    return [id_dataset, *study.pairs[id_dataset]]


def prompt_pools(study: Study) -> dict[str, str]:
    """Prompt pools of a study by their names, each as the study writes it."""
    return {pool_name(pool): pool for pool in study.prompts}


def main_pool(study: Study) -> str:
    """Name of the prompt pool that figures and printed tables show."""
    return pool_name(study.prompts[0])


def scorings(study: Study) -> list[Scoring]:
    """All scorings of a study: of every backbone for the methods on plain CLIP, then of fits and of runs."""
    pools = prompt_pools(study)
    plain = [Scoring(name, PLAIN_CLIP, pool, 0) for name in study.backbones for pool in pools if baselines(study, pool)]
    taught = [
        Scoring(run.backbone, run.variant, pool, seed)
        for run in study.runs
        for pool in pools
        if can_score(study, run.variant, pool)
        for seed in run.seeds
    ]
    fitted = [Scoring(fit.backbone, fit.variant, pool, fit.seed) for fit in fits(study) for pool in pools]
    return [*plain, *fitted, *taught]


def imported_scorings(study: Study) -> list[Scoring]:
    """Scores that others computed, all of a backbone together."""
    backbones = dict.fromkeys(scores.backbone for scores in study.imported.values())
    return [Scoring(name, PLAIN_CLIP, IMPORTED, 0) for name in backbones]


def all_scorings(study: Study) -> list[Scoring]:
    """What is scored here, then what was imported."""
    return [*scorings(study), *imported_scorings(study)]


def main_scorings(study: Study) -> list[Scoring]:
    """All seeds of the first run under the main pool; without runs all on plain CLIP, of the first backbone."""
    backbone = family(study.runs[0].backbone if study.runs else next(iter(study.backbones)))
    pools = (main_pool(study), IMPORTED)
    return [
        name
        for name in all_scorings(study)
        if (family(name.backbone), name.variant) == (backbone, study.base) and name.prompts in pools
    ]


def by_backbone(scored: Iterable[Scoring]) -> dict[str, list[Scoring]]:
    """Scorings by their backbone."""
    found: dict[str, list[Scoring]] = {}
    for scoring in scored:
        found.setdefault(scoring.backbone, []).append(scoring)
    return found


def scored_alike(scored: Iterable[Scoring]) -> dict[tuple[Scoring, ...], list[str]]:
    """Backbones by their scorings, in which a wildcard stands for the backbone, so that one rule makes all of a key."""
    found: dict[tuple[Scoring, ...], list[str]] = {}
    for backbone, several in by_backbone(scored).items():
        found.setdefault(tuple(scoring._replace(backbone="{backbone}") for scoring in several), []).append(backbone)
    return found


def imported_files(study: Study, backbone: str) -> list[str]:
    """Files with the scores of others on a backbone."""
    return [
        path
        for scores in study.imported.values()
        if scores.backbone == backbone
        for files in scores.files.values()
        for path in files.values()
    ]


def baselines(study: Study, pool: str) -> list[str]:
    """Methods on plain CLIP under a prompt pool; those with features of their own come with the main pool only."""
    # Negative labels are chosen, images perturbed and patches compared once: under the main pool, as in their papers.
    is_main = pool == main_pool(study)
    return [name for name in study.baselines if is_main or not OWN_FEATURES & set(SCORES[name].needs)]


def can_score(study: Study, variant: str, pool: str) -> bool:
    """Whether a variant can be scored under a prompt pool.

    One that was taught by negated texts needs negated texts in evaluation, too.
    """
    settings = as_taught(study.variants, variant)
    handcrafted = isinstance(settings, Variant) and settings.no_texts == "handcrafted"
    return not handcrafted or has_negations(prompt_pools(study)[pool])


def methods(study: Study, variant: str, pool: str) -> list[str]:
    """Methods of a scoring: those of a "no" tower, those on plain CLIP, or those on a fitted classifier."""
    if variant == PLAIN_CLIP:
        return baselines(study, pool)
    if variant.startswith(FITTED):
        return [*(ON_COOKED if variant.startswith(COOKED) else ON_GDA)]
    return [name for name, score in SCORES.items() if score.needs_no]


def word_methods(study: Study) -> list[str]:
    """Methods whose words are encoded: those that set words against the ID classes."""
    # AdaNeg, which adapts on the test stream, reads NegLabel's words.
    named = {*study.baselines, *(["neglabel"] if study.test_time and study.test_time.reads_words else [])}
    return [method for method in WORD_FEATURES if method in named]


def own_features(names: list[str]) -> set[str]:
    """Which of `OWN_FEATURES` some methods need."""
    return OWN_FEATURES & {need for name in names for need in SCORES[name].needs}
