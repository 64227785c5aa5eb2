"""Networks that were trained on the classes of an ID dataset, and where a study uses them."""

from collections.abc import Mapping, Sequence

from pydantic import Field, model_validator

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
    weights: str | None = Field(
        default=None,
        description="name of a record in config/weights.yaml, or local weight file; none: fitted on the `training` "
        "images of the `demo`, for its `cifar10`",
    )

    @model_validator(mode="after")
    def _fitted_or_given(self) -> "Network":
        if self.weights is None and not self.model.startswith("timm/"):
            raise ValueError("only networks of timm are fitted on the demo's images; name one, or `weights`")
        return self


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


def require_weights(networks: Mapping[str, Network], *, generated: bool) -> None:
    """Raise a ValueError if a network has no weights, and there are no `generated` training images to fit it on."""
    for name, network in networks.items():
        if network.weights is None and not generated:
            raise ValueError(
                f"networks.{name}.weights: name a record or a file, or give a `demo` with `training` images"
            )
