"""Zero-shot classification of the same images with the same weights, by `clipn` and by CLIP_benchmark."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from benchmarks.contest import Turn, timed

ARCHITECTURE = "ViT-S-32"
CLASSES = 10
SIDE = 256
"""Of the generated JPEG images."""
POOL = "openai80"
BATCH = 64
"""CLIP_benchmark's default."""


def prepare(folder: Path, images: int) -> None:
    """Write a random backbone, a folder of images for every class, and their manifest."""
    import torch

    from clipn.data.verify import verify_dataset
    from clipn.model.backbone import architecture, build, save_backbone

    torch.manual_seed(0)
    config = architecture(ARCHITECTURE)
    save_backbone(folder / "backbone.safetensors", build(config), config, ARCHITECTURE)
    draw = np.random.default_rng(0)
    for number in range(images):
        path = folder / "images" / f"class {number % CLASSES}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = PIL.Image.fromarray(draw.integers(256, size=(16, 16, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC).save(path, quality=90)
    verify_dataset("bench", _record(), folder, folder, folder / "dataset")


def clipn(folder: Path, threads: int) -> Turn:
    """`clipn`'s way the first time: features are cached, then classified."""
    from clipn.data.location import locate
    from clipn.data.readers import read_images
    from clipn.features.images import cache_image_features

    def work() -> dict[str, Any]:
        images = read_images(locate(_record(), folder, folder))
        manifest = folder / "dataset" / "manifest.parquet"
        cache_image_features(folder / "backbone.safetensors", {_cache(folder): (manifest, images)}, threads=threads)
        return _classified(folder)

    return Turn(*timed(work))


def clipn_again(folder: Path, threads: int) -> Turn:
    """`clipn`'s way from then on: cached features, class weights encoded anew."""
    from clipn.compute import prepare_torch

    prepare_torch("cpu", threads)
    return Turn(*timed(lambda: _classified(folder)))


def clip_benchmark(folder: Path, threads: int) -> Turn:
    """CLIP_benchmark's way: images through a loader and the model, logits of all images, every time."""
    import torch
    from clip_benchmark.metrics.zeroshot_classification import run_classification, zero_shot_classifier
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    from clipn.text.prompts import prompt_pool

    torch.set_num_threads(threads)
    model, transform = _model(folder)
    images = ImageFolder(folder / "images", transform)
    templates = [template.replace("{}", "{c}") for template in prompt_pool(POOL)]

    def work() -> dict[str, Any]:
        loader = DataLoader(images, BATCH, num_workers=threads)
        classifier = zero_shot_classifier(model.clip, model.tokenizer, images.classes, templates, "cpu", amp=False)
        logits, _ = run_classification(model.clip, classifier, loader, "cpu", amp=False)
        return _results(logits)

    return Turn(*timed(work))


def _classified(folder: Path) -> dict[str, Any]:
    import torch

    from clipn.data.description import read_classes
    from clipn.evaluation.detector import Detector
    from clipn.features.stored import read_image_features

    model, _ = _model(folder)
    detector = Detector(model, read_classes(folder / "dataset" / "dataset.json"), prompts=POOL)
    return _results(detector.yes_logits(torch.from_numpy(read_image_features(_cache(folder)))))


def _results(logits: Any) -> dict[str, Any]:
    return {"logits": logits.numpy(), "predictions": logits.argmax(dim=1).numpy()}


@cache
def _model(folder: Path) -> tuple[Any, Any]:
    """The model, and the transform of its images."""
    from clipn.model.backbone import load_backbone, preprocess
    from clipn.model.clipn import CLIPN

    clip, config = load_backbone(folder / "backbone.safetensors")
    return CLIPN(clip, preprocess(config)).eval(), preprocess(config)


def _record() -> Any:
    from clipn.data.registry import Dataset

    return Dataset(title="Bench", reader="folders", folder="images")


def _cache(folder: Path) -> Path:
    return folder / "features.safetensors"
