"""Files on this machine, read in blocks and proven."""

from collections.abc import Iterator
from pathlib import Path

from clipn.data.download.inspection import Inspection, RefusedError
from clipn.progress import progress

BLOCK = 1 << 20


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file; raises RefusedError when there is none."""
    if not path.is_file():
        raise RefusedError("no such file")
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def prove_file(path: Path, inspection: Inspection) -> None:
    """Let `inspection` see the bytes of a file, showing progress; raises RefusedError when there is none."""
    size = path.stat().st_size if path.is_file() else None
    with progress(size, f"check {inspection.archive.file}", "B") as meter:
        for block in read_blocks(path):
            inspection.update(block)
            meter.update(len(block))
