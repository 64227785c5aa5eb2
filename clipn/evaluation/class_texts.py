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
from clipn.files import file_hash
from clipn.model.backbone import load_backbone, preprocess
from clipn.model.checkpoint import load_checkpoint
from clipn.model.clipn import CLIP, CLIPN, class_weights
from clipn.model.tensors import write_safetensors
from clipn.scores import PLAIN_CLIP
from clipn.text.prompts import has_negations, lines_sha256, no_prompt_pool, pool_hash, pool_name, prompt_pool


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
    require_names(classes)
    clip, config = load_backbone(backbone)
    plain = CLIP(clip, preprocess(config)).to(device).eval()
    # All models read the same texts, and to tokenize them takes as long as to encode them by a small tower.
    tokenizer = _remembering(plain.tokenizer)
    tensors, scales = dict[str, Tensor](), dict[str, float]()
    for run in (PLAIN_CLIP, *checkpoints):
        model = load_checkpoint(checkpoints[run], device) if run in checkpoints else plain
        model.tokenizer = tokenizer
        scales[run] = model.logit_scale
        says_yes = model is plain or not _same_towers(model.clip, clip, checkpoints[run])
        for pool, (id_dataset, names) in product(pools, classes.items()):
            for tower, weights in _weights(model, names, pool, says_yes):
                tensors[tensor_name(run, pool_name(pool), id_dataset, tower)] = weights
    described = {
        "checkpoints": {run: file_hash(path) for run, path in checkpoints.items()},
        "classes": {name: lines_sha256(names) for name, names in classes.items()},
        "pools": {pool_name(pool): pool_hash(pool) for pool in pools},
        "logit_scales": scales,
    }
    header = {"format": FORMAT, "backbone": file_hash(backbone)}
    write_safetensors(output, tensors, header | {key: json.dumps(value) for key, value in described.items()})


def _weights(model: CLIP, names: Sequence[str], pool: str, says_yes: bool) -> Iterator[tuple[Tower, Tensor]]:
    """The classifiers of a model's towers; none of a pool that cannot say what the model needs."""
    if _negates(model) and not has_negations(pool):
        return
    if says_yes:
        yield "yes", yes_weights(model, names, pool)
    if isinstance(model, CLIPN):
        yield "no", no_weights(model, names, pool)


def require_names(classes: Mapping[str, Sequence[str]]) -> None:
    """Raise a ClipnError if an ID dataset has no class names."""
    for id_dataset, names in classes.items():
        if not names:
            raise ClipnError(f"{id_dataset}: has no class names; give it `classes` in the registry")


def require_pool(model: CLIP, pool: str) -> None:
    """Raise a ClipnError if there is no such prompt pool, or if a model of hand-crafted texts needs it to negate."""
    prompt_pool(pool)
    if _negates(model):
        no_prompt_pool(pool)


def yes_weights(model: CLIP, classes: Sequence[str], pool: str) -> Tensor:
    """Unit-norm float32 classifier (classes, d) of the "yes" tower."""
    return class_weights(model.encode_text, model.tokenizer, classes, prompt_pool(pool), model.device)


def no_weights(model: CLIPN, classes: Sequence[str], pool: str) -> Tensor:
    """Unit-norm float32 classifier (classes, d) of the "no" tower."""
    # Learned prompts say "no" by themselves, so both towers read the same texts; else the texts must negate.
    templates = no_prompt_pool(pool) if _negates(model) else prompt_pool(pool)
    return class_weights(model.encode_no_text, model.tokenizer, classes, templates, model.device)


def _negates(model: CLIP) -> bool:
    """Whether it says "no" by the texts themselves."""
    return isinstance(model, CLIPN) and not model.learns_prompts


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
