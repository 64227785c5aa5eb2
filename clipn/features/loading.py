"""Image files, read and preprocessed by threads a few ahead of the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from clipn.data.readers.image import UndecodableError
from clipn.features.given_images import Preprocess, read_picture
from clipn.iteration import batched, in_threads
from clipn.progress import tracked


@dataclass(frozen=True)
class FileReading:
    """How files are read.

    Attributes:
        batch: images that come together.
        workers: threads that read and decode.
    """

    batch: int = 32
    workers: int = 2


def file_batches(
    files: Sequence[str], preprocess: Preprocess, reading: FileReading, what: str
) -> Iterator[list[tuple[str, Tensor | str]]]:
    """Files in their order, each with its preprocessed image (3, h, w), or with the reason why there is none.

    Args:
        files: paths.
        preprocess: brings a picture to (3, h, w).
        reading: how they are read.
        what: is done with them, for the progress meter.
    """
    # Two batches ahead, so that the threads work on while the model is busy.
    loaded = in_threads(partial(_loaded, preprocess), files, reading.workers, 2 * reading.batch)
    yield from batched(tracked(loaded, len(files), what, "images"), reading.batch)


def _loaded(preprocess: Preprocess, file: str) -> tuple[str, Tensor | str]:
    try:
        return file, preprocess(read_picture(Path(file)))
    except UndecodableError as error:
        return file, error.reason
