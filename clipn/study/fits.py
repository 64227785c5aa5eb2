"""What is fitted on training images of ID datasets."""

from collections.abc import Iterator

from clipn.study.config import Study
from clipn.study.names import RunName, seed_of
from clipn.study.settings.cooked import AnyFit, Cooked, cooked_of
from clipn.study.settings.few_shot import FewShot


def fits(study: Study) -> dict[RunName, list[str]]:
    """The ID datasets that classifiers are fitted for, by backbone, variant and seed of the choice of images."""
    return {run: names for backbone in study.backbones for run, names in fits_of(study, backbone).items()}


def fits_of(study: Study, backbone: str) -> dict[RunName, list[str]]:
    """The same on a backbone."""
    found: dict[RunName, list[str]] = {}
    own = seed_of(backbone)
    for id_dataset, fit in _each(study):
        # The trainings of a backbone are runs of one row, each of which needs a number of its own.
        for seed in fit.seeds if own is None else [own]:
            found.setdefault(RunName(backbone, fit.variant, seed), []).append(id_dataset)
    return found


def fitted_variants(study: Study) -> list[str]:
    """What tables call the fitted classifiers, each once."""
    return list(dict.fromkeys(fit.variant for _, fit in _each(study)))


def discriminants(study: Study) -> dict[str, FewShot]:
    """What Gaussian discriminant analyses are fitted on, by ID dataset."""
    return {id_dataset: fit for id_dataset, fit in _each(study) if isinstance(fit, FewShot)}


def probes(study: Study) -> dict[str, Cooked]:
    """What linear probes are fitted on, or where they come from, by ID dataset."""
    return cooked_of(study.train)


def fit_remarks(study: Study) -> list[str]:
    """What fitted classifiers saw, a sentence for each of an ID dataset."""
    remarks = []
    for id_dataset, images in _each(study):
        of_row = (
            run.seed for run, names in fits(study).items() if run.variant == images.variant and id_dataset in names
        )
        chosen = f"{images.shots} images of every class, chosen by seed {', '.join(map(str, sorted({*of_row})))}"
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


def _each(study: Study) -> Iterator[tuple[str, AnyFit]]:
    """Every fit with its ID dataset."""
    return ((id_dataset, fit) for id_dataset, several in study.train.items() for fit in several)
