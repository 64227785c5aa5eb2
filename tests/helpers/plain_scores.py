"""Methods and rules as plain loops over one image, in decimal numbers of so many digits that nothing cancels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

SCALE = 100
Row = Sequence[Decimal]


@dataclass(frozen=True)
class Image:
    """Logits of one image."""

    yes_logits: Row
    no_logits: Row
    clipped: Row
    perturbed: Row
    local: Row
    labels: Row
    negatives: Row
    csp_labels: Row
    csp_negatives: Row
    eoe_labels: Row
    eoe_outliers: Row


def softmax(row: Row, temperature: int = 1) -> list[Decimal]:
    powers = [(value / temperature).exp() for value in row]
    total = sum(powers)
    return [power / total for power in powers]


def energy(row: Row) -> Decimal:
    return Decimal(sum(value.exp() for value in row)).ln()


def p_no(image: Image) -> list[Decimal]:
    return [1 / (1 + (y - n).exp()) for y, n in zip(image.yes_logits, image.no_logits, strict=True)]


def shrunk(image: Image) -> list[Decimal]:
    """Probabilities of the ID classes of ATD's (C + 1)-way distribution."""
    return [p * (1 - q) for p, q in zip(softmax(image.yes_logits), p_no(image), strict=True)]


def ood_class(image: Image) -> Decimal:
    """Probability of the OOD class in the same distribution."""
    return Decimal(sum(p * q for p, q in zip(softmax(image.yes_logits), p_no(image), strict=True)))


def ctw(image: Image) -> Decimal:
    return 1 - p_no(image)[list(image.yes_logits).index(max(image.yes_logits))]


def gen(image: Image) -> Decimal:
    largest = sorted(softmax(image.yes_logits))[-100:]
    return -Decimal(sum((p * (1 - p)) ** Decimal("0.1") for p in largest if p < 1))


def logit_gap(image: Image) -> Decimal:
    cosines = sorted((value / SCALE for value in image.yes_logits), reverse=True)
    following = cosines[1 : max(2, len(cosines) // 5)]
    return cosines[0] - Decimal(sum(following)) / len(following) if following else Decimal(0)


def neglabel(labels: Row, negatives: Row) -> Decimal:
    groups = min(100, len(negatives))
    size = len(negatives) // groups
    shares = []
    for number in range(groups):
        group = negatives[number * size : (number + 1) * size]
        shares.append(sum(softmax([*labels, *group])[: len(labels)]))
    return Decimal(sum(shares)) / groups


def mcm(image: Image) -> Decimal:
    return max(softmax([value / SCALE for value in image.yes_logits]))


def best_patch(image: Image) -> Decimal:
    return max(1 / (1 + (-log_odds).exp()) for log_odds in image.local)


def eoe(image: Image) -> Decimal:
    p = softmax([*image.eoe_labels, *image.eoe_outliers], SCALE)
    return max(p[: len(image.eoe_labels)]) - max(p[len(image.eoe_labels) :]) / 4


def entropy(image: Image) -> Decimal:
    return Decimal(sum(p * p.ln() for p in softmax(image.yes_logits)))


PLAIN: dict[str, Callable[[Image], Decimal]] = {
    "msp": lambda image: max(softmax(image.yes_logits)),
    "max_logit": lambda image: max(image.yes_logits),
    "energy": lambda image: energy(image.yes_logits),
    "mcm": mcm,
    "ctw": ctw,
    "atd": lambda image: Decimal(sum(shrunk(image))),
    "react": lambda image: energy(image.clipped),
    "odin": lambda image: max(softmax(image.yes_logits, 1000)),
    "odin_perturbed": lambda image: max(softmax(image.perturbed, 1000)),
    "gen": gen,
    "neglabel": lambda image: neglabel(image.labels, image.negatives),
    "gl_mcm": lambda image: mcm(image) + best_patch(image),
    "l_mcm": best_patch,
    "logit_gap": logit_gap,
    "csp": lambda image: neglabel(image.csp_labels, image.csp_negatives),
    "eoe": eoe,
    "entropy": entropy,
}

PLAIN_RULES: dict[str, Callable[[Image], tuple[Decimal, Decimal]]] = {
    "ctw": lambda image: (ctw(image), 1 - ctw(image)),
    "atd": lambda image: (max(shrunk(image)), ood_class(image)),
    "atd_original": lambda image: (max(softmax(image.yes_logits)), ood_class(image)),
}
"""What is compared: an ID class, and the OOD class."""


def plain_scores(method: str, images: Sequence[Image], digits: int = 60) -> list[float]:
    with localcontext(prec=digits):
        return [float(PLAIN[method](image)) for image in images]


def plain_log_odds(method: str, images: Sequence[Image], digits: int = 60) -> list[float]:
    with localcontext(prec=digits):
        return [float((score / (1 - score)).ln()) for score in map(PLAIN[method], images)]


def plain_sides(rule: str, images: Sequence[Image], digits: int = 60) -> list[tuple[Decimal, Decimal]]:
    with localcontext(prec=digits):
        return [PLAIN_RULES[rule](image) for image in images]
