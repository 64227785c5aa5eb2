"""Operations of what is computed from cached features: classifiers that are fitted, and methods on test streams."""

from clipn.adaptation import ADAPTIVE
from clipn.adaptation.memory import LENGTH
from clipn.features.negative_labels import NUMBER, PERCENT
from clipn.planning.sizes import StudySizes
from clipn.scores import COOKED, GDA
from clipn.study.config import Study
from clipn.study.fits import discriminants, fits_of, probes
from clipn.text.prompts import prompt_pool

ITERATIONS = 100
"""Of the fit of a probe: an assumption; some hundred images per class take about 150."""


def fit_operations(study: Study, sizes: StudySizes, backbone: str, dimension: int) -> float:
    """Operations of all discriminant analyses on a backbone whose features have `dimension` numbers.

    The covariance of d numbers takes 2 d^2 per image, its factors 2 d^3 / 3, and the solution 2 d^2 per class.
    """
    analyses = discriminants(study)
    rows = sum(
        sizes.training_images(name, analyses[name]) + dimension / 3 + sizes.classes(name)
        for name in _fitted(study, backbone, GDA)
    )
    return 2 * dimension**2 * rows


def probe_operations(study: Study, sizes: StudySizes, backbone: str, dimension: int) -> float:
    """Operations of all linear probes that are fitted on a backbone whose features have `dimension` numbers.

    Each of `ITERATIONS` takes the logits of all images, and the gradient by them: 4 d per image and class.
    """
    found = probes(study)
    logits = sum(
        sizes.training_images(name, found[name]) * sizes.classes(name) for name in _fitted(study, backbone, COOKED)
    )
    return ITERATIONS * 4 * dimension * logits


def stream_operations(study: Study, sizes: StudySizes, dimension: int) -> float:
    """Operations of all methods on all test streams, on features of `dimension` numbers.

    Where words are read, every image is compared with the texts of all ID and negative labels, and with the memory of
    those that have images, taken to be the ID labels, in every order. Where prompts are weighted, it is compared with
    the classes under each, and under their mean.
    """
    if study.test_time is None:
        return 0
    negatives, prompts = min(NUMBER, sizes.words * PERCENT // 100), len(prompt_pool(study.prompts[0]))
    weighing = [ADAPTIVE[name].weighs_prompts for name in study.test_time.methods]
    products = 0
    for id_dataset, ood_datasets in study.pairs.items():
        images = sum(sizes.images[id_dataset] + sizes.images[name] for name in ood_datasets)
        classes = sizes.classes(id_dataset)
        of_words = len(study.test_time.stream.seeds) * (negatives + (1 + LENGTH) * classes)
        products += images * sum((prompts + 1) * classes if weighs else of_words for weighs in weighing)
    return 2 * dimension * products


def _fitted(study: Study, backbone: str, kind: str) -> list[str]:
    """The ID dataset of every fit on a backbone whose variant's name begins with `kind`."""
    found = (names for fit, names in fits_of(study, backbone).items() if fit.variant.startswith(kind))
    return [name for names in found for name in names]
