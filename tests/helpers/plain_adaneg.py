"""AdaNeg as plain loops: one image, one class and one feature at a time, in lists of Python's own numbers."""

from collections.abc import Sequence
from math import exp, log, sqrt

Vector = Sequence[float]
LENGTH, BETA, GROUPS = 10, 5.5, 5
SURE_ID, SURE_OOD = 0.75, 0.25


def cosine(one: Vector, other: Vector) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def id_share(logits: Vector, classes: int) -> float:
    """Mean over groups of the share that ID labels have in the softmax over them and a group of negative ones."""
    groups = min(GROUPS, len(logits) - classes)
    size = (len(logits) - classes) // groups
    shares = []
    for number in range(groups):
        group = logits[classes + number * size : classes + (number + 1) * size]
        mass = sum(exp(logit) for logit in logits[:classes])
        shares.append(mass / (mass + sum(exp(logit) for logit in group)))
    return sum(shares) / groups


def entropy(logits: Vector) -> float:
    total = sum(exp(logit) for logit in logits)
    return -sum(exp(logit) / total * log(exp(logit) / total) for logit in logits)


def proxy(features: Sequence[Vector], image: Vector) -> list[float]:
    weights = [exp(-BETA * (1 - cosine(feature, image))) for feature in features]
    weighted = [[weight * entry for entry in feature] for weight, feature in zip(weights, features, strict=True)]
    return [sum(entries) for entries in zip(*weighted, strict=True)]


def plain_adaneg(
    images: Sequence[Vector],
    labels: Sequence[Vector],
    negatives: Sequence[Vector],
    batch: int,
    scale: float,
    weights: tuple[float, float],
) -> list[float]:
    """The weighted sum of NegLabel's score and the proxies', of every image in the order of the stream."""
    texts, classes = [*labels, *negatives], len(labels)
    memory: list[list[tuple[float, Vector]]] = [[] for _ in texts]
    scores = []
    for start in range(0, len(images), batch):
        now = images[start : start + batch]
        logits = [[scale * cosine(text, image) for text in texts] for image in now]
        of_texts = [id_share(row, classes) for row in logits]
        for image, row, share in zip(now, logits, of_texts, strict=True):
            if SURE_OOD <= share <= SURE_ID:
                continue
            first, own = (0, row[:classes]) if share > SURE_ID else (classes, row[classes:])
            kept = memory[first + own.index(max(own))]
            kept.append((entropy(own), image))
            kept.sort(key=lambda entry: entry[0])
            del kept[LENGTH - 1 :]
        for image, share in zip(now, of_texts, strict=True):
            features = [[text, *(image for _, image in kept)] for text, kept in zip(texts, memory, strict=True)]
            adapted = [scale * cosine(proxy(several, image), image) for several in features]
            scores.append(weights[0] * share + weights[1] * id_share(adapted, classes))
    return scores
