"""What AdaNeg remembers of a test stream (Zhang & Zhang, NeurIPS 2024): by class text, the images surest of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LENGTH = 10
"""Features of a class, its text first; as in the authors' code, which so keeps nine images."""
BETA = 5.5
"""How fast the weight of a feature falls with its distance from the image that is scored."""
BLOCK = 128
"""Classes worked on at once: their cosines with a batch of images fit into a processor's cache."""


class Memory:
    """Features that stand for every class, all float64 and unit-norm; `admit` changes it.

    Args:
        texts: (classes, d), of ID labels and of negative ones.
    """

    def __init__(self, texts: Array) -> None:
        classes, width = texts.shape
        self.texts = texts
        self._row_of: dict[int, int] = {}
        # Rows for all classes: zeros take no memory until something is written into them.
        self._features = np.zeros((classes, LENGTH, width))
        self._products = np.zeros((classes, LENGTH, LENGTH))
        self._entropies = np.full((classes, LENGTH), np.inf)
        # The text stays, however sure images are.
        self._entropies[:, 0] = -np.inf

    @property
    def with_images(self) -> Sequence[int]:
        """Classes that have images, in the order of their first."""
        return list(self._row_of)

    def admit(self, winner: int, image: Array, entropy: float) -> None:
        """Keep an image (d,) of a class while there is room, then in place of the one of highest entropy.

        Of equally high ones the first is replaced; an image that is no surer than all of them is not kept.
        """
        if winner not in self._row_of:
            self._row_of[winner] = len(self._row_of)
            self._put(self._row_of[winner], 0, self.texts[winner])
        row = self._row_of[winner]
        entry = int(self._entropies[row].argmax())
        if entropy < self._entropies[row, entry]:
            self._entropies[row, entry] = entropy
            self._put(row, entry, image)

    def cosines(self, images: Array) -> Array:
        """Cosines (n, c) of images (n, d) with the proxies of the c classes `with_images`.

        A proxy is the mean of the features of its class, each weighted by exp(-beta (1 - its cosine with the image)):
        a proxy of the image's own. That of a class without images would be its text.
        """
        proxies = np.empty((len(self._row_of), len(images)))
        for start in range(0, len(proxies), BLOCK):
            rows = slice(start, min(start + BLOCK, len(proxies)))
            features = self._features[rows]
            cosines = (features.reshape(-1, features.shape[2]) @ images.T).reshape(*features.shape[:2], -1)
            # Of an entry that is still empty, zero, the cosine and all products are zero, whatever its weight.
            weights = np.exp(BETA * (cosines - 1))
            squared_lengths = (weights * (self._products[rows] @ weights)).sum(axis=1)
            proxies[rows] = (weights * cosines).sum(axis=1) / np.sqrt(squared_lengths)
        return proxies.T

    def _put(self, row: int, entry: int, feature: Array) -> None:
        self._features[row, entry] = feature
        self._products[row, entry] = self._products[row, :, entry] = self._features[row] @ feature
