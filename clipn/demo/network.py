"""A small network for the classes of the generated CIFAR-10: a random trunk, and a classifier fitted on its images."""

from pathlib import Path
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from clipn.compute import one_thread, prepare_torch
from clipn.data.readers import read_dataset
from clipn.demo.settings import TRAINING
from clipn.demo.world import CONCEPTS
from clipn.errors import ClipnError
from clipn.iteration import batched
from clipn.model.network import LIBRARIES
from clipn.model.tensors import write_safetensors

BATCH = 32
"""Images that go through the trunk together."""
ITERATIONS = 10_000
"""Of L-BFGS at most; the demo's images take about a hundred."""


def write_network(mirror: Path, model: str, seed: int, output: Path) -> None:
    """Write the weights of a network of timm, which `clipn.model.network.load_network` reads; always the same bytes.

    Its trunk is as timm draws it from the seed. Its classifier is a logistic regression of what the trunk says of the
    training images, each feature less its mean and divided by its standard deviation.

    Args:
        mirror: folder of `clipn.demo.mirror.build_mirror` with training images.
        model: timm/NAME, whose classifier is one linear layer.
        seed: of the trunk.
        output: safetensors file.

    Raises:
        ClipnError: unknown model, or the mirror lacks training images, or those of a class.
    """
    prepare_torch("cpu", 1)
    torch.manual_seed(seed)
    classes = len(CONCEPTS["cifar10"])
    build, preprocess_of = LIBRARIES["timm"](model.removeprefix("timm/"))
    module: Any = build(num_classes=classes).eval()
    transform = preprocess_of(module)
    images = list(read_dataset(TRAINING, mirror / "datasets.yaml", mirror))
    labels = [image.label for image in images]
    if len(set(labels)) < classes:
        raise ClipnError(f"{mirror}: {len(images)} training images are not of all {classes} classes; raise `training`")
    pictures = (torch.stack([transform(image.open()) for image in part]) for part in batched(images, BATCH))
    with torch.inference_mode():
        parts = [module.forward_head(module.forward_features(part), pre_logits=True) for part in pictures]
    pooled: Tensor = torch.cat(parts).double()
    scaler, regression = StandardScaler(), LogisticRegression(max_iter=ITERATIONS)
    # A product that splits itself over threads rounds by their number.
    with one_thread():
        regression.fit(scaler.fit_transform(pooled.numpy()), labels)
        weights = regression.coef_ / scaler.scale_
        bias = regression.intercept_ - weights @ scaler.mean_
    classifier = module.get_classifier()
    fitted = {classifier.weight: weights, classifier.bias: bias}
    with torch.no_grad():
        for parameter, values in fitted.items():
            parameter.copy_(torch.from_numpy(values))
    write_safetensors(output, module.state_dict(), {})
