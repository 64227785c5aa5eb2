"""Model soups: one "no" tower whose weights are the mean of those of several runs (Wortsman et al., ICML 2022)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.model.checkpoint import FORMAT, TRAINING, save_checkpoint
from clipn.model.tensors import mapping_in, read_safetensors

TRAINED = ("no.", "clip.logit_scale")
"""How names begin of what training changes: the "no" tower, and the temperature where a variant learns it."""


def average_checkpoints(paths: Sequence[Path], name: str, output: Path, notes: Mapping[str, str] | None = None) -> None:
    """Write the `mean_weights` of checkpoints as one of its own.

    Args:
        paths: as for `mean_weights`; same errors.
        name: of the run, for the checkpoint's header, which tells beside it the sha256 of every member and what their
            headers have in common.
        output: checkpoint to write.
        notes: more for the header.
    """
    tensors, header = mean_weights(paths)
    architecture = mapping_in(paths[0], header, "architecture")
    own = {"run": name, "soup_of_sha256": json.dumps([*map(file_hash, paths)]), **(notes or {})}
    save_checkpoint(output, tensors, architecture, header | own)


def mean_weights(paths: Sequence[Path]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights whose trained part is the mean of that of checkpoints, and what their headers have in common.

    All have equal weight. Sums are in float64 and rounded once, so the mean of one checkpoint is that one bit by bit.

    Args:
        paths: checkpoints of this project, on the same backbone weights.

    Raises:
        ClipnError: a checkpoint is missing, damaged or foreign, is there twice, has other towers, or is on other
            weights of the backbone.
    """
    hashes = [file_hash(path) for path in paths]
    for number, path in enumerate(paths):
        if hashes[number] in hashes[:number]:
            raise ClipnError(f"{path}: is {paths[hashes.index(hashes[number])]} again; name each run once")
    tensors, header = _read(paths[0])
    sums = {key: tensor.double() for key, tensor in tensors.items() if key.startswith(TRAINED)}
    # One after the other, as those of many runs would not fit into memory together.
    for path in paths[1:]:
        others, its_header = _read(path)
        _require_alike(tensors, others, paths[0], path)
        for key, total in sums.items():
            total += others[key]
        header = {key: value for key, value in header.items() if its_header.get(key) == value}
    return tensors | {key: (total / len(paths)).float() for key, total in sums.items()}, header


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights and header; a checkpoint of a training under way holds more."""
    tensors, header = read_safetensors(path, FORMAT)
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(TRAINING)}, header


def _require_alike(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], first: Path, path: Path) -> None:
    """Raise a ClipnError unless towers are of the same shapes, and those that no run trains are the same."""
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in ours or key not in theirs or ours[key].shape != theirs[key].shape:
            raise ClipnError(f"{path}: {key} has not the shape that it has in {first}; average runs of one variant")
        if not key.startswith(TRAINED) and not torch.equal(ours[key], theirs[key]):
            raise ClipnError(f"{path}: {key} is not that of {first}; average runs on the same weights of a backbone")
