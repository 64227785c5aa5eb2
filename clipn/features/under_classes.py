"""What images of several datasets say under the classes of one of them: what the files of this kind share."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from clipn.compute import prepare_torch
from clipn.data.readers import Image
from clipn.features.images import image_batches
from clipn.files import file_hash
from clipn.model.backbone import load_backbone
from clipn.model.clipn import class_weights, clip_tokenizer, encode_text
from clipn.model.tensors import write_safetensors
from clipn.text.prompts import lines_sha256, pool_hash, pool_name, prompt_pool

BATCH = 32
"""Images at once: 50 MB of cosines for 196 patches and 1,000 classes; gradients need more than encoding, too."""


class ImagesUnderClasses:
    """Images of an ID dataset and its OOD datasets, with a backbone that has encoded the ID classes.

    Attributes:
        clip: the backbone.
        architecture: of the backbone.
        weights: unit-norm classifier (classes, d), float64.
    """

    def __init__(
        self,
        backbone: Path,
        datasets: Mapping[str, tuple[Path, Iterable[Image]]],
        classes: Sequence[str],
        prompts: str,
        device: str,
        threads: int,
    ) -> None:
        """Load the backbone and encode the classes.

        Args:
            backbone: backbone file.
            datasets: manifest and images of every dataset that is scored under these classes.
            classes: names of the ID classes, at least one.
            prompts: prompt pool.
            device: `cpu` or `cuda`.
            threads: of torch; digits depend on it.
        """
        prepare_torch(device, threads)
        clip, self.architecture = load_backbone(backbone)
        self.clip = clip.to(device)
        encode = partial(encode_text, self.clip)
        self.weights = class_weights(
            encode, clip_tokenizer(clip.context_length), classes, prompt_pool(prompts), device
        ).double()
        self._datasets, self._device = datasets, device
        self._header = {
            "backbone": file_hash(backbone),
            "classes": lines_sha256(classes),
            "manifests": json.dumps({name: file_hash(manifest) for name, (manifest, _) in datasets.items()}),
            "prompts": pool_name(prompts),
            "templates": pool_hash(prompts),
        }

    def write(
        self, output: Path, file_format: str, encode: Callable[[Tensor], Tensor], settings: Mapping[str, str]
    ) -> None:
        """Write what is made of the images of each dataset, rows as in its manifest.

        Args:
            output: file to write.
            file_format: of the file.
            encode: makes rows (n, ...) of preprocessed images (n, 3, h, w).
            settings: of `encode`, for the header.

        Raises:
            ClipnError: the images are not those of their manifest.
        """

        def rows(manifest: Path, images: Iterable[Image]) -> Tensor:
            batches = image_batches(manifest, images, self.architecture)
            parts = (part.to(self._device) for batch in batches for part in batch.split(BATCH))
            return torch.cat([encode(part).cpu() for part in parts])

        tensors = {name: rows(*dataset) for name, dataset in self._datasets.items()}
        write_safetensors(output, tensors, {"format": file_format, **self._header, **settings})
