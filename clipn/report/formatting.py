"""How names and numbers are written for people."""

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from clipn.metrics import CONVENTION, CONVENTIONS
from clipn.report.escaping import one_line
from clipn.scores import RULES, SCORES

AVERAGE = "average"
"""Stands in the column `ood` for the plain mean over the OOD sets."""

MISSING = "–"  # noqa: RUF001

HEADINGS = {
    "id": "ID",
    "ood": "OOD",
    "ood_version": "Image list",
    "setting": "Setting",
    "value": "Value",
    "rule": "Rule",
    "method": "Method",
    "backbone": "Backbone",
    "variant": "Variant",
    "prompts": "Prompts",
    "order_seed": "Order",
    "batch": "Batch",
    "mix": "Mix",
    "run": "Run",
    "runs": "Runs",
}
"""Printed names of the columns that hold labels."""

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


def dataset_title(name: str, titles: Mapping[str, str]) -> str:
    """Printed name of a dataset or of an average over OOD sets; an identifier without one stays as it is."""
    if is_average(name):
        of_some = name.removeprefix(AVERAGE).removeprefix("_")
        return f"Average ({of_some})" if of_some else "Average"
    return one_line(titles.get(name, name))


def is_average(ood: str) -> bool:
    """Whether an entry of the column `ood` is an average, over all OOD sets or, as `average_near`, over some."""
    return ood == AVERAGE or ood.startswith(f"{AVERAGE}_")


def label(column: str, value: object, titles: Mapping[str, str]) -> str:
    """How a value of one of the columns in `HEADINGS` is printed; `titles` gives printed names of datasets."""
    text = str(value)
    if column in ("id", "ood"):
        return dataset_title(text, titles)
    if column in ("method", "rule"):
        return method_title(text)
    return setting_title(text) if column == "setting" else text


def convention_sentence(convention: str) -> str:
    """What is positive and how FPR95 is read off the curve."""
    if convention == CONVENTION:
        # Its own sentence helps to choose a convention; beside numbers it is enough to say whose code they follow.
        return (
            "ID is the positive class; FPR95 is the share of OOD accepted at 95 % ID recall, "
            "interpolated as in the authors' code."
        )
    # Metrics files keep the name of their convention, which the code may have lost since.
    return CONVENTIONS[convention].sentence if convention in CONVENTIONS else f"FPR95 by convention {convention}."


def fixed(value: float) -> str:
    """Two decimals, halves away from zero, zero without a sign; empty for NaN."""
    if math.isnan(value):
        return ""
    # Cut to nine decimals first: float noise (100 * 0.10085 is 10.084999999999999) must not tip a half.
    rounded = Decimal(f"{value:.9f}").quantize(Decimal("0.01"), ROUND_HALF_UP)
    # A decimal keeps the sign of zero, and "-0.00" would look like a difference.
    return str(rounded if rounded else abs(rounded))


def precise(value: float) -> str:
    """Two to nine decimals, all that `fixed` looks at, so that it prints the same when read back; empty for NaN."""
    if math.isnan(value):
        return ""
    # `or` drops the sign of a zero.
    whole, _, decimals = f"{round(value, 9) or 0.0:.9f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def signed(value: float) -> str:
    """As `fixed`, with `+` before what is not negative; no NaN."""
    # The sign comes after rounding, so that -0.004 is printed as +0.00.
    return f"{Decimal(fixed(value)):+}"


def spread(mean: float, sd: float) -> str:
    """`mean ± sd`, or the mean alone when `sd` is NaN (one run)."""
    return fixed(mean) if math.isnan(sd) else f"{fixed(mean)} ± {fixed(sd)}"
