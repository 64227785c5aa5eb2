"""Operations of what is computed from cached features: classifiers that are fitted, and methods on test streams."""

from clipn.adaptation import ADAPTIVE
from clipn.adaptation.memory import LENGTH
from clipn.features.negative_labels import NUMBER, PERCENT
from clipn.planning.sizes import StudySizes
from clipn.scores import GDA
from clipn.study.config import Study
from clipn.study.fits import fits
from clipn.text.prompts import prompt_pool


def fit_operations(study: Study, sizes: StudySizes, backbone: str, dimension: int) -> float:
    """Operations of all discriminant analyses on a backbone whose features have `dimension` numbers.

    The covariance of d numbers takes 2 d^2 per image, its factors 2 d^3 / 3, and the solution 2 d^2 per class.
    """
    analyses = (names for fit, names in fits(study).items() if fit.backbone == backbone and fit.variant.startswith(GDA))
    found = [name for names in analyses for name in names]
    rows = sum(sizes.training_images(name) + dimension / 3 + sizes.classes(name) for name in found)
    return 2 * dimension**2 * rows


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
