"""A mirror of generated archives in the official formats, with the registry that points at them."""

import hashlib
import pickle
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import scipy.io
import yaml
from numpy.random import Generator
from numpy.typing import NDArray

from clipn.data.archives import read_members, write_archive
from clipn.data.captions.sources import NUMBERED_IMAGE
from clipn.data.registry import Archive, CaptionSource, Dataset, Registry, Selection
from clipn.demo.settings import ARCHIVES, TRAINING
from clipn.demo.world import ALL_CONCEPTS, CONCEPTS, Scene, caption, imagine, render
from clipn.errors import ClipnError
from clipn.files import file_hash, write_text
from clipn.progress import tracked

PHOTO_SIDE = 48
THUMBNAIL_SIDE = 32
JPEG_QUALITY = 90
CAPTION_HOST = "http://127.0.0.1:8080"
DEVKIT = "ILSVRC2012_devkit_t12/data"
DEVKIT_SHIFT = 4  # devkit ids run this many places ahead of the sorted WordNet ids
INNER_SYNSETS = ("figure", "round figure", "angular figure")
MAT_HEADER = b"MATLAB 5.0 MAT-file, generated".ljust(116)  # SciPy writes the date here
SYNSET_FIELDS = [
    "ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"
]  # fmt: skip
TITLES = {
    "imagenet": "Shapes (ImageNet format)",
    "cifar10": "Shapes (CIFAR-10 format)",
    TRAINING: "Shapes (CIFAR-10 format), training",
    "cifar100": "Shapes (CIFAR-100 format)",
    "inaturalist": "Shapes (iNaturalist format)",
    "sun": "Shapes (SUN format)",
    "places": "Shapes (Places format)",
    "textures": "Shapes (Textures format)",
    "imagenet_resize": "Shapes (ImageNet-resize format)",
    "lsun_resize": "Shapes (LSUN-resize format)",
}
"""What they are, as nobody shall take their numbers for those of the datasets whose format they have."""

Members = Iterable[tuple[str, bytes]]


def build_mirror(folder: Path, seed: int, captions: int, images: int, training: int = 0) -> None:
    """Write all archives, `datasets.yaml` and `words.txt` into `folder`; the same arguments give the same bytes.

    `words.txt` names every concept of the world, for methods that contrast the ID classes with other words.

    Args:
        folder: made if it is missing.
        seed: of the whole mirror; each dataset draws from a stream of its own.
        captions: number of captions, each with one image.
        images: number of images of each benchmark dataset.
        training: number of training images of CIFAR-10; 0: its archive has none.

    Raises:
        ClipnError: `captions` or `images` is not positive, or `folder` holds somebody's registry.
    """
    if (folder / "datasets.yaml").exists() and not (folder / "words.txt").exists():
        raise ClipnError(f"{folder}: holds a datasets.yaml that is not the demo's; name another folder")
    if captions < 1 or images < 1:
        raise ClipnError(f"captions ({captions}) and images ({images}) of the demo must be at least 1; raise them")
    datasets = {
        name: write(folder, _stream(seed, name), images)
        for name, write in tracked(_WRITERS.items(), len(_WRITERS), "generate", "datasets")
    }
    if training:
        cifar10 = folder / ARCHIVES["cifar10"][0]
        datasets |= _with_training(cifar10, datasets["cifar10"], _stream(seed, TRAINING), training)
    registry = Registry(datasets=datasets, captions={"cc3m": _write_cc3m(folder, _stream(seed, "cc3m"), captions)})
    record = registry.model_dump(mode="json", exclude_defaults=True)
    write_text(folder / "words.txt", "".join(f"{concept}\n" for concept in ALL_CONCEPTS))
    write_text(folder / "datasets.yaml", yaml.safe_dump(record, sort_keys=False, width=100))


def _stream(seed: int, name: str) -> Generator:
    """Random numbers that depend on the seed and on this name only."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()])


def _labels(name: str, rng: Generator, images: int) -> list[int]:
    """Labels in random order, each class as often as the others."""
    return [int(label) for label in rng.permutation(np.arange(images) % len(CONCEPTS[name]))]


def _jpeg(concept: str, rng: Generator) -> bytes:
    return _photo(imagine(concept, rng), rng)


def _photo(scene: Scene, rng: Generator) -> bytes:
    return _encoded(render(scene, rng, PHOTO_SIDE), "JPEG", quality=JPEG_QUALITY, subsampling=0)


def _encoded(pixels: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    stream = BytesIO()
    PIL.Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _archive(path: Path, members: Members) -> Archive:
    """Write an archive and describe it."""
    write_archive(path, members)
    return _described(path)


def _described(path: Path) -> Archive:
    return Archive(file=path.name, addresses=[path.name], sha256=file_hash(path), bytes=path.stat().st_size)


# ImageNet


def _write_imagenet(folder: Path, rng: Generator, images: int) -> Dataset:
    labels = _labels("imagenet", rng, images)
    concepts = CONCEPTS["imagenet"]
    photos = (
        (f"ILSVRC2012_val_{number:08d}.JPEG", _jpeg(concepts[label], rng)) for number, label in enumerate(labels, 1)
    )
    truth = "".join(f"{_devkit_id(label)}\n" for label in labels)
    devkit = [
        (f"{DEVKIT}/ILSVRC2012_validation_ground_truth.txt", truth.encode()),
        (f"{DEVKIT}/meta.mat", _synsets()),
    ]
    return Dataset(
        title=TITLES["imagenet"],
        archives=[
            _archive(folder / ARCHIVES["imagenet"][0], photos),
            _archive(folder / ARCHIVES["imagenet"][1], devkit),
        ],
        reader="imagenet_val",
        images=images,
        classes=list(concepts),
    )


def _devkit_id(label: int) -> int:
    return (label + DEVKIT_SHIFT) % len(CONCEPTS["imagenet"]) + 1


def _wnid(position: int) -> str:
    """WordNet ids that no real synset has, increasing with the position."""
    return f"n9{position:07d}"


def _synsets() -> bytes:
    """The devkit's `meta.mat`: leaf synsets by devkit id, then the inner ones."""
    concepts = CONCEPTS["imagenet"]
    leaves = sorted((_devkit_id(label), _wnid(label), words) for label, words in enumerate(concepts))
    rows: list[tuple[Any, ...]] = [
        (number, wnid, words, f"a {words}", 0, [], 0, 1300) for number, wnid, words in leaves
    ]
    children = list(range(1, len(leaves) + 1))
    for number, words in enumerate(INNER_SYNSETS, len(leaves) + 1):
        rows.append((number, _wnid(number), words, f"any {words}", len(children), children, 1, 0))
    # A column of records: SciPy writes it as the array of structs that MATLAB wrote.
    table = np.empty((len(rows), 1), dtype=[(field, object) for field in SYNSET_FIELDS])
    table[:, 0] = rows
    stream = BytesIO()
    scipy.io.savemat(stream, {"synsets": table})
    return MAT_HEADER + stream.getvalue()[len(MAT_HEADER) :]


# CIFAR


def _write_cifar10(folder: Path, rng: Generator, images: int) -> Dataset:
    labels = _labels("cifar10", rng, images)
    batch = _batch("cifar10", rng, labels) | {b"batch_label": b"testing batch 1 of 1", b"labels": labels}
    meta = {b"num_cases_per_batch": images, b"label_names": _bytes(CONCEPTS["cifar10"]), b"num_vis": 3072}
    members = _pickled("cifar-10-batches-py", {"batches.meta": meta, "test_batch": batch})
    return _cifar("cifar10", folder / ARCHIVES["cifar10"][0], members, images)


def _with_training(path: Path, test: Dataset, rng: Generator, images: int) -> dict[str, Dataset]:
    """CIFAR-10 and its training set, whose five batches are added to the archive."""
    labels = _labels("cifar10", rng, images)
    parts = [labels[start::5] for start in range(5)]
    batches = {
        f"data_batch_{number}": _batch("cifar10", rng, part)
        | {b"batch_label": f"training batch {number} of 5".encode(), b"labels": part}
        for number, part in enumerate(parts, 1)
    }
    members = [*read_members(path, lambda _: True), *_pickled("cifar-10-batches-py", batches)]
    archives = [_archive(path, members)]
    train = Dataset(title=TITLES[TRAINING], archives=archives, reader="cifar_train", images=images)
    return {"cifar10": test.model_copy(update={"archives": archives}), TRAINING: train}


def _write_cifar100(folder: Path, rng: Generator, images: int) -> Dataset:
    """The coarse label of a concept is its colour."""
    labels = _labels("cifar100", rng, images)
    concepts = CONCEPTS["cifar100"]
    colours = sorted({concept.split()[0] for concept in concepts})
    coarse = [colours.index(concepts[label].split()[0]) for label in labels]
    batch = _batch("cifar100", rng, labels) | {
        b"batch_label": b"testing batch 1 of 1",
        b"fine_labels": labels,
        b"coarse_labels": coarse,
    }
    meta = {b"fine_label_names": _bytes(concepts), b"coarse_label_names": _bytes(colours)}
    members = _pickled("cifar-100-python", {"meta": meta, "test": batch})
    return _cifar("cifar100", folder / ARCHIVES["cifar100"][0], members, images)


def _cifar(name: str, path: Path, members: Members, images: int) -> Dataset:
    return Dataset(title=TITLES[name], archives=[_archive(path, members)], reader="cifar", images=images)


def _batch(name: str, rng: Generator, labels: list[int]) -> dict[bytes, Any]:
    pictures = [render(imagine(CONCEPTS[name][label], rng), rng, THUMBNAIL_SIDE) for label in labels]
    rows = np.stack(pictures).transpose(0, 3, 1, 2).reshape(len(labels), -1)
    names = [f"{CONCEPTS[name][label].replace(' ', '_')}_s_{row:06d}.png" for row, label in enumerate(labels)]
    return {b"data": rows, b"filenames": _bytes(names)}


def _bytes(texts: Iterable[str]) -> list[bytes]:
    return [text.encode() for text in texts]


def _pickled(folder: str, contents: dict[str, dict[bytes, Any]]) -> Members:
    for name, content in contents.items():
        yield f"{folder}/{name}", pickle.dumps(content, protocol=2)


# Sets without labels, and DTD


def _write_mos(name: str, root: str, folder: Path, rng: Generator, images: int) -> Dataset:
    """A tarball as MOS published them: `<root>/images/<file name>`."""
    concepts = [CONCEPTS[name][label] for label in _labels(name, rng, images)]
    members = (
        (f"{root}/images/{_mos_file_name(name, concept, number, rng)}", _jpeg(concept, rng))
        for number, concept in enumerate(concepts, 1)
    )
    return Dataset(
        title=TITLES[name],
        archives=[_archive(folder / ARCHIVES[name][0], members)],
        reader="flat",
        images=images,
    )


def _mos_file_name(name: str, concept: str, number: int, rng: Generator) -> str:
    """As each of the three datasets names its files; only those of Places tell what they show."""
    if name == "inaturalist":
        return f"{rng.bytes(16).hex()}.jpg"
    if name == "sun":
        letters = "".join(chr(ord("a") + letter) for letter in rng.integers(26, size=16))
        return f"sun_{letters}.jpg"
    figure = concept.split()[1]
    return f"{figure[0]}_{figure}_{number:08d}.jpg"


def _write_textures(folder: Path, rng: Generator, images: int) -> Dataset:
    return Dataset(
        title=TITLES["textures"],
        archives=[_archive(folder / ARCHIVES["textures"][0], _dtd(rng, images))],
        reader="folders",
        select=Selection(include=["dtd/images/*"]),
        images=images,
    )


def _dtd(rng: Generator, images: int) -> Members:
    """DTD's tree; the category of a concept is its figure."""
    concepts = CONCEPTS["textures"]
    paths = []
    for label, concept in enumerate(concepts):
        category = concept.split()[1]
        for number, _ in enumerate(range(label, images, len(concepts)), 1):
            paths.append(f"{category}/{category}_{number:04d}.jpg")
            yield f"dtd/images/{paths[-1]}", _jpeg(concept, rng)
    yield "dtd/labels/test1.txt", "".join(f"{path}\n" for path in paths).encode()


def _write_resized(name: str, root: str, folder: Path, rng: Generator, images: int) -> Dataset:
    """A tarball as ODIN published them: 32 x 32, in a folder of the same name twice."""
    concepts = [CONCEPTS[name][label] for label in _labels(name, rng, images)]
    members = (
        (f"{root}/{root}/{number:05d}.png", _encoded(render(imagine(concept, rng), rng, THUMBNAIL_SIDE), "PNG"))
        for number, concept in enumerate(concepts)
    )
    return Dataset(
        title=TITLES[name],
        archives=[_archive(folder / ARCHIVES[name][0], members)],
        reader="flat",
        images=images,
    )


# Captions


def _write_cc3m(folder: Path, rng: Generator, captions: int) -> CaptionSource:
    scenes = [imagine(ALL_CONCEPTS[position], rng) for position in rng.integers(len(ALL_CONCEPTS), size=captions)]
    paths = [NUMBERED_IMAGE.format("cc3m", row) for row in range(captions)]
    rows = (f"{caption(scene, rng)}\t{CAPTION_HOST}/{path}\n" for scene, path in zip(scenes, paths, strict=True))
    write_text(folder / ARCHIVES["cc3m"][0], "".join(rows))
    # `photos` is lazy: its random numbers come after those of all captions.
    photos = ((path, _photo(scene, rng)) for scene, path in zip(scenes, paths, strict=True))
    return CaptionSource(
        title="Shapes (CC3M format)",
        captions=_described(folder / ARCHIVES["cc3m"][0]),
        images=[_archive(folder / ARCHIVES["cc3m"][1], photos)],
        reader="cc3m",
        rows=captions,
    )


_WRITERS: dict[str, Callable[[Path, Generator, int], Dataset]] = {
    "imagenet": _write_imagenet,
    "cifar10": _write_cifar10,
    "cifar100": _write_cifar100,
    "inaturalist": partial(_write_mos, "inaturalist", "iNaturalist"),
    "sun": partial(_write_mos, "sun", "SUN"),
    "places": partial(_write_mos, "places", "Places"),
    "textures": _write_textures,
    "imagenet_resize": partial(_write_resized, "imagenet_resize", "Imagenet_resize"),
    "lsun_resize": partial(_write_resized, "lsun_resize", "LSUN_resize"),
}
