"""The kinds of variants: trained here, released by others, or averaged from the runs of another variant."""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from clipn.scores import FITTED, PLAIN_CLIP
from clipn.study.names import seed_of
from clipn.training.settings import Variant
from clipn.yaml_models import Record, Seed


class ReleasedVariant(Record):
    """A variant whose checkpoints are there: others released them, or this pipeline trained them elsewhere."""

    checkpoints: dict[Seed, str] = Field(
        min_length=1,
        description="number of a run -> name of a record in config/weights.yaml, or local file: the authors', or one "
        "trained here",
    )


class Soup(Record):
    """A variant without training: the mean of the weights of another one's runs (Wortsman et al., ICML 2022)."""

    soup_of: str = Field(description="variant whose runs on the same backbone are averaged, all with equal weight")
    kind: Literal["uniform", "greedy"] = Field(
        default="uniform",
        description="all runs, or those that are added, the best first, as long as AUROC of `atd` on the images under "
        "`development` does not fall",
    )


def _of_its_kind(value: object) -> object:
    """Check a variant against the one kind that it must be, so that an error speaks of that kind."""
    keys = value if isinstance(value, dict) else ()
    if "checkpoints" in keys:
        return ReleasedVariant.model_validate(value)
    return (Soup if "soup_of" in keys else Variant).model_validate(value)


AnyVariant = Annotated[Variant | ReleasedVariant | Soup, BeforeValidator(_of_its_kind)]


def as_taught(variants: Mapping[str, AnyVariant], name: str) -> Variant | ReleasedVariant:
    """The variant that says how "no" was taught: itself, or that whose runs a soup averages."""
    variant = variants[name]
    taught = variants[variant.soup_of] if isinstance(variant, Soup) else variant
    assert not isinstance(taught, Soup)
    return taught


def require_free(names: Collection[str]) -> None:
    """Raise a ValueError if variants have names that this pipeline gives."""
    if PLAIN_CLIP in names:
        raise ValueError(f"{PLAIN_CLIP!r} names the methods on plain CLIP; call the variant otherwise")
    for prefix in FITTED:
        if taken := [name for name in names if name.startswith(prefix)]:
            begins = f"{prefix!r} begins names of fitted classifiers"
            raise ValueError(f"{taken[0]}: {begins}; call the variant otherwise")


def require_members(variants: Mapping[str, AnyVariant], runs: Iterable[tuple[str, str, list[int]]]) -> None:
    """Refuse soups without anything to average.

    Args:
        variants: by name.
        runs: backbone, variant and seeds of each.

    Raises:
        ValueError: a soup is of no variant with runs of its own, has no members, or has some on other weights.
    """
    soups = {name: variant for name, variant in variants.items() if isinstance(variant, Soup)}
    for name, soup in soups.items():
        if soup.soup_of not in variants.keys() - soups.keys():
            others = ", ".join(other for other in variants if other not in soups)
            raise ValueError(f"variants.{name}.soup_of: {soup.soup_of!r} has no runs to average; name one of {others}")
    every = [*runs]
    for backbone, variant, _ in every:
        if variant not in soups:
            continue
        of = soups[variant].soup_of
        if seed_of(backbone) is not None:
            apart = f"each run of {of} is on a backbone of its own seed, and weights on different ones have no mean"
            raise ValueError(f"runs: {variant} on {backbone}: {apart}; leave it out")
        if not any(other[:2] == (backbone, of) for other in every):
            raise ValueError(f"runs: {variant} on {backbone} has nothing to average; add runs of {of} on {backbone}")
        if sum(len(numbers) for *other, numbers in every if other == [backbone, variant]) > 1:
            raise ValueError(f"runs: {variant} on {backbone} is one run, whatever {of} has; give it one number")
