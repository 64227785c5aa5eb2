"""Verification of archives and copies, and what is written down of a dataset."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from clipn.data.archives import read_members, write_archive
from clipn.data.description import Description, read_description
from clipn.data.manifest import names_hash, read_manifest
from clipn.data.registry import Archive, CaptionSource, Dataset, Registry
from clipn.data.verification import State, Verification, verify_archive, verify_copy
from clipn.data.verification.checks import write_receipt
from clipn.data.verify import verify_captions, verify_dataset, verify_record
from clipn.errors import ClipnError
from tests.helpers.tiny_dataset import dataset, jpeg, write_files, zipped

NAMES = names_hash(["1.jpg", "2.jpg"])
ABC = hashlib.sha256(b"abc").hexdigest()
IMAGES = {"SUN/images/1.jpg": jpeg(1), "SUN/images/2.jpg": jpeg(2)}
CLEANING = "index,image_location,decision\n0,SUN/2.jpg,o\n"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def digest(path: Path, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


def sun(folder: Path, checksum: str | None = "sha256", **fields: object) -> Dataset:
    """A dataset of one archive, of which that checksum is published."""
    path = folder / "SUN.tar.gz"
    write_archive(path, IMAGES.items())
    published = {checksum: digest(path, checksum)} if checksum else {}
    return dataset(title="SUN", archives=[{"file": path.name} | published], **fields)


def verified(folder: Path, record: Dataset, unpacked: Path | None = None, *cleaning: str) -> Description:
    description = verify_dataset("sun", record, folder, folder, folder / "out", unpacked, cleaning)
    assert read_description(folder / "out" / "dataset.json") == description
    assert len(read_manifest(folder / "out" / "manifest.parquet")) == description.images
    return description


# Archives


@pytest.mark.parametrize("checksum", ["sha256", "md5"])
def test_a_published_checksum_verifies(tmp_path: Path, checksum: str) -> None:
    assert verified(tmp_path, sun(tmp_path, checksum)) == Description(
        title="SUN",
        classes=[],
        archives={"SUN.tar.gz": digest(tmp_path / "SUN.tar.gz")},
        proof={"SUN.tar.gz": "verified"},
        names="unverified",
        images=2,
    )


def test_without_a_checksum_the_archive_is_unverified(tmp_path: Path) -> None:
    description = verified(tmp_path, sun(tmp_path, checksum=None, names_sha256=NAMES))
    assert description.archives == {"SUN.tar.gz": digest(tmp_path / "SUN.tar.gz")}
    assert description.proof == {"SUN.tar.gz": "unverified"}
    assert description.names == "verified"


@pytest.mark.parametrize(
    ("published", "error"),
    [
        (
            {"sha256": "0" * 64},
            rf"a\.bin: wrong checksum: sha256 is {ABC}, expected 0{{64}}; delete",
        ),
        ({"md5": "0" * 32}, r"a\.bin: wrong checksum: md5 is 900150983cd24fb0d6963f7d28e17f72, expected 0{32}; delete"),
        ({"bytes": 4}, r"a\.bin: has 3 bytes, expected 4; delete it and fetch it again"),
    ],
)
def test_files_other_than_the_published_one_are_refused(tmp_path: Path, published: dict[str, str], error: str) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    with pytest.raises(ClipnError, match=error):
        verify_archive(Archive.model_validate({"file": "a.bin"} | published), tmp_path / "a.bin")


def test_the_hash_of_a_large_file_is_of_all_its_blocks(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(250)) * 10_000)
    sha256 = digest(tmp_path / "a.bin")
    assert verify_archive(Archive(file="a.bin", sha256=sha256), tmp_path / "a.bin") == Verification("verified", sha256)


def test_without_a_published_checksum_a_file_must_match_its_first_download(tmp_path: Path) -> None:
    archive, path = Archive(file="a.bin"), tmp_path / "a.bin"
    path.write_bytes(b"abc")
    write_receipt(archive, tmp_path / "downloads", 3, digest(path), "http://127.0.0.1/a.bin")
    assert verify_archive(archive, path) == Verification("unverified", digest(path))
    path.write_bytes(b"abd")
    with pytest.raises(ClipnError, match=r"differs from the first download .*; or delete it and fetch it again$"):
        verify_archive(archive, path)


def test_a_failed_verification_leaves_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    record = sun(tmp_path)
    verified(tmp_path, record)
    (tmp_path / "SUN.tar.gz").write_bytes(b"no tar")
    with pytest.raises(ClipnError, match="wrong checksum"):
        verified(tmp_path, record)
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ClipnError, match=r"SUN\.tar\.gz: no such file; run `clipn data fetch sun`, with the --registry"
    ):
        verified(tmp_path, dataset("SUN.tar.gz"))
    assert not (tmp_path / "out").exists()


def test_a_wrong_archive_explains_any_other_complaint_and_nothing_is_written(tmp_path: Path) -> None:
    record = sun(tmp_path)
    write_archive(tmp_path / "SUN.tar.gz", [("SUN/images/1.jpg", b"no image")])
    with pytest.raises(
        ClipnError, match=r"SUN\.tar\.gz: wrong checksum: .*, expected .*; delete it and fetch it again"
    ):
        verified(tmp_path, record)
    assert not (tmp_path / "out").exists()


def test_broken_images_of_the_right_archive_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    write_archive(tmp_path / "SUN.tar.gz", [("SUN/images/1.jpg", b"no image")])
    with pytest.raises(ClipnError, match=r"sun: 1 image cannot be used: 1\.jpg"):
        verified(tmp_path, dataset("SUN.tar.gz"))
    assert not (tmp_path / "out").exists()


def test_descriptions_hold_no_place_of_this_machine(tmp_path: Path) -> None:
    verified(tmp_path, sun(tmp_path))
    assert str(tmp_path) not in (tmp_path / "out" / "dataset.json").read_text(encoding="utf-8")


# Copies by another road


@pytest.mark.parametrize("folder", ["copy", "copy/SUN", "copy/SUN/images"])
@pytest.mark.parametrize(("names", "proof"), [(NAMES, "by names"), (None, "unverified")])
def test_an_unpacked_copy_is_verified_by_names_alone(
    tmp_path: Path, folder: str, names: str | None, proof: str
) -> None:
    record = sun(tmp_path, names_sha256=names)
    packed = verified(tmp_path, record)
    rows = read_manifest(tmp_path / "out" / "manifest.parquet")
    (tmp_path / "SUN.tar.gz").unlink()
    write_files(tmp_path / "copy", IMAGES)
    unpacked = verified(tmp_path, record, tmp_path / folder)
    assert unpacked == packed.model_copy(update={"archives": {"SUN.tar.gz": ""}, "proof": {"SUN.tar.gz": proof}})
    assert read_manifest(tmp_path / "out" / "manifest.parquet").equals(rows)


def test_a_copy_with_other_names_is_refused(tmp_path: Path) -> None:
    record = sun(tmp_path, names_sha256=NAMES)
    write_files(tmp_path / "copy", {"1.jpg": jpeg(1), "3.jpg": jpeg(2)})
    with pytest.raises(ClipnError, match="not to `names_sha256`"):
        verified(tmp_path, record, tmp_path / "copy")


def test_a_zip_of_the_images_is_proven_by_names(tmp_path: Path) -> None:
    record = sun(tmp_path, names_sha256=NAMES)
    description = verified(tmp_path, record, zipped(tmp_path / "sun.zip", IMAGES))
    assert description.proof == {"SUN.tar.gz": "by names"}
    assert description.archives == {"SUN.tar.gz": digest(tmp_path / "sun.zip")}


def test_a_copy_with_the_published_checksum_is_verified(tmp_path: Path) -> None:
    record = sun(tmp_path)
    shutil.move(tmp_path / "SUN.tar.gz", tmp_path / "elsewhere.tar.gz")
    found = verify_copy(record.archives[0], tmp_path / "elsewhere.tar.gz", names=False)
    assert found == Verification("verified", str(record.archives[0].sha256))


@pytest.mark.parametrize(("names", "state"), [(True, "by names"), (False, "unverified")])
def test_a_copy_with_another_checksum_is_known_by_its_names_at_most(tmp_path: Path, names: bool, state: State) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    archive = Archive(file="a.bin", sha256="0" * 64)
    assert verify_copy(archive, tmp_path / "a.bin", names=names) == Verification(state, digest(tmp_path / "a.bin"))


def test_a_folder_in_place_has_no_archive(tmp_path: Path) -> None:
    write_files(tmp_path / "mine", {"b/1.jpg": jpeg(1), "a/2.jpg": jpeg(2)})
    description = verified(tmp_path, dataset(folder="mine", reader="folders", images=2))
    assert (description.archives, description.proof, description.classes) == ({}, {}, ["a", "b"])


# Cleaning lists and classes


def cleaned(folder: Path, **published: object) -> Dataset:
    (folder / "sun.csv").write_text(CLEANING, encoding="utf-8")
    return sun(folder, cleaning={"ninco": {"archive": {"file": "sun.csv"} | published, "reader": "ninco"}})


def test_a_cleaning_list_is_a_column_and_an_archive(tmp_path: Path) -> None:
    description = verified(tmp_path, cleaned(tmp_path), None, "ninco")
    rows = read_manifest(tmp_path / "out" / "manifest.parquet").set_index("path")
    assert rows["clean_ninco"].isna().to_dict() == {"1.jpg": True, "2.jpg": False}
    assert rows["clean_ninco"]["2.jpg"]
    assert description.proof == {"SUN.tar.gz": "verified", "sun.csv": "unverified"}
    assert description.archives["sun.csv"] == digest(tmp_path / "sun.csv")


def test_cleaning_lists_are_off_unless_they_are_named(tmp_path: Path) -> None:
    record = cleaned(tmp_path)
    (tmp_path / "sun.csv").unlink()
    assert list(verified(tmp_path, record).archives) == ["SUN.tar.gz"]
    with pytest.raises(
        ClipnError, match=r"sun\.csv: no such file; run `clipn data fetch sun --cleaning ninco`, with the --registry"
    ):
        verified(tmp_path, record, None, "ninco")
    with pytest.raises(ClipnError, match="no cleaning list of sun 'other'; it has ninco"):
        verified(tmp_path, record, None, "other")


def test_other_cleaning_lists_than_the_published_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"sun\.csv: wrong checksum: sha256 is"):
        verified(tmp_path, cleaned(tmp_path, sha256="0" * 64), None, "ninco")


def test_labels_without_a_class_name_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"mine/1.jpg": jpeg(), "list.txt": b"1.jpg 2\n"})
    fields = {"folder": "mine", "reader": "list", "file_list": "list.txt"}
    with pytest.raises(
        ClipnError, match="sun: label 2 has no name among 2 classes, which are counted from 0; correct the labels, or"
    ):
        verified(tmp_path, dataset(**fields, classes=["a", "b"]))
    assert verified(tmp_path, dataset(**fields, classes=["a", "b", "c"])).classes == ["a", "b", "c"]
    assert verified(tmp_path, dataset(**fields)).classes == []


def test_classes_of_one_name_are_told_and_those_of_none_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("caf\u00e9", "cafe\u0301", "bar"):
        write_files(tmp_path, {f"mine/{name}/{len(name)}.jpg": jpeg()})
    fields = {"folder": "mine", "reader": "folders"}
    assert len(verified(tmp_path, dataset(**fields)).classes) == 3
    assert "sun: 1 of the classes have the name of another, so no text tells them apart" in capsys.readouterr().err
    with pytest.raises(ClipnError, match="sun: class 1 has no name; correct `classes`"):
        verified(tmp_path, dataset(**fields, classes=["a", " ", "b"]))


# Caption sources, and records by name


def captioned(folder: Path, **fields: object) -> CaptionSource:
    (folder / "c.tsv").write_text("a cat\thttp://127.0.0.1/1\na dog\thttp://127.0.0.1/2\n", encoding="utf-8")
    captions = {"file": "c.tsv", "sha256": digest(folder / "c.tsv")}
    return CaptionSource.model_validate({"title": "C", "reader": "cc3m", "captions": captions} | fields)


def test_captions_are_counted_and_their_archives_proven(tmp_path: Path) -> None:
    assert verify_captions("cc", captioned(tmp_path, rows=2), tmp_path, tmp_path, tmp_path / "out") == Description(
        title="C",
        classes=[],
        archives={"c.tsv": digest(tmp_path / "c.tsv")},
        proof={"c.tsv": "verified"},
        names="unverified",
        images=2,
    )
    assert json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))["images"] == 2
    assert not (tmp_path / "out" / "manifest.parquet").exists()


def test_another_number_of_captions_is_refused(tmp_path: Path) -> None:
    verify_captions("cc", captioned(tmp_path, rows=2), tmp_path, tmp_path, tmp_path / "out")
    with pytest.raises(ClipnError, match="cc: holds 2 captions, expected 3; fetch it again"):
        verify_captions("cc", captioned(tmp_path, rows=3), tmp_path, tmp_path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_table_without_captions_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"mine/captions.csv": b"image,caption\n"})
    record = CaptionSource(title="C", reader="table", folder="mine")
    with pytest.raises(ClipnError, match=r"^cc: holds no caption; check its caption file, `reader` and `select`$"):
        verify_captions("cc", record, tmp_path, tmp_path, tmp_path / "out")


def test_missing_captions_are_refused(tmp_path: Path) -> None:
    record = captioned(tmp_path)
    (tmp_path / "c.tsv").unlink()
    with pytest.raises(ClipnError, match=r"c\.tsv: no such file; run `clipn data fetch cc`, with the --registry"):
        verify_captions("cc", record, tmp_path, tmp_path, tmp_path / "out")


def test_results_are_not_written_among_the_images(tmp_path: Path) -> None:
    write_files(tmp_path, {"mine/1.jpg": jpeg(), "mine/dataset.json": b"{}"})
    known = Registry(datasets={"mine": dataset(folder="mine")})
    with pytest.raises(ClipnError, match=r"mine: is the folder of mine itself, which is not changed; name another"):
        verify_record("mine", known, tmp_path, tmp_path, tmp_path / "mine")
    assert (tmp_path / "mine/dataset.json").read_text() == "{}"


def test_a_name_leads_to_its_record(tmp_path: Path) -> None:
    registry = Registry(
        datasets={"sun": cleaned(tmp_path), "plain": sun(tmp_path)}, captions={"cc": captioned(tmp_path)}
    )
    both = [
        verify_record(name, registry, tmp_path, tmp_path, tmp_path / name, None, ["ninco"]) for name in ("sun", "plain")
    ]
    assert [sorted(description.proof) for description in both] == [["SUN.tar.gz", "sun.csv"], ["SUN.tar.gz"]]
    assert verify_record("cc", registry, tmp_path, tmp_path, tmp_path / "cc").title == "C"
    with pytest.raises(ClipnError, match="registry: no cleaning list 'nonco'; it has ninco"):
        verify_record("sun", registry, tmp_path, tmp_path, tmp_path / "out", None, ["nonco"])
    with pytest.raises(ClipnError, match="cc: captions are not read from an unpacked copy"):
        verify_record("cc", registry, tmp_path, tmp_path, tmp_path / "out", tmp_path)


# Real data beside the checkout


def test_real_cifar10_verifies_alike_packed_and_unpacked(real: Path, tmp_path: Path) -> None:
    file = "cifar-10-python.tar.gz"
    record = dataset(title="CIFAR-10", archives=[{"file": file, "sha256": digest(real / file)}], reader="cifar")
    packed = verify_dataset("cifar10", record, real, real, tmp_path / "packed")
    write_files(tmp_path, dict(read_members(real / file, lambda name: True)))
    unpacked = verify_dataset("cifar10", record, real, real, tmp_path / "out", tmp_path / "cifar-10-batches-py")
    assert (packed.proof[file], unpacked.proof[file]) == ("verified", "unverified")
    assert (packed.images, len(packed.classes), unpacked.classes) == (10_000, 10, packed.classes)
    rows = [read_manifest(tmp_path / name / "manifest.parquet") for name in ("packed", "out")]
    assert rows[0].equals(rows[1])
