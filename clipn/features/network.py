"""Cached logits of a network that was trained on the classes of an ID dataset: computed once for all backbones."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from clipn.compute import prepare_torch
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.features.images import transformed_batches
from clipn.features.stored import NETWORK_FORMAT
from clipn.files import file_hash
from clipn.model.network import load_network
from clipn.model.tensors import write_safetensors

BATCH = 32
"""Images that go through a network together, so that its activations take little memory."""


def cache_network_logits(
    model: str,
    weights: Path,
    datasets: Mapping[Path, tuple[Path, Iterable[Image]]],
    classes: Mapping[str, int],
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write the logits (n, classes) of the images of datasets, float32, rows as in their manifests.

    Args:
        model: as for `clipn.model.network.load_network`.
        weights: its weight file.
        datasets: manifest and images of every dataset, by the file to write.
        classes: number of classes of the ID datasets that the network is for.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: the network cannot be loaded or is of other classes, or the images are not those of the manifest.
    """
    prepare_torch(device, threads)
    network = load_network(model, weights)
    for name, number in classes.items():
        if network.outputs != number:
            outputs = f"has {network.outputs} outputs, but {name} has {number} classes"
            raise ClipnError(f"{weights}: {outputs}; give a network that was trained on these")
    module = network.module.to(device)
    header = {"format": NETWORK_FORMAT, "model": model, "weights": file_hash(weights)}
    for output, (manifest, images) in datasets.items():
        batches = transformed_batches(manifest, images, network.transform)
        with torch.inference_mode():
            parts = [module(part.to(device)).float().cpu() for batch in batches for part in batch.split(BATCH)]
        logits: Tensor = torch.cat(parts)
        write_safetensors(output, {"logits": logits}, header | {"manifest": file_hash(manifest)})
