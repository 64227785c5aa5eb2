"""Variants that differ from another one in one setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from clipn.study.settings.runs import Run
from clipn.study.settings.variants import AnyVariant


def varied_settings(variant: AnyVariant, base: AnyVariant) -> list[str]:
    """Settings in which a variant differs from another one, among those that count for both."""
    own, others = _in_effect(variant), _in_effect(base)
    return [key for key in others if key in own and own[key] != others[key]]


def _in_effect(variant: AnyVariant) -> dict[str, Any]:
    """Settings of a variant that its way to say "no" makes use of."""
    settings = variant.model_dump()
    # A setting that does nothing must not count as a second difference of an ablation.
    idle = ("templates",) if settings.get("no_texts") == "learnable" else ("prompts", "tokens")
    return {key: value for key, value in settings.items() if key not in idle}


def require_one_setting(ablations: Sequence[str], runs: Sequence[Run], variants: Mapping[str, AnyVariant]) -> None:
    """Raise a ValueError if an ablation has no run, or does not differ in one setting from the first of the runs."""
    for name in ablations:
        if name not in {run.variant for run in runs}:
            raise ValueError(f"ablations: {name!r} is not among the runs; add it there")
        base = runs[0].variant
        varied = varied_settings(variants[name], variants[base])
        if len(varied) != 1:
            differs = ", ".join(varied) or "nothing"
            raise ValueError(f"ablations: {name} differs from {base} in {differs}; vary one setting")
