"""Small images and records of datasets for tests."""

import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image

from clipn.data.location import Location, locate
from clipn.data.registry import Dataset


def jpeg(shade: int = 128, side: int = 16, mode: str = "RGB") -> bytes:
    """A grey square."""
    colour = shade if mode == "L" else (shade,) * len(mode)
    return encoded(PIL.Image.new(mode, (side, side), colour))


def noise(seed: int, width: int, height: int) -> PIL.Image.Image:
    """An image without two equal blocks."""
    pixels = np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)


def encoded(picture: PIL.Image.Image, form: str = "JPEG", **options: object) -> bytes:
    """Content of an image file."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def dataset(*files: str, **fields: object) -> Dataset:
    """A record of archives, `flat` unless told otherwise."""
    archives = [{"file": file} for file in files]
    return Dataset.model_validate({"title": "T", "archives": archives, "reader": "flat"} | fields)


def at(path: Path, **fields: object) -> Location:
    """The one archive or folder of a dataset."""
    return locate(dataset(path.name, **fields), path.parent, path.parent)


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """The files below `folder`, by their relative paths."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of the files, and of an empty folder."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("folder")
        for name, content in files.items():
            archive.writestr(name, content)
    return path
