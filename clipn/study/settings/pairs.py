"""What must hold of the pairs of a study, and of datasets that are used but not reported."""

from collections.abc import Mapping, Sequence

from clipn.study.settings.cooked import AnyFit

Pairs = Mapping[str, Sequence[str]]
"""OOD datasets of every ID dataset."""


def require_others(pairs: Pairs) -> None:
    """Raise a ValueError if an ID dataset has no OOD datasets, is one of them, or has one twice."""
    for id_dataset, ood_datasets in pairs.items():
        if not ood_datasets or id_dataset in ood_datasets or len(set(ood_datasets)) < len(ood_datasets):
            raise ValueError(f"{id_dataset}: name one or more other datasets, each once")


def require_together(averages: Mapping[str, Sequence[str]], pairs: Pairs) -> None:
    """Raise a ValueError if an average is not over OOD sets of one ID dataset."""
    for name, ood_datasets in averages.items():
        if not ood_datasets or not any({*ood_datasets} <= {*sets} for sets in pairs.values()):
            raise ValueError(f"averages: {name}: name OOD sets that one ID dataset of `pairs` has")


def require_untested(train: Mapping[str, Sequence[AnyFit]], pairs: Pairs) -> None:
    """Raise a ValueError if training images are of no ID dataset, or those that are tested."""
    for id_dataset, fits in train.items():
        if id_dataset not in pairs:
            raise ValueError(f"train: {id_dataset} is no ID dataset; name one of {', '.join(pairs)}")
        tested = {id_dataset, *pairs[id_dataset]}
        if found := [fit.dataset for fit in fits if fit.dataset in tested]:
            raise ValueError(
                f"train.{id_dataset}.dataset: {found[0]} is tested in `pairs`; name other images to fit on"
            )


def require_unreported(development: Pairs, pairs: Pairs, greedy_soups: Sequence[str]) -> None:
    """Raise a ValueError if there is nothing to choose soups on, or it is reported."""
    if greedy_soups and not development:
        raise ValueError(f"development: {greedy_soups[0]} is chosen on it; name an ID dataset and OOD datasets for it")
    reported = {name for id_dataset, ood in pairs.items() for name in (id_dataset, *ood)}
    for id_dataset, ood_datasets in development.items():
        if id_dataset not in pairs:
            raise ValueError(
                f"development: {id_dataset!r} is no ID dataset of `pairs`; choose among {', '.join(pairs)}"
            )
        if not ood_datasets or len(set(ood_datasets)) < len(ood_datasets):
            raise ValueError(f"development.{id_dataset}: name one or more datasets, each once")
        for name in ood_datasets:
            if name in reported:
                raise ValueError(f"development.{id_dataset}: {name} is under `pairs`; name datasets that are not")
