"""The sets of OpenOOD v1.5 and of ImageNet-X: what their records say, and tiny archives in their official layouts."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from clipn.data.archives import write_archive
from clipn.data.location import Location, locate
from clipn.data.manifest import names_hash
from clipn.data.readers import class_names, read_images
from clipn.data.readers.left_out import left_out
from clipn.data.registry import load_registry
from clipn.data.verify import verify_record
from clipn.errors import ClipnError
from clipn.text.prompts import imagenet_classnames
from tests.helpers.tiny_dataset import dataset, jpeg, write_files, zipped

ROOT = Path(__file__).parents[2]
REGISTRY = load_registry(ROOT / "config/datasets.yaml")
VAL = "ILSVRC2012_val_0000000{}.JPEG"
LABELS = [65, 970, 0, 999, 65, 3]
"""Of the first tiny validation images, among 1,000 classes."""


def located(name: str, folder: Path) -> Location:
    return locate(REGISTRY.dataset(name), folder, Path("nowhere"))


def found(location: Location) -> list[tuple[str, int]]:
    return [(image.path, image.label) for image in read_images(location)]


def validation_set(folder: Path) -> None:
    """ImageNet's validation archives in small: 1,000 synsets, whose ids run backwards, and six images."""
    rows = np.empty((1000, 1), dtype=[(field, object) for field in ("ILSVRC2012_ID", "WNID", "num_children")])
    rows[:, 0] = [(1000 - position, f"n{position:08d}", 0) for position in range(1000)]
    meta, data = io.BytesIO(), "ILSVRC2012_devkit_t12/data"
    scipy.io.savemat(meta, {"synsets": rows})
    truth = "".join(f"{1000 - label}\n" for label in LABELS)
    members = [
        (f"{data}/meta.mat", meta.getvalue()),
        (f"{data}/ILSVRC2012_validation_ground_truth.txt", truth.encode()),
    ]
    write_archive(folder / "ILSVRC2012_devkit_t12.tar.gz", members)
    images = [(VAL.format(number), jpeg(number)) for number in range(1, len(LABELS) + 1)]
    write_archive(folder / "ILSVRC2012_img_val.tar", images)


@pytest.mark.parametrize(
    ("name", "images", "names"),
    [
        ("ssb_hard", 49000, "34eff2a2d471d864"),
        ("openimage_o", 15869, "6ea28ad9a56c5cb6"),
        # These come in other archives than OpenOOD's, so that their names lack its first folder.
        ("ninco", 5879, "d280172005260650"),
        ("openood_inaturalist", 10000, "aa572d8c424fdb97"),
        ("textures_5160", 5160, "abbc670ef19675c8"),
        ("openood_imagenet", 45000, "e154dbb4149167a5"),
        ("imagenet_x_id", 25000, "d2852d412b15c1c3"),
        ("imagenet_x_ood", 25000, "0ea93da7da868d0e"),
    ],
)
def test_numbers_and_file_lists_are_the_published_ones(name: str, images: int, names: str) -> None:
    record = REGISTRY.dataset(name)
    assert (record.images, (record.names_sha256 or "")[:16]) == (images, names)


def test_archives_are_the_published_ones() -> None:
    ninco, *none = REGISTRY.dataset("ninco").archives
    assert (ninco.file, ninco.md5, none) == ("NINCO_all.tar.gz", "b9ffae324363cd900a81ce3c367cd834", [])
    for name, drive in (
        ("ssb_hard", "1PzkA-WGG8Z18h0ooL_pDdz9cO-DCIouE"),
        ("openimage_o", "1VUFXnB_z70uHfdgJG2E_pjYOcEgqM7tE"),
    ):
        images, names = REGISTRY.dataset(name).archives
        assert drive in str(images.manual)
        assert not images.addresses
        assert names.sha256
        assert names.addresses
    mos = REGISTRY.dataset("inaturalist")
    openood = REGISTRY.dataset("openood_inaturalist")
    assert (openood.archives, openood.names_sha256) == (mos.archives, mos.names_sha256)


def test_the_images_of_openood_s_imagenet_are_those_of_its_list(tmp_path: Path) -> None:
    validation_set(tmp_path)
    kept = [2, 3, 5]
    # Its labels are not read: the development kit's are.
    listed = "".join(f"imagenet_1k/val/{VAL.format(number)} 7\n" for number in kept)
    write_files(tmp_path, {"test_imagenet.txt": listed.encode()})
    location = located("openood_imagenet", tmp_path)
    assert found(location) == [(VAL.format(number), LABELS[number - 1]) for number in kept]
    assert class_names(location) == imagenet_classnames()
    assert left_out(location) == {"not on the list, or not in `select`": [VAL.format(number) for number in (1, 4, 6)]}


def test_a_list_of_images_that_the_devkit_lacks_is_refused(tmp_path: Path) -> None:
    validation_set(tmp_path)
    write_files(tmp_path, {"test_imagenet.txt": b"imagenet_1k/val/ILSVRC2012_val_00000007.JPEG 7\n"})
    with pytest.raises(
        ClipnError, match=r"test_imagenet\.txt: ILSVRC2012_val_00000007\.JPEG is not among the devkit's"
    ):
        found(located("openood_imagenet", tmp_path))


def test_the_halves_of_imagenet_x_have_their_classes_in_order(tmp_path: Path) -> None:
    validation_set(tmp_path)
    write_files(tmp_path, {"imagenet_x_id.txt": b"970\n65\n1", "imagenet_x_ood.txt": b"0\n3\n999\n"})
    known, unknown = (located(name, tmp_path) for name in ("imagenet_x_id", "imagenet_x_ood"))
    assert found(known) == [(VAL.format(1), 1), (VAL.format(2), 2), (VAL.format(5), 1)]
    assert found(unknown) == [(VAL.format(3), 0), (VAL.format(4), 2), (VAL.format(6), 1)]
    every = imagenet_classnames()
    assert class_names(known) == [every[1], every[65], every[970]]
    assert class_names(unknown) == [every[0], every[3], every[999]]


@pytest.mark.parametrize("text", ["1\n1\n", "1000\n", "-1\n", "n01440764\n", "1" * 5000, "\n"])
def test_class_lists_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    validation_set(tmp_path)
    write_files(tmp_path, {"imagenet_x_id.txt": text.encode()})
    with pytest.raises(ClipnError, match=r"imagenet_x_id\.txt: .* write a different number from 0 to 999 on each line"):
        class_names(located("imagenet_x_id", tmp_path))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("ssb_hard", ["n11622368/n11622368_1063.JPEG", "n01575401/n01575401_10029.JPEG"]),
        ("openimage_o", ["images/b85bd6c20e9c378a.jpg", "images/6989a0fc56bff34d.jpg"]),
    ],
)
def test_lists_of_openood_fit_its_archives(tmp_path: Path, name: str, files: list[str]) -> None:
    zipped(tmp_path / f"{name}.zip", {path: jpeg() for path in (*files, "images/142782398b3af718.jpg")})
    listed = "".join(f"{name}/{path} -1\n" for path in files)
    write_files(tmp_path, {f"test_{name}.txt": listed.encode()})
    assert found(located(name, tmp_path)) == [(f"{name}/{path}", -1) for path in files]


def test_ninco_is_the_classes_of_its_archive_alone(tmp_path: Path) -> None:
    caracal, snail = "Caracal caracal caracal/1.jpg", "mbira/2.png"
    others = ["NINCO_OOD_unit_tests/black/1.png", "NINCO_popular_datasets_subsamples/places/1.jpg"]
    paths = [*others, f"NINCO_OOD_classes/{snail}", f"NINCO_OOD_classes/{caracal}"]
    write_archive(tmp_path / "NINCO_all.tar.gz", [(f"NINCO/{path}", jpeg()) for path in paths])
    assert found(located("ninco", tmp_path)) == [(snail, 1), (caracal, 0)]


def test_textures_and_inaturalist_come_in_the_archives_of_the_paper(tmp_path: Path) -> None:
    write_archive(
        tmp_path / "dtd-r1.0.1.tar.gz",
        [(f"dtd/images/{kind}/{kind}_0001.jpg", jpeg()) for kind in ("banded", "bubbly", "cobwebbed", "dotted")],
    )
    write_archive(tmp_path / "iNaturalist.tar.gz", [("iNaturalist/images/0a.jpg", jpeg())])
    assert found(located("textures_5160", tmp_path)) == [("banded/banded_0001.jpg", 0), ("dotted/dotted_0001.jpg", 1)]
    assert found(located("openood_inaturalist", tmp_path)) == [("0a.jpg", -1)]


def test_a_list_is_fetched_and_verified_like_an_archive(tmp_path: Path) -> None:
    listed = ["set/a.jpg", "set/b.jpg"]
    zipped(tmp_path / "set.zip", {name: jpeg() for name in ("a.jpg", "b.jpg", "c.jpg")})
    write_files(tmp_path, {"names.txt": "\n".join(listed).encode()})
    record = dataset("set.zip", "names.txt", reader="list", file_list="names.txt", names_sha256=names_hash(listed))
    registry = REGISTRY.model_copy(update={"datasets": {"set": record}})

    def verify() -> Any:
        return verify_record(
            "set", registry, tmp_path, tmp_path, tmp_path / "out", downloads=tmp_path, cache=tmp_path / "cache"
        )

    description = verify()
    assert (description.images, list(description.archives), description.names) == (
        2, ["set.zip", "names.txt"], "verified"
    )  # fmt: skip
    (tmp_path / "names.txt").unlink()
    with pytest.raises(ClipnError, match=r"names\.txt: no such file; run `clipn data fetch set`"):
        verify()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"reader": "list"}, "reader `list` needs `file_list`; name the list"),
        ({"file_list": "x.txt"}, "`file_list` is for readers `list` and `imagenet_val`; leave it out"),
        ({"class_list": "x.txt"}, "`class_list` is for reader `imagenet_val`; leave it out"),
        ({"reader": "list", "file_list": "1.tar"}, "archives: name those of the images first, then lists"),
    ],
)
def test_records_that_contradict_themselves_are_refused(fields: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        dataset("1.tar", **fields)


def test_a_list_beside_the_registry_is_no_archive(tmp_path: Path) -> None:
    record = dataset("1.tar", reader="list", file_list="lists/mine.txt")
    location = locate(record, tmp_path / "archives", tmp_path)
    assert location.file_list == tmp_path / "lists/mine.txt"
    assert location.paths == [tmp_path / "archives/1.tar"]
    assert record.lists_in_place == ["lists/mine.txt"]
