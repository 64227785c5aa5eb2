"""Archives, readers and manifests: values, and every refusal."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from clipn.data.archives import member_names, read_members, write_archive
from clipn.data.manifest import index_images, names_hash, read_manifest
from clipn.data.readers import Image, class_names, read_images
from clipn.data.registry import Archive, Dataset
from clipn.errors import ClipnError


def jpeg(shade: int = 128, side: int = 16, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    colour = shade if mode == "L" else (shade,) * len(mode)
    PIL.Image.new(mode, (side, side), colour).save(stream, "JPEG")
    return stream.getvalue()


def flat(path: Path, **fields: object) -> Dataset:
    return Dataset.model_validate({"title": "T", "archives": [Archive(file=path.name)], "reader": "flat"} | fields)


def cifar_archive(path: Path, batch: bytes, meta: bytes = pickle.dumps({b"label_names": [b"cat", b"dog"]})) -> Dataset:
    write_archive(path, [("cifar-10-batches-py/batches.meta", meta), ("cifar-10-batches-py/test_batch", batch)])
    return flat(path, reader="cifar")


def special_member(path: Path, name: str, kind: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "target"
        tar.addfile(member)
    return path


# Archives


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_archive_round_trip_keeps_order_and_bytes(tmp_path: Path, name: str) -> None:
    members = [("b/2.txt", b"two"), ("a/1.txt", b"one" * 999), ("a/.hidden", b""), (".dir/3.txt", b"three")]
    write_archive(tmp_path / name, members)
    first = (tmp_path / name).read_bytes()
    assert member_names(tmp_path / name) == ["b/2.txt", "a/1.txt"]
    assert list(read_members(tmp_path / name, lambda path: path.startswith("a"))) == [members[1]]
    write_archive(tmp_path / name, iter(members))
    assert (tmp_path / name).read_bytes() == first


def test_written_members_carry_no_owner_or_time(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar.gz", [("x", b"1")])
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        member = tar.getmember("x")
    assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)
    assert (tmp_path / "a.tar.gz").read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.jpg", "a/../../up.jpg"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipnError, match=r"bad\.tar: member .* leaves"):
        member_names(special_member(tmp_path / "bad.tar", name, tarfile.REGTYPE))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(ClipnError, match=r"bad\.tar: member 'x\.jpg' is a link or a device"):
        list(read_members(special_member(tmp_path / "bad.tar", "x.jpg", kind), lambda path: True))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.7, 0.95])
def test_truncated_archives_are_refused(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    write_archive(path, ((f"{number}.bin", os.urandom(3000)) for number in range(9)))
    end = path.stat().st_size if name.endswith("gz") else 9 * (512 + 3072)
    os.truncate(path, int(share * end))
    with pytest.raises(ClipnError, match=f"{name}: damaged or not a tar archive .* delete it and fetch it again"):
        list(read_members(path, lambda path: True))
    with pytest.raises(ClipnError):
        member_names(path)


def test_a_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar", [("1.bin", bytes(512)), ("2.bin", bytes(512))])
    os.truncate(tmp_path / "a.tar", 1024)
    with pytest.raises(ClipnError, match="damaged"):
        member_names(tmp_path / "a.tar")


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_archive(path, [("1.bin", b"1"), ("2.bin", b"2")])
    content = bytearray(path.read_bytes())
    content[1024 + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ClipnError, match="damaged"):
        member_names(path)


def test_a_wrong_gzip_checksum_and_a_web_page_are_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar.gz", [("1.bin", b"1")])
    content = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(content[:-8] + bytes(4) + content[-4:])
    (tmp_path / "b.tar").write_bytes(b"<html>" + bytes(5000))
    (tmp_path / "c.tar.gz").write_bytes(gzip.compress(b"<html>" * 500))
    for name in ["a.tar.gz", "b.tar", "c.tar.gz"]:
        with pytest.raises(ClipnError, match=f"{name}: damaged"):
            member_names(tmp_path / name)


# Images


def test_images_open_as_rgb() -> None:
    grey, cmyk = Image("g.jpg", 0, jpeg(mode="L")), Image("c.jpg", 0, jpeg(mode="CMYK"))
    assert {grey.open().mode, cmyk.open().mode} == {"RGB"}


@pytest.mark.parametrize("content", [jpeg(side=64)[:-200], jpeg()[:40], b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_truncated_and_undecodable_images_are_refused(content: bytes) -> None:
    with pytest.raises(ClipnError, match=r"n01/broken\.JPEG: truncated or not an image"):
        Image("n01/broken.JPEG", 0, content).open()


def test_raw_pixels_are_channel_row_column() -> None:
    pixels = np.arange(3 * 2 * 5, dtype=np.uint8).reshape(3, 2, 5)
    picture = Image("00000", 0, pixels.tobytes(), raw_size=(5, 2)).open()
    assert picture.size == (5, 2)
    assert picture.getpixel((3, 1)) == tuple(pixels[:, 1, 3])


# Readers


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
    found = list(read_images(flat(tmp_path / "s.tar", select=select), tmp_path))
    assert [(image.path, image.label) for image in found] == [("d.jpg", -1), ("c.jpg", -1)]
    assert class_names(flat(tmp_path / "s.tar"), tmp_path) == []
    nothing = flat(tmp_path / "s.tar", select={"include": []})
    assert list(read_images(nothing, tmp_path)) == []


def test_folder_labels_are_positions_among_sorted_selected_folders(tmp_path: Path) -> None:
    names = ["t/n2/x.JPEG", "t/n3/y.JPEG", "t/n1/z.JPEG", "t/README.txt"]
    write_archive(tmp_path / "f.tar", [(name, jpeg()) for name in names])
    record = flat(tmp_path / "f.tar", reader="folders", select={"exclude": ["t/n1/*"]})
    assert [(image.path, image.label) for image in read_images(record, tmp_path)] == [
        ("n2/x.JPEG", 0),
        ("n3/y.JPEG", 1),
    ]
    assert class_names(record, tmp_path) == ["n2", "n3"]
    with pytest.raises(ClipnError, match="`classes` has 3 names but the archives hold 2 classes"):
        class_names(record.model_copy(update={"classes": ["a", "b", "c"]}), tmp_path)


@pytest.mark.parametrize("key", ["labels", "fine_labels"])
@pytest.mark.parametrize("as_bytes", [True, False])
def test_cifar_pickles_with_text_or_bytes_keys(tmp_path: Path, key: str, as_bytes: bool) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(2, 3072), dtype=np.uint8)
    content = {"data": pixels, key: [1, 0]}
    batch = {name.encode() if as_bytes else name: value for name, value in content.items()}
    record = cifar_archive(tmp_path / "c.tar.gz", pickle.dumps(batch, protocol=2))
    images = list(read_images(record, tmp_path))
    assert [(image.path, image.label, image.raw_size) for image in images] == [
        ("00000", 1, (32, 32)),
        ("00001", 0, (32, 32)),
    ]
    assert images[1].content == pixels[1].tobytes()
    assert class_names(record, tmp_path) == ["cat", "dog"]


def test_cifar_pickle_of_python_2_and_old_numpy(tmp_path: Path) -> None:
    """The official files: raw byte strings, and the module name that NumPy 2 gave up."""
    body = pickle.dumps(np.zeros((1, 3072), np.uint8), protocol=2)
    body = body.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    batch = b"\x80\x02}(U\x04data" + body[2:-1] + b"U\x06labels]K\x01au."
    record = cifar_archive(tmp_path / "c.tar.gz", batch, b"\x80\x02}U\x0blabel_names](U\x03catU\x03doges.")
    assert [image.label for image in read_images(record, tmp_path)] == [1]
    assert class_names(record, tmp_path) == ["cat", "dog"]


class Malicious:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.witness),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_malicious_pickles_are_refused_and_do_not_run(tmp_path: Path, protocol: int) -> None:
    record = cifar_archive(tmp_path / "c.tar.gz", pickle.dumps(Malicious(tmp_path / "ran"), protocol))
    with pytest.raises(ClipnError, match=r"test_batch or test is not a CIFAR pickle .*mkdir is not admitted"):
        list(read_images(record, tmp_path))
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
    record = cifar_archive(tmp_path / "c.tar.gz", batch)
    with pytest.raises(ClipnError, match=r"c\.tar\.gz"):
        list(read_images(record, tmp_path))


def test_cifar_archive_without_test_batch(tmp_path: Path) -> None:
    write_archive(tmp_path / "c.tar.gz", [("cifar-10-batches-py/data_batch_1", b"")])
    with pytest.raises(ClipnError, match="must hold one of test_batch, test"):
        list(read_images(flat(tmp_path / "c.tar.gz", reader="cifar"), tmp_path))


# Manifests


def test_manifest_values_and_identical_bytes(tmp_path: Path) -> None:
    images = [Image("b.jpg", 3, jpeg(1, side=20)), Image("a.jpg", -1, jpeg(2))]
    record = flat(tmp_path / "x.tar", images=2, names_sha256=names_hash(["a.jpg", "b.jpg"]))
    for name in ["one", "two"]:
        index_images("demo", record, iter(images), tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    rows = read_manifest(tmp_path / "one.parquet")
    assert rows["path"].tolist() == ["b.jpg", "a.jpg"]
    assert rows["label"].tolist() == [3, -1]
    assert rows[["width", "height"]].to_numpy().tolist() == [[20, 20], [16, 16]]
    assert str(rows["label"].dtype) == "int32"
    assert len(rows["sha256"][0]) == 64


@pytest.mark.parametrize(
    ("fields", "names", "complaint"),
    [
        ({}, [], "demo: no image found"),
        ({}, ["a.jpg", "a.jpg"], "demo: a.jpg occurs 2 times"),
        ({"images": 3}, ["a.jpg"], "demo: 1 images found, 3 expected"),
        ({"names_sha256": "0" * 64}, ["a.jpg"], "not to `names_sha256`"),
    ],
)
def test_manifests_that_do_not_fit_the_record_are_refused(
    tmp_path: Path, fields: dict[str, object], names: list[str], complaint: str
) -> None:
    images = [Image(name, -1, jpeg()) for name in names]
    with pytest.raises(ClipnError, match=complaint):
        index_images("demo", flat(tmp_path / "x.tar", **fields), images, tmp_path / "m.parquet")
    assert list(tmp_path.iterdir()) == []


def test_names_hash_is_of_sorted_lines() -> None:
    assert names_hash(["b", "a"]) == hashlib.sha256(b"a\nb\n").hexdigest()


def test_files_that_are_not_manifests_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"no")
    with pytest.raises(ClipnError, match=r"m\.parquet: not a Parquet file"):
        read_manifest(tmp_path / "m.parquet")
    with pytest.raises(ClipnError, match="no such file"):
        read_manifest(tmp_path / "absent.parquet")


# Real data beside the checkout


def test_real_cifar10(real: Path) -> None:
    record = flat(real / "cifar-10-python.tar.gz", reader="cifar")
    labels = [image.label for image in read_images(record, real)]
    assert np.bincount(labels).tolist() == [1000] * 10
    assert class_names(record, real) == [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
    ]  # fmt: skip


def test_real_tiny_imagenet_folders(real: Path) -> None:
    record = flat(real / "tiny-imagenet-32-20k.tar", reader="folders", select={"stop": 300})
    images = list(read_images(record, real))
    assert len(images) == 300
    folders = sorted({image.path.split("/")[0] for image in images})
    assert all(folders[image.label] == image.path.split("/")[0] for image in images)
    assert images[0].open().size == (32, 32)
