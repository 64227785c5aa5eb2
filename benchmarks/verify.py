"""Images per second of `clipn data verify` against sha256sum and a plain loop over tarfile and Pillow, in one run."""

import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
import PIL.Image
import typer

from benchmarks import machine
from clipn.data.archives import member_names, write_archive
from clipn.data.registry import Archive, Dataset
from clipn.data.verify import verify_dataset
from clipn.files import file_hash

WIDTH, HEIGHT = 500, 375
"""Pixels of the generated images; those of ImageNet and the MOS sets are about as large."""


def verify(archive: Path, record: Dataset, output: Path) -> None:
    """Archive proven, images hashed and decoded, manifest written."""
    verify_dataset("bench", record, archive.parent, archive.parent, output)


def plain(archive: Path) -> None:
    """Archive hashed, then images decoded one by one; they are not hashed, and nothing is written."""
    subprocess.run(["sha256sum", archive], check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(".jpg") and (stream := tar.extractfile(member)):
                PIL.Image.open(BytesIO(stream.read())).load()


def seconds(work: Callable[[], None]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(
    archive: Annotated[
        Path | None, typer.Argument(exists=True, help="tar of JPEG images; else they are generated")
    ] = None,
    images: int = 1500,
    repetitions: int = 5,
) -> None:
    """Print the medians of alternating repetitions, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        path = archive or Path(folder) / "images.tar"
        if archive is None:
            write_archive(path, _members(images))
        record = Dataset(title="Bench", reader="flat", archives=[Archive(file=path.name, sha256=file_hash(path))])
        ours, theirs = [], []
        for _ in range(repetitions):
            ours.append(seconds(lambda: verify(path, record, Path(folder) / "out")))
            theirs.append(seconds(lambda: plain(path)))
        _report(path, statistics.median(ours), statistics.median(theirs))


def _members(images: int) -> Iterator[tuple[str, bytes]]:
    """Smooth colours with noise, which compress like photographs."""
    rng = np.random.default_rng(0)
    for number in range(images):
        coarse = PIL.Image.fromarray(rng.integers(256, size=(12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), PIL.Image.Resampling.BICUBIC), np.int16)
        noisy = smooth + rng.integers(-12, 13, size=(HEIGHT, WIDTH, 1), dtype=np.int16)
        content = BytesIO()
        PIL.Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=90)
        yield f"images/{number:05d}.jpg", content.getvalue()


def _report(path: Path, ours: float, theirs: float) -> None:
    count = sum(name.endswith(".jpg") for name in member_names(path))
    megabytes = path.stat().st_size / 1e6
    print(f"{count} images, {megabytes:.0f} MB; {machine.description('cpu')}")
    for name, taken in (("verify", ours), ("sha256sum and plain loop", theirs)):
        print(f"{name}: {taken:.2f} s, {count / taken:.0f} images/s, {megabytes / taken:.0f} MB/s")
    print(f"{theirs / ours:.2f}x")


if __name__ == "__main__":
    typer.run(main)
