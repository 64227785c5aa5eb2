"""COOkeD: the mean of the softmaxes of zero-shot CLIP, a linear probe and a network (ICCV Workshops 2025)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from clipn.errors import ClipnError
from clipn.evaluation.classifiers import ImageEvidence, Towers
from clipn.features.stored import read_image_features, read_network_logits, read_norms, read_probe
from clipn.scores import Evidence
from clipn.scores.logits import Array


def log_mean_softmax(*logits: NDArray[np.floating]) -> Array:
    """Logarithm (n, classes) of the mean of the softmaxes of several matrices of logits (n, classes), float64.

    Its own softmax is that mean, so that methods read it as they read logits.
    """
    logs = np.stack([log_softmax(matrix.astype(np.float64), axis=1) for matrix in logits])
    return np.asarray(logsumexp(logs, axis=0) - np.log(len(logits)))


@dataclass(frozen=True)
class Cooked:
    """What images of an ID dataset and its OOD datasets are classified by.

    Attributes:
        towers: zero-shot CLIP: unit-norm class weights, and what multiplies cosines.
        probe: file of a probe of features that are not normalised.
        features: folder with the image features of the backbone.
        network: folder with the logits of the network.
    """

    towers: Towers
    probe: Path
    features: Path
    network: Path

    def images(self, dataset: str) -> ImageEvidence:
        """What the three say together of the images of a dataset.

        Raises:
            ClipnError: a file is missing or damaged, features lack their norms, or classes, widths or images differ.
        """
        path, of_network = (folder / f"{dataset}.safetensors" for folder in (self.features, self.network))
        features, norms, network = read_image_features(path), read_norms(path), read_network_logits(of_network)
        weights, bias = read_probe(self.probe)
        scale, yes = self.towers.scale, self.towers.yes
        if weights.shape != yes.shape or bias.shape != weights.shape[:1] or features.shape[1] != yes.shape[1]:
            raise ClipnError(f"{self.probe}: is of other classes, or of another backbone; fit or import it again")
        if network.shape != (len(features), len(yes)):
            expected = f"{len(features)} images and {len(yes)} classes"
            raise ClipnError(f"{of_network}: is of shape {network.shape}, expected {expected}; cache it again")

        def evidence(rows: slice) -> Evidence:
            unit = features[rows].astype(np.float64)
            probed = norms[rows, None] * (unit @ weights.T) + bias
            return Evidence(log_mean_softmax(scale * unit @ yes.T, probed, network[rows]), None, scale)

        return ImageEvidence(evidence, len(features), len(yes))
