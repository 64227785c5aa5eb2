"""The class names of ID datasets as the towers of a backbone and its runs encode them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import open_clip
import torch
from torch import Tensor

from clipn.compute import prepare_torch
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import FORMAT, Tower, tensor_name
from clipn.evaluation.detector import Detector
from clipn.files import file_hash
from clipn.model.backbone import load_backbone, preprocess
from clipn.model.checkpoint import load
from clipn.model.clipn import CLIPN
from clipn.model.tensors import write_safetensors
from clipn.scores import PLAIN_CLIP
from clipn.text.prompts import has_negations, lines_sha256, pool_hash, pool_name


def cache_classifiers(
    backbone: Path,
    checkpoints: Mapping[str, Path],
    classes: Mapping[str, Sequence[str]],
    pools: Sequence[str],
    output: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write the unit-norm float32 classifiers (classes, d) of a backbone and of the runs on it.

    A run of hand-crafted texts has classifiers only of pools that have negations. The "yes" classifier of a run is
    there only if its towers differ from the backbone's, as those of a released checkpoint do in their last digits.

    Args:
        backbone: backbone file.
        checkpoints: of the runs, by their names, e.g. `learnable/seed1`.
        classes: names of the classes of every ID dataset.
        pools: prompt pools, as for `clipn.text.prompts.prompt_pool`.
        output: file to write, which `clipn.evaluation.classifiers.Classifiers` reads.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: a file is missing, damaged or foreign, a run is of another backbone, or a list of names is empty.
    """
    prepare_torch(device, threads)
    clip, architecture = load_backbone(backbone)
    plain = CLIPN(clip, preprocess(architecture)).to(device).eval()
    # All models read the same texts, and to tokenize them takes as long as to encode them by a small tower.
    tokenizer = _remembering(plain.tokenizer)
    tensors: dict[str, Tensor] = {}
    scales: dict[str, float] = {}
    for run in (PLAIN_CLIP, *checkpoints):
        model = load(checkpoints[run], device) if run in checkpoints else plain
        model.tokenizer = tokenizer
        scales[run] = model.logit_scale
        says_yes = model is plain or not _same_towers(model.clip, clip, checkpoints[run])
        suitable = [pool for pool in pools if model.learns_prompts or has_negations(pool)]
        for pool, (id_dataset, names) in product(suitable, classes.items()):
            for tower, weights in _weights(Detector(model, names, pool), says_yes, model is not plain):
                tensors[tensor_name(run, pool_name(pool), id_dataset, tower)] = weights
    described = {
        "checkpoints": {run: file_hash(checkpoint) for run, checkpoint in checkpoints.items()},
        "classes": {name: lines_sha256(names) for name, names in classes.items()},
        "pools": {pool_name(pool): pool_hash(pool) for pool in pools},
        "logit_scales": scales,
    }
    header = {"format": FORMAT, "backbone": file_hash(backbone)}
    write_safetensors(output, tensors, header | {key: json.dumps(value) for key, value in described.items()})


def _weights(detector: Detector, yes: bool, no: bool) -> Iterator[tuple[Tower, Tensor]]:
    """The classifiers of the towers that are asked for."""
    # They were computed in float32; `Detector` hands them out in float64.
    if yes:
        yield "yes", detector.yes_weights.float()
    if no:
        yield "no", detector.no_weights.float()


def _remembering(tokenizer: Callable[[list[str]], Tensor]) -> Callable[[list[str]], Tensor]:
    """A tokenizer that knows the texts that it has read."""
    remembered = cache(lambda texts: tokenizer(list(texts)))
    return lambda texts: remembered(tuple(texts))


def _same_towers(clip: open_clip.CLIP, frozen: open_clip.CLIP, checkpoint: Path) -> bool:
    """Whether all weights but the temperature, which is no part of a classifier, are the same."""
    ours, theirs = clip.state_dict(), frozen.state_dict()
    if {name: tensor.shape for name, tensor in ours.items()} != {name: tensor.shape for name, tensor in theirs.items()}:
        raise ClipnError(f"{checkpoint}: its towers are not of the backbone's size; name the backbone that it was on")
    return all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items() if name != "logit_scale")
