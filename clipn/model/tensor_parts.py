"""Safetensors files that are written part by part, so that their tensors need not fit in memory."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.files import atomic
from clipn.model.tensors import HEADER, require_finite

KINDS = {torch.float32: "F32", torch.int32: "I32"}
"""Names of types in a file, in the order in which it holds their tensors."""
ALIGNMENT = 8
"""Bytes that the length of a header is a multiple of."""


@contextmanager
def safetensors_in_parts(
    path: Path, tensors: Mapping[str, tuple[torch.dtype, Sequence[int]]], metadata: Mapping[str, str]
) -> Iterator[Callable[[str, Tensor], None]]:
    """Write a file atomically whose bytes are those of `clipn.model.tensors.write_safetensors`.

    Args:
        path: the file.
        tensors: type, of `KINDS`, and shape of each.
        metadata: texts by key.

    Yields:
        A function that takes the name of a tensor and its next values, in the order of rows.

    Raises:
        ClipnError: a part holds NaN or infinity, or the disk is full.
    """
    places, stop = dict[str, tuple[int, int]](), 0
    fields: dict[str, object] = {"__metadata__": {HEADER: json.dumps(dict(metadata))}}
    for name in sorted(tensors, key=lambda name: ([*KINDS].index(tensors[name][0]), name)):
        kind, shape = tensors[name]
        start, stop = stop, stop + kind.itemsize * math.prod(shape)
        places[name] = start, stop
        fields[name] = {"dtype": KINDS[kind], "shape": [*shape], "data_offsets": [start, stop]}
    header = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    written = {name: start for name, (start, _) in places.items()}
    with atomic(path) as temporary, temporary.open("wb") as stream:

        def put(place: int, content: bytes | memoryview) -> None:
            try:
                stream.seek(place)
                stream.write(content)
                # Here, where it is known to be this file that the disk has no room for.
                stream.flush()
            except OSError as error:
                raise ClipnError(f"{path}: could not be written ({error}); free some space on its disk") from error

        def write(name: str, part: Tensor) -> None:
            require_finite(path, {name: part}, "it was not written; check the weights and images it is made of")
            assert part.dtype == tensors[name][0]
            content = part.detach().cpu().contiguous().numpy().data
            put(8 + len(header) + written[name], content)
            written[name] += content.nbytes

        put(0, len(header).to_bytes(8, "little") + header)
        yield write
        assert all(written[name] == end for name, (_, end) in places.items())
