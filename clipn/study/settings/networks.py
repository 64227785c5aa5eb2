"""Networks that others trained on the classes of an ID dataset, and where a study uses them."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from clipn.features.stored import NETWORKS
from clipn.study.settings.cooked import AnyFit, cooked_of
from clipn.yaml_models import Record


class Network(Record):
    """A network of torchvision or timm; its weights have an output for every class of the ID dataset."""

    model: str = Field(
        pattern=r"^(torchvision|timm)/[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?$",
        description="torchvision/NAME or timm/NAME, whose preprocessing its images get; with .TAG of the published "
        "weights whose preprocessing it is, where there are several",
    )
    weights: str = Field(description="name of a record in config/weights.yaml, or local weight file")


def networks_of(train: Mapping[str, Sequence[AnyFit]]) -> dict[str, str]:
    """Names of the networks by the ID dataset whose rows use them."""
    return {id_dataset: fit.network for id_dataset, fit in cooked_of(train).items()}


def id_datasets_of(train: Mapping[str, Sequence[AnyFit]], network: str) -> list[str]:
    """ID datasets whose rows use a network."""
    return [id_dataset for id_dataset, name in networks_of(train).items() if name == network]


def require_networks(
    train: Mapping[str, Sequence[AnyFit]], networks: Mapping[str, Network], backbones: Mapping[str, object]
) -> None:
    """Refuse rows of a network that is not there, and probes that are not one for each backbone.

    Raises:
        ValueError: the message names the key.
    """
    for id_dataset, fit in cooked_of(train).items():
        if fit.network not in networks:
            known = ", ".join(networks) or "none"
            raise ValueError(f"train.{id_dataset}.network: `networks` has no {fit.network!r}; it has {known}")
        for backbone in sorted(fit.probes.keys() ^ backbones.keys() if fit.probes else ()):
            odd = "is no backbone; leave it out" if backbone in fit.probes else "has none; name its file"
            raise ValueError(f"train.{id_dataset}.probes: {backbone} {odd}")
    if networks and NETWORKS in backbones:
        raise ValueError(f"backbones: {NETWORKS} is the folder of what networks say; call the backbone otherwise")
