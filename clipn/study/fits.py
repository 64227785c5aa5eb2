"""What is fitted on training images of ID datasets."""

from clipn.study.config import Study
from clipn.study.names import RunName, seed_of
from clipn.study.settings.cooked import Cooked
from clipn.study.settings.few_shot import FewShot


def fits(study: Study) -> dict[RunName, list[str]]:
    """The ID datasets that classifiers are fitted for, by backbone, variant and seed of the choice of images."""
    found: dict[RunName, list[str]] = {}
    for backbone in study.backbones:
        own = seed_of(backbone)
        for id_dataset, images in study.train.items():
            # The trainings of a backbone are runs of one row, each of which needs a number of its own.
            for seed in images.seeds if own is None else [own]:
                found.setdefault(RunName(backbone, images.variant, seed), []).append(id_dataset)
    return found


def fitted_variants(study: Study) -> list[str]:
    """What tables call the fitted classifiers, each once."""
    return list(dict.fromkeys(images.variant for images in study.train.values()))


def discriminants(study: Study) -> dict[str, FewShot]:
    """What Gaussian discriminant analyses are fitted on, by ID dataset."""
    return {id_dataset: fit for id_dataset, fit in study.train.items() if isinstance(fit, FewShot)}


def probes(study: Study) -> dict[str, Cooked]:
    """What linear probes are fitted on, or where they come from, by ID dataset."""
    return {id_dataset: fit for id_dataset, fit in study.train.items() if isinstance(fit, Cooked)}


def fit_remarks(study: Study) -> list[str]:
    """What fitted classifiers saw, a sentence for each ID dataset."""
    remarks = []
    for id_dataset, images in study.train.items():
        seeds = sorted({fit.seed for fit, names in fits(study).items() if id_dataset in names})
        chosen = f"{images.shots} images of every class, chosen by seed {', '.join(map(str, seeds))}"
        number = "all images" if images.shots == "all" else chosen
        if isinstance(images, FewShot):
            analysis = f"a Gaussian discriminant analysis of {images.dataset} ({number})"
            does = f"adds {images.alpha} times the logits of {analysis}"
        else:
            network = f"network {images.network} ({study.networks[images.network].model}), which saw the ID classes"
            fitted = f"fitted on {images.dataset} ({number})" if images.dataset else "that others trained"
            does = f"averages the softmaxes of zero-shot CLIP, of a linear probe {fitted}, and of the {network}"
        remarks.append(f"{images.variant} on {id_dataset} is no zero-shot method: it {does}.")
    return remarks
