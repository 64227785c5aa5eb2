"""ZPE as plain loops: one prompt, one image and one class at a time, in lists of Python's own numbers."""

from collections.abc import Sequence
from math import exp, log

Vector = Sequence[float]


def dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def plain_weights(
    images: Sequence[Vector], prompts: Sequence[Sequence[Vector]], pretraining: Sequence[Vector], scale: float
) -> list[float]:
    """Softmax over prompts of the mean highest logit; from each comes half of its means over either kind of images."""
    scores = []
    for texts in prompts:
        usual = [
            (
                mean([scale * dot(text, image) for image in pretraining])
                + mean([scale * dot(text, image) for image in images])
            )
            / 2
            for text in texts
        ]
        tops = [
            max(scale * dot(text, image) - less for text, less in zip(texts, usual, strict=True)) for image in images
        ]
        scores.append(mean(tops))
    return [exp(score - max(scores)) / sum(exp(other - max(scores)) for other in scores) for score in scores]


def plain_mcm(image: Vector, prompts: Sequence[Sequence[Vector]], weights: Sequence[float]) -> float:
    """Log-odds of the highest probability, by softmax of the weighted mean over the prompts of the cosines."""
    cosines = [
        sum(weight * dot(texts[number], image) for texts, weight in zip(prompts, weights, strict=True))
        for number in range(len(prompts[0]))
    ]
    top = max(exp(cosine) for cosine in cosines) / sum(exp(cosine) for cosine in cosines)
    return log(top / (1 - top))
