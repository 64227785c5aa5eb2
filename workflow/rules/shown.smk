"""Which figures the study has, and which runs they show; no rule in here."""

PLAIN_KINDS = ["scores", "roc", "intervals"]
TAUGHT_KINDS = [
    "similarity",
    *(["reliability"] if {"ctw", "atd"} & {*study.rules} else []),
    *(["mistakes"] if "atd" in study.rules else []),
]
"""Figures of every ID dataset and backbone, and of those with a "no" tower."""


def trains():
    """Whether any training of the study takes a step, so that there is a curve to draw."""
    epochs = (study.variants[run.variant].epochs for run in study.trained_runs)
    return bool(TRAINED) or any(epochs)


def kinds(backbone):
    """Kinds of figures of every ID dataset on a backbone."""
    shown = any(
        run.backbone == backbone and run.variant in study.shown for run in study.runs
    )
    plain = PLAIN_KINDS if shown or study.baselines else []
    return plain + TAUGHT_KINDS * shown


@cache
def figure_names():
    """Names of all figures, in the order of the page."""
    per_known = [
        f"{known}_{kind}_{backbone}"
        for known in study.pairs
        for backbone in study.backbones
        for kind in kinds(backbone)
    ]
    curves = [f"{known}_ablations" for known in study.pairs] if study.ablations else []
    compared = (
        ["published"]
        if study.study in or_exit(load_published, Path(PUBLISHED_NUMBERS)).studies
        else []
    )
    training = ["training"] if trains() else []
    return [*compared, *per_known, *curves, *training]


def main_variant(backbone):
    """The first variant that was run on a backbone."""
    return next(run.variant for run in study.runs if run.backbone == backbone)


def first_seed(backbone, variant):
    """The first seed of a variant on a backbone."""
    runs = (
        run for run in study.runs if (run.backbone, run.variant) == (backbone, variant)
    )
    return next(runs).seeds[0]


def first_checkpoint(backbone):
    """The first run of the first variant on a backbone."""
    name = main_variant(backbone)
    return (
        f"{STUDY}/runs/{backbone}/{name}/seed{first_seed(backbone, name)}.safetensors"
    )


def first_scores(backbone, variant):
    """Scores of the first run of a variant on a backbone, under the first prompt pool."""
    seed = first_seed(backbone, variant)
    return f"{STUDY}/scores/{backbone}/{variant}/{MAIN_POOL}/seed{seed}.parquet"


def shown_scores(backbone):
    """Scores of a backbone's methods on plain CLIP, and of the first seed of its variants, ablations left out."""
    variants = [
        name
        for name in study.shown
        if any((run.backbone, run.variant) == (backbone, name) for run in study.runs)
    ]
    plain = (
        [f"{STUDY}/scores/{backbone}/{PLAIN}/{MAIN_POOL}/seed0.parquet"]
        if study.baselines
        else []
    )
    return [*plain, *(first_scores(backbone, name) for name in variants)]
