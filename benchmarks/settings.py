"""How much settings that differ between papers move AUROC and FPR95, on the images of a finished demo.

`python -m benchmarks.settings results/studies/demo`: one change at a time, of one checkpoint and ID dataset.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from torch import Tensor
from torchvision.transforms import Compose, InterpolationMode, Resize

import clipn
from clipn.data.readers import read_dataset
from clipn.files import read_mapping
from clipn.metrics import measures
from clipn.metrics.conventions import CONVENTIONS
from clipn.scores import SCORES

METHODS = ("msp", "mcm", "max_logit", "atd")
ID = "imagenet"
OOD = ("inaturalist", "sun", "places", "textures")
POOLS = ("clipn128_clean", "clipn128", "openai80", "single")
Features = dict[str, Tensor]


def encoded(detector: clipn.Detector, archives: Path, mode: InterpolationMode) -> Features:
    """Unit-norm features of every dataset, whose images are resized in one way or the other."""
    preprocess: Any = detector.model.preprocess
    resize, *others = preprocess.transforms
    transform = Compose([Resize(resize.size, mode), *others])
    registry = archives / "mirror" / "datasets.yaml"
    return {
        name: detector.features([transform(image.open()) for image in read_dataset(name, registry, archives / name)])
        for name in (ID, *OOD)
    }


def measured(
    detector: clipn.Detector, features: Features, scale: float = 100, twice: int = 0, convention: str = "clipn"
) -> Iterator[tuple[float, float]]:
    """AUROC and FPR95 in percent, averaged over the OOD sets, of every method; `twice` classes stand there twice."""
    listed = [*range(len(detector.classes)), *range(twice)]
    towers = [weights[listed].T for weights in (detector.yes_weights, detector.no_weights)]
    logits = {name: [scale * images @ weights for weights in towers] for name, images in features.items()}
    for method in METHODS:
        ranking = {name: SCORES[method].ranking(yes, no, scale) for name, (yes, no) in logits.items()}
        pairs = [measures(ranking[ID], ranking[name], [convention]) for name in OOD]
        yield (
            float(100 * np.mean([pair.auroc for pair in pairs])),
            float(100 * np.mean([pair.fpr95[convention] for pair in pairs])),
        )


def main(folder: Annotated[Path, typer.Argument(exists=True, help="of the demo")]) -> None:
    """Print the numbers as they are, then what every change adds to them."""
    model = clipn.load(folder / "runs/tiny/learnable/seed1.safetensors")
    classes = read_mapping(folder / "datasets" / ID / "dataset.json")["classes"]
    usual, *others = (clipn.Detector(model, classes, pool) for pool in POOLS)
    images = encoded(usual, folder / "archives", InterpolationMode.BICUBIC)
    bilinear = encoded(usual, folder / "archives", InterpolationMode.BILINEAR)
    changes = {
        **{f"prompts `{other.prompts}`": measured(other, images) for other in others},
        "2 of 15 class names listed twice": measured(usual, images, twice=2),
        "resize: bilinear": measured(usual, bilinear),
        "logit scale 50": measured(usual, images, 50),
        f"logit scale {model.logit_scale:.1f}, the checkpoint's": measured(usual, images, model.logit_scale),
        **{f"FPR95 `{name}`": measured(usual, images, convention=name) for name in CONVENTIONS if name != "clipn"},
    }
    base = [*measured(usual, images)]
    print(f"| change | {' | '.join(METHODS)} |")
    print(f"| --- |{' ---: |' * len(METHODS)}")
    print(f"| none | {' | '.join(f'{area:.2f} / {rate:.2f}' for area, rate in base)} |")
    for change, found in changes.items():
        cells = (f"{area - a:+.2f} / {rate - r:+.2f}" for (area, rate), (a, r) in zip(found, base, strict=True))
        print(f"| {change} | {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
