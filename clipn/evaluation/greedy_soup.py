"""Greedy soups: the runs whose mean detects best on held-out data (Wortsman et al., ICML 2022, Recipe 1)."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from torch import Tensor

from clipn.compute import prepare_torch
from clipn.data.description import read_classes
from clipn.errors import ClipnError
from clipn.evaluation.class_texts import no_weights, require_pool, yes_weights
from clipn.evaluation.classifiers import Towers, id_classifier
from clipn.evaluation.scoring import Methods, score_features
from clipn.features.stored import read_image_features
from clipn.metrics import auroc
from clipn.model.checkpoint import load_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.soup import average_checkpoints, mean_weights
from clipn.progress import tracked

METHOD = "atd"
"""What held-out images are scored by: the method of CLIPN that tables compare all others with."""


@dataclass(frozen=True)
class HeldOut:
    """Images that a choice between runs may be made on.

    Attributes:
        pairs: OOD datasets for development of some ID datasets; none of them is reported.
        datasets: folder with one indexed dataset per folder.
        features: folder with the image features of the runs' backbone, a file per dataset.
        prompts: prompt pool of the class names.
        logit_scale: what multiplies cosines; None: the model's own.
    """

    pairs: Mapping[str, Sequence[str]]
    datasets: Path
    features: Path
    prompts: str
    logit_scale: float | None

    def score(self, model: CLIPN) -> float:
        """AUROC of `METHOD`, on average over all pairs; fraction in [0, 1]."""
        found = []
        with ThreadPoolExecutor(1) as pool:
            for id_dataset, ood_datasets in self.pairs.items():
                classes = read_classes(self.datasets / id_dataset / "dataset.json")
                yes, no = (
                    said(model, classes, self.prompts).cpu().double().numpy() for said in (yes_weights, no_weights)
                )
                scale = model.logit_scale if self.logit_scale is None else self.logit_scale
                features = {
                    name: read_image_features(self.features / f"{name}.safetensors")
                    for name in (id_dataset, *ood_datasets)
                }
                towers = Towers(scale, yes, no)
                classifier = id_classifier(towers, {"no"}, features[id_dataset], self.features, id_dataset)
                scores = {
                    name: score_features(classifier, images, None, None, Methods([METHOD]), pool)[METHOD].to_numpy()
                    for name, images in features.items()
                }
                found += [auroc(scores[id_dataset], scores[name]) for name in ood_datasets]
        return fmean(found)


def average_greedily(
    paths: Sequence[Path], name: str, output: Path, held_out: HeldOut, device: str = "cpu", threads: int = 1
) -> None:
    """Write the mean of those of some checkpoints whose mean detects best on held-out images.

    Beginning with the best, each is added, by falling score of its own, if the score of the mean does not fall. The
    header tells the score of every single one, and that of the mean.

    Args:
        paths: checkpoints, as for `clipn.model.soup.mean_weights`.
        name: of the run.
        output: checkpoint to write.
        held_out: what decides.
        device: where texts are encoded, `cpu` or `cuda`.
        threads: of torch.

    Raises:
        ClipnError: checkpoints have no mean, features are missing, or there is nothing held out.
    """
    if not held_out.pairs:
        raise ClipnError(
            "development: no held-out images to choose runs on; name an ID dataset and OOD datasets for it"
        )
    prepare_torch(device, threads)
    model = load_checkpoint(paths[0], device)
    require_pool(model, held_out.prompts)

    def score(members: Sequence[Path]) -> float:
        tensors: dict[str, Tensor] = mean_weights(members)[0]
        model.load_state_dict(tensors)
        return held_out.score(model)

    # All together first: runs that have no mean are refused before any of them is scored.
    mean_weights(paths)
    singles = {path: score([path]) for path in tracked(paths, len(paths), "score", "runs")}
    # Of equal ones the first named comes first.
    best, *others = sorted(paths, key=lambda path: -singles[path])
    members, highest = [best], singles[best]
    for path in others:
        if (found := score([*members, path])) >= highest:
            members, highest = [*members, path], found
    scores = {"runs": [singles[path] for path in paths], "mean": highest}
    average_checkpoints(members, name, output, {"held_out_auroc": json.dumps(scores)})
