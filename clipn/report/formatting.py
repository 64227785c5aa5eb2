"""How names and numbers are written for people."""

import math
from decimal import ROUND_HALF_UP, Decimal

from clipn.metrics import CONVENTIONS
from clipn.scores import RULES, SCORES

AVERAGE = "average"
"""Stands in the column `ood` for the plain mean over the OOD sets."""

MISSING = "–"  # noqa: RUF001

_CONVENTIONS = {"clipn": "interpolated as in the authors' code"}

_SETTINGS = {
    "losses": "Losses",
    "no_texts": "“No” texts",
    "prompts": "Learnable prompts",
    "tokens": "Positions of a prompt",
    "share": "Share of training samples",
    "backbone": "Backbone",
    "prompt_pool": "Prompt pool",
}


def method_title(method: str) -> str:
    """Printed name of a method or rule; a name that is not registered stays as it is."""
    if method in SCORES:
        return SCORES[method].label
    return RULES[method].label if method in RULES else method


def setting_title(setting: str) -> str:
    """Printed name of a setting that an ablation varies; another one stays as it is."""
    return _SETTINGS.get(setting, setting)


def convention_sentence(convention: str) -> str:
    """What is positive and how FPR95 is read off the curve."""
    if convention not in _CONVENTIONS:
        return CONVENTIONS[convention].sentence if convention in CONVENTIONS else f"FPR95 by convention {convention}."
    reading = _CONVENTIONS[convention]
    return f"ID is the positive class; FPR95 is the share of OOD accepted at 95 % ID recall, {reading}."


def fixed(value: float) -> str:
    """Two decimals, halves away from zero, zero without a sign; empty for NaN.

    The value is cut to nine decimals first, so that float noise cannot tip a half.
    """
    if math.isnan(value):
        return ""
    rounded = Decimal(f"{value:.9f}").quantize(Decimal("0.01"), ROUND_HALF_UP)
    return str(rounded if rounded else abs(rounded))


def signed(value: float) -> str:
    """As `fixed`, with `+` before what is not negative; no NaN."""
    return f"{Decimal(fixed(value)):+}"


def spread(mean: float, sd: float) -> str:
    """`mean ± sd`, or the mean alone when `sd` is NaN (one run)."""
    return fixed(mean) if math.isnan(sd) else f"{fixed(mean)} ± {fixed(sd)}"
