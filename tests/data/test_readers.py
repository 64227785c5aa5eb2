"""Images and class names of every layout: values, and every refusal."""

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from clipn.data.archives import read_members, write_archive
from clipn.data.location import Location, locate
from clipn.data.readers import Image, class_names, read_images, selected_paths
from clipn.data.registry import Selection
from clipn.errors import ClipnError
from tests.helpers.tiny_dataset import at, dataset, encoded, jpeg, noise, write_files

Reading = Callable[[Image], object]
DTD = {
    "dtd/images/banded/banded_0002.jpg": jpeg(1),
    "dtd/images/dotted/dotted_0001.jpg": jpeg(2),
    "dtd/images/waffled/.directory": b"",
    "dtd/imdb/montage.jpg": jpeg(3),
    "dtd/labels/test1.txt": b"banded/banded_0002.jpg",
}


def found(location: Location) -> list[tuple[str, int]]:
    return [(image.path, image.label) for image in read_images(location)]


def cifar_archive(path: Path, batch: bytes, meta: bytes = pickle.dumps({b"label_names": [b"cat", b"dog"]})) -> Location:
    write_archive(path, [("cifar-10-batches-py/batches.meta", meta), ("cifar-10-batches-py/test_batch", batch)])
    return at(path, reader="cifar")


# Places


def test_places_are_the_archives_in_order(tmp_path: Path) -> None:
    record = dataset("a.tar", "b.tar.gz")
    assert locate(record, tmp_path, Path("base")).paths == [tmp_path / "a.tar", tmp_path / "b.tar.gz"]
    assert locate(record, tmp_path, Path("base"), Path("copy")).paths == [Path("copy"), tmp_path / "b.tar.gz"]


def test_folders_and_file_lists_start_from_the_base(tmp_path: Path) -> None:
    location = locate(dataset(folder="mine", reader="list", file_list="lists/mine.txt"), Path("archives"), tmp_path)
    assert location.paths == [tmp_path / "mine"]
    assert location.file_list == tmp_path / "lists" / "mine.txt"


def test_nothing_stands_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match="T: has no archive that copy could stand for; leave it out"):
        locate(dataset(folder="mine"), tmp_path, tmp_path, Path("copy"))


# Images


def test_images_open_as_rgb() -> None:
    grey, cmyk = Image("g.jpg", 0, jpeg(mode="L")), Image("c.jpg", 0, jpeg(mode="CMYK"))
    assert {grey.open().mode, cmyk.open().mode} == {"RGB"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "GIF"])
def test_an_image_measures_what_it_opens_to(form: str) -> None:
    image = Image("x", 0, encoded(noise(0, 61, 47), form))
    assert image.measure() == image.open().size == (61, 47)


@pytest.mark.parametrize("read", [Image.open, Image.measure])
@pytest.mark.parametrize("content", [jpeg(side=64)[:-200], jpeg()[:40], b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_truncated_and_undecodable_images_are_refused(read: Reading, content: bytes) -> None:
    with pytest.raises(ClipnError, match=r"n01/broken\.JPEG: truncated or not an image"):
        read(Image("n01/broken.JPEG", 0, content))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("read", [Image.open, Image.measure])
@pytest.mark.parametrize("limit", [200, 100])
def test_images_of_too_many_pixels_are_refused(monkeypatch: pytest.MonkeyPatch, read: Reading, limit: int) -> None:
    """Pillow itself warns up to twice its limit, and refuses what is above."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 256)
    read(Image("large.jpg", 0, jpeg(side=16)))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ClipnError, match=rf"large\.jpg: has more than {limit} pixels; exclude it"):
        read(Image("large.jpg", 0, jpeg(side=16)))


def test_measuring_refuses_exactly_what_opening_refuses() -> None:
    """Cut, flipped, overwritten, removed at random places; JPEG is measured at an eighth of its size."""
    picture = noise(0, 70, 50)
    forms: list[dict[str, Any]] = [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": 2, "optimize": True},
        {"restart_marker_blocks": 3},
    ]
    contents = [encoded(picture.convert(mode), **form) for mode in ("RGB", "L", "CMYK") for form in forms]
    contents += [encoded(picture, keep_rgb=True), encoded(picture, "PNG")]
    draw = random.Random(0)
    refused = [is_refused_alike(Image("x", 0, damaged(draw.choice(contents), draw))) for _ in range(1500)]
    assert 300 < sum(refused) < 1200


def damaged(content: bytes, draw: random.Random) -> bytes:
    start, length = draw.randrange(len(content)), draw.randrange(1, 80)
    head, tail = content[:start], content[start + length :]
    flipped = bytes([content[start] ^ 1 << draw.randrange(8)]) + content[start + 1 :]
    middle = content[start : start + length]
    return draw.choice(
        [head, content[:-length], head + flipped, head + draw.randbytes(len(middle)) + tail, head + tail]
    )


def is_refused_alike(image: Image) -> bool:
    try:
        size = image.open().size
    except ClipnError:
        with pytest.raises(ClipnError):
            image.measure()
        return True
    assert image.measure() == size
    return False


def test_raw_pixels_are_channel_row_column() -> None:
    pixels = np.arange(3 * 2 * 5, dtype=np.uint8).reshape(3, 2, 5)
    image = Image("00000", 0, pixels.tobytes(), raw_size=(5, 2))
    assert image.open().size == image.measure() == (5, 2)
    assert image.open().getpixel((3, 1)) == tuple(pixels[:, 1, 3])


# Selection


def test_selection_matches_full_paths_then_slices_sorted_paths(tmp_path: Path) -> None:
    names = [
        "r/images/d.jpg",
        "r/images/a.jpg",
        "r/images/c.jpg",
        "r/images/b.jpg",
        "r/other/e.jpg",
        "r/images/x.txt",
    ]
    write_archive(tmp_path / "s.tar", [(name, jpeg()) for name in names])
    select = {"include": ["r/images/*"], "exclude": ["*/b.jpg"], "start": 1, "stop": 3}
    assert found(at(tmp_path / "s.tar", select=select)) == [("d.jpg", -1), ("c.jpg", -1)]
    assert class_names(at(tmp_path / "s.tar")) == []
    assert found(at(tmp_path / "s.tar", select={"include": []})) == []


@pytest.mark.parametrize("folder", ["dtd", "."])
def test_an_unpacked_archive_is_selected_by_the_archive_s_paths(tmp_path: Path, folder: str) -> None:
    write_files(tmp_path, DTD)
    record = dataset("dtd.tar.gz", reader="folders", select={"include": ["dtd/images/*"]})
    location = locate(record, Path("nowhere"), Path("nowhere"), tmp_path / folder)
    assert found(location) == [("banded/banded_0002.jpg", 0), ("dotted/dotted_0001.jpg", 1)]
    assert class_names(location) == ["banded", "dotted"]


def test_an_unpacked_archive_is_excluded_by_the_archive_s_paths(tmp_path: Path) -> None:
    write_files(tmp_path, DTD)
    select = Selection(include=["images/*", "dtd/imdb/*"], exclude=["dtd/images/banded/*"])
    assert selected_paths([tmp_path / "dtd"], select) == ["images/dotted/dotted_0001.jpg", "imdb/montage.jpg"]
    assert selected_paths([tmp_path / "dtd" / "images"], select) == [
        "banded/banded_0002.jpg", "dotted/dotted_0001.jpg"
    ]  # fmt: skip


# Folders


def test_folder_labels_are_positions_among_sorted_selected_folders(tmp_path: Path) -> None:
    names = ["t/n2/x.JPEG", "t/n3/y.JPEG", "t/n1/z.JPEG", "t/README.txt"]
    write_archive(tmp_path / "f.tar", [(name, jpeg()) for name in names])
    fields = {"reader": "folders", "select": {"exclude": ["t/n1/*"]}}
    location = at(tmp_path / "f.tar", **fields)
    assert found(location) == [("n2/x.JPEG", 0), ("n3/y.JPEG", 1)]
    assert class_names(location) == ["n2", "n3"]
    assert class_names(at(tmp_path / "f.tar", **fields, classes=["a", "b"])) == ["a", "b"]
    with pytest.raises(ClipnError, match="`classes` has 3 names but the archives hold 2 classes"):
        class_names(at(tmp_path / "f.tar", **fields, classes=["a", "b", "c"]))


def test_flat_images_have_the_class_names_of_their_record_and_no_labels(tmp_path: Path) -> None:
    write_archive(tmp_path / "f.tar", [("t/a.jpg", jpeg())])
    location = at(tmp_path / "f.tar", classes=["cat", "dog"])
    assert (class_names(location), found(location)) == (["cat", "dog"], [("a.jpg", -1)])
    assert class_names(at(tmp_path / "f.tar")) == []


# CIFAR


@pytest.mark.parametrize("key", ["labels", "fine_labels"])
@pytest.mark.parametrize("as_bytes", [True, False])
def test_cifar_pickles_with_text_or_bytes_keys(tmp_path: Path, key: str, as_bytes: bool) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(2, 3072), dtype=np.uint8)
    content = {"data": pixels, key: [1, 0]}
    batch = {name.encode() if as_bytes else name: value for name, value in content.items()}
    location = cifar_archive(tmp_path / "c.tar.gz", pickle.dumps(batch, protocol=2))
    images = list(read_images(location))
    assert [(image.path, image.label, image.raw_size) for image in images] == [
        ("00000", 1, (32, 32)),
        ("00001", 0, (32, 32)),
    ]
    assert images[1].content == pixels[1].tobytes()
    assert class_names(location) == ["cat", "dog"]


def test_cifar_pickle_of_python_2_and_old_numpy(tmp_path: Path) -> None:
    """The official files: raw byte strings, and the module name that NumPy 2 gave up."""
    body = pickle.dumps(np.zeros((1, 3072), np.uint8), protocol=2)
    body = body.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    batch = b"\x80\x02}(U\x04data" + body[2:-1] + b"U\x06labels]K\x01au."
    location = cifar_archive(tmp_path / "c.tar.gz", batch, b"\x80\x02}U\x0blabel_names](U\x03catU\x03doges.")
    assert found(location) == [("00000", 1)]
    assert class_names(location) == ["cat", "dog"]


class Malicious:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.witness),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_malicious_pickles_are_refused_and_do_not_run(tmp_path: Path, protocol: int) -> None:
    location = cifar_archive(tmp_path / "c.tar.gz", pickle.dumps(Malicious(tmp_path / "ran"), protocol))
    with pytest.raises(ClipnError, match=r"test_batch is not a CIFAR pickle .*mkdir is not admitted"):
        found(location)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "batch",
    [
        b"c_codecs\nencode\n(Vx\nVzip\ntR.",
        b"rubbish",
        pickle.dumps([1]),
        pickle.dumps({b"data": np.zeros((1, 5), np.uint8), b"labels": [0]}, 2),
        pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, 2),
    ],
)
def test_wrong_cifar_batches_are_one_clear_error(tmp_path: Path, batch: bytes) -> None:
    with pytest.raises(ClipnError, match=r"c\.tar\.gz"):
        found(cifar_archive(tmp_path / "c.tar.gz", batch))


def array(shape: object, content: object, kind: object = "u1") -> object:
    """What unpickles to an array of any shape that its maker likes to claim."""

    class Claimed:
        def __reduce__(self) -> tuple[object, ...]:
            made_by = np.empty(0).__reduce__()[0]
            return made_by, (np.ndarray, (0,), b"b"), (1, shape, np.dtype(kind), False, content)

    return Claimed()


PIXELS = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    "labels",
    [[0, 10**9], [0, -1], [0, 10**400], [0, 1.0], [0, float("nan")], [0, None], [0, "1"], [0, [1]], [0, True], 7, None],
)
def test_cifar_labels_that_are_no_class_numbers(tmp_path: Path, labels: object) -> None:
    batch = pickle.dumps({b"data": PIXELS, b"labels": labels}, 2)
    with pytest.raises(ClipnError, match=r"c\.tar\.gz: `labels` .*; fetch the official archive"):
        found(cifar_archive(tmp_path / "c.tar.gz", batch))


@pytest.mark.parametrize(
    "data",
    [
        array((10**18, 3072), b""),
        array((2**62,), b"", "V0"),
        array((-1, 3072), bytes(3072)),
        array((1.0, 3072), bytes(3071)),
        array(None, bytes(3072)),
        array((1, 3072), [0] * 3072),
        array((1, 3072), bytes(3072), "i1"),
        array((10**9, 10**9, 10**9), b""),
        [0],
        None,
    ],
)
def test_cifar_data_of_absurd_shapes(tmp_path: Path, data: object) -> None:
    batch = pickle.dumps({b"data": data, b"labels": [0]}, 2)
    with pytest.raises(ClipnError, match=r"c\.tar\.gz: `data` is not uint8 of shape \(n, 3072\); fetch"):
        found(cifar_archive(tmp_path / "c.tar.gz", batch))


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (b"\x80\x02}r\xff\xff\xff\xff.", "more than 500,000 opcodes or places"),  # C's memo would be 64 GB
        (b"\x80\x02)" + b"\x85" * 1_000_000 + b".", "more than 20,000 tuples"),  # C's hash has no limit
        (b"\x80\x02cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85R.", "positional argument"),
        (b"\x80\x02cbuiltins\nlist\n.", "builtins.list is not admitted"),
        (b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".", "no attribute 'items'"),
        (b"\x80\x02" + b"]" * 600_000 + b".", "more than 500,000 opcodes"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x0f.", ""),
        (b"I" + b"9" * 5000 + b"\n.", "4300 digits"),
        (b"c" + b"x" * 5000 + b"\ny\n.", "xxx"),
    ],
)
def test_small_pickles_that_would_take_much(tmp_path: Path, batch: bytes, reason: str) -> None:
    with pytest.raises(ClipnError, match=r"c\.tar\.gz: test_batch is not a CIFAR pickle") as caught:
        found(cifar_archive(tmp_path / "c.tar.gz", batch))
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_tuples_below_the_limit_may_be_hashed(tmp_path: Path) -> None:
    batch = b"\x80\x02})" + b"\x85" * 19_000 + b"Ns."
    with pytest.raises(ClipnError, match="c\\.tar\\.gz: "):
        found(cifar_archive(tmp_path / "c.tar.gz", batch))


@pytest.mark.parametrize("names", [[1], [[b"cat"]], b"cat", None])
def test_cifar_class_names_that_are_no_texts(tmp_path: Path, names: object) -> None:
    meta = pickle.dumps({b"label_names": names})
    with pytest.raises(ClipnError, match="has neither `label_names` nor `fine_label_names`; fetch"):
        class_names(cifar_archive(tmp_path / "c.tar.gz", b"", meta))


def test_random_damage_of_a_cifar_pickle_is_one_error_or_harmless(tmp_path: Path) -> None:
    draw = random.Random(0)
    whole = [pickle.dumps({b"data": PIXELS[:1], b"labels": [0], b"names": [b"a"]}, protocol) for protocol in range(5)]
    for _ in range(300):
        batch = damaged(draw.choice(whole), draw)
        try:
            found(cifar_archive(tmp_path / "c.tar", batch))
        except ClipnError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_cifar_archive_without_test_batch(tmp_path: Path) -> None:
    write_archive(tmp_path / "c.tar.gz", [("cifar-10-batches-py/data_batch_1", b"")])
    with pytest.raises(ClipnError, match="must hold test_batch or test; fetch the official archive"):
        found(at(tmp_path / "c.tar.gz", reader="cifar"))


TRAINING = [f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)]


@pytest.mark.parametrize("names", [TRAINING, ["cifar-100-python/train"]])
def test_cifar_training_images_are_those_of_all_batches_in_their_order(tmp_path: Path, names: list[str]) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(10, 3072), dtype=np.uint8)
    each = 10 // len(names)
    batches = {
        name: pickle.dumps({b"data": pixels[start : start + each], b"fine_labels": [*range(start, start + each)]}, 2)
        for name, start in zip(names, range(0, 10, each), strict=True)
    }
    # Whatever the order in the archive, and beside the test images.
    test = pickle.dumps({b"data": PIXELS, b"labels": [0, 0]}, 2)
    write_archive(tmp_path / "c.tar.gz", [("x/test_batch", test), *reversed(batches.items())])
    images = [*read_images(at(tmp_path / "c.tar.gz", reader="cifar_train"))]
    assert [(image.path, image.label) for image in images] == [(f"{row:05d}", row) for row in range(10)]
    assert [image.content for image in images] == [row.tobytes() for row in pixels]


@pytest.mark.parametrize("names", [TRAINING[1:], [*TRAINING, TRAINING[0].replace("py", "copy")], []])
def test_cifar_training_images_without_a_batch_or_with_one_twice(tmp_path: Path, names: list[str]) -> None:
    batch = pickle.dumps({b"data": PIXELS, b"labels": [0, 1]}, 2)
    write_archive(tmp_path / "c.tar.gz", [(name, batch) for name in (*names, "cifar-10-batches-py/test_batch")])
    message = "must hold data_batch_1, data_batch_2, data_batch_3, data_batch_4, data_batch_5 or train; fetch"
    with pytest.raises(ClipnError, match=message):
        found(at(tmp_path / "c.tar.gz", reader="cifar_train"))


# Real data beside the checkout


def test_real_cifar10(real: Path) -> None:
    location = at(real / "cifar-10-python.tar.gz", reader="cifar")
    labels = [label for _, label in found(location)]
    assert np.bincount(labels).tolist() == [1000] * 10
    assert class_names(location) == [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
    ]  # fmt: skip


def test_real_tiny_imagenet_folders(real: Path) -> None:
    images = list(read_images(at(real / "tiny-imagenet-32-20k.tar", reader="folders", select={"stop": 300})))
    assert len(images) == 300
    folders = sorted({image.path.split("/")[0] for image in images})
    assert all(folders[image.label] == image.path.split("/")[0] for image in images)
    assert images[0].open().size == images[0].measure() == (32, 32)


def test_real_photographs_that_are_cut_are_refused_alike(real: Path) -> None:
    draw = random.Random(0)
    photographs = list(read_members(real / "flickr8k-1000.tar", lambda name: name.endswith("0.jpg")))[:20]
    refused = [
        is_refused_alike(Image(name, -1, content[: draw.randrange(len(content))])) for name, content in photographs
    ]
    assert sum(refused) > 15
