"""What every prompt of a pool says of the ID classes, and the mean image of the captions, for ZPE."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipn.data.description import read_classes
from clipn.features.captions import CAPTIONS_AT_ONCE, read_caption_images
from clipn.features.stored import PROMPTS_FORMAT
from clipn.features.texts import TextEncoder
from clipn.files import file_hash
from clipn.model.tensors import write_safetensors
from clipn.text.prompts import lines_sha256, pool_hash, pool_name, prompt_pool


def cache_prompt_features(
    backbone: Path,
    names: Sequence[str],
    datasets: Path,
    prompts: str,
    index: Path,
    caption_images: Path,
    output: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write `<output>/<ID dataset>.safetensors`: `texts` (prompts, classes, d), and `pretraining` (d,) float64.

    Texts are unit-norm float32: 164 MB for 80 prompts, 1,000 classes and 512 dimensions. `pretraining` is the mean of
    the features of the captions' images, which stand for those that the backbone was trained on: of them ZPE needs no
    more.

    Args:
        backbone: backbone file.
        names: of the ID datasets.
        datasets: folder with one indexed dataset per folder.
        prompts: prompt pool.
        index: of the shards.
        caption_images: features of their images under the evaluation crop.
        output: folder to write to.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: a file is missing or damaged, features are of another backbone or other shards, or an ID dataset
            has no class names.
    """
    classes = {name: read_classes(datasets / name / "dataset.json") for name in names}
    encoder = TextEncoder(backbone, device, threads)
    pretraining = _mean(read_caption_images(caption_images, backbone, index, views=0)[0])
    header = {"format": PROMPTS_FORMAT, "backbone": encoder.sha256, "captions": file_hash(caption_images)}
    header |= {"prompts": pool_name(prompts), "templates": pool_hash(prompts)}
    for name, listed in classes.items():
        texts = torch.stack([encoder(listed, [template]) for template in prompt_pool(prompts)])
        tensors = {"texts": texts, "pretraining": pretraining}
        write_safetensors(output / f"{name}.safetensors", tensors, header | {"classes": lines_sha256(listed)})


def _mean(features: Tensor) -> Tensor:
    """Mean (d,) in float64 of features (n, d), of which some lie in that precision at a time.

    Features of a file stay in it until they are read; torch's own mean would turn all of them to float64 first.
    """
    blocks = features.split(CAPTIONS_AT_ONCE)
    total = torch.stack([block.sum(dim=0, dtype=torch.float64) for block in blocks]).sum(dim=0)
    return total / len(features)
