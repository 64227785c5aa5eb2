"""Tables for people, above all that nothing is called verified which is not what was verified."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from clipn.data.archives import write_archive
from clipn.data.overview import details, human_bytes, listing, statuses
from clipn.data.registry import CaptionSource, Dataset, Registry, load_registry
from clipn.data.store import part_path
from clipn.data.verify import verify_record
from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.progress import one_line
from tests.helpers.nasty import NASTY
from tests.helpers.tiny_dataset import dataset, jpeg, write_files

CHANGED = "changed since it was verified"
VERIFIED = ["1 of 1", "verified", "2 of ?", "none published"]
IMAGES = {"SUN/1.jpg": jpeg(1), "SUN/2.jpg": jpeg(2)}
CLEANING = "index,image_location,decision\n0,SUN/2.jpg,o\n"
Change = Callable[[], object]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sun() -> Dataset:
    """An archive with a published checksum, and a cleaning list."""
    write_archive(Path("here/SUN.tar"), IMAGES.items())
    Path("here/sun.csv").write_text(CLEANING)
    published = {"file": "SUN.tar", "sha256": file_hash(Path("here/SUN.tar"))}
    return dataset(archives=[published], cleaning={"ninco": {"archive": {"file": "sun.csv"}, "reader": "ninco"}})


@pytest.fixture
def mine() -> Dataset:
    """A folder with a file list."""
    write_files(Path("mine"), {"a/1.jpg": jpeg(1), "b/2.jpg": jpeg(2)})
    Path("list.txt").write_text("a/1.jpg\nb/2.jpg\n")
    return dataset(folder="mine", reader="list", file_list="list.txt")


def verify(record: Dataset | CaptionSource, unpacked: Path | None = None, *cleaning: str) -> None:
    verify_record("it", registry(record), Path("here"), Path(), Path("out/it"), unpacked, cleaning)


def registry(record: Dataset | CaptionSource) -> Registry:
    return Registry.model_validate({"datasets" if isinstance(record, Dataset) else "captions": {"it": record}})


def status(record: Dataset | CaptionSource, archives: str = "here") -> list[str]:
    """Archives, proof, number and file list."""
    line = statuses(registry(record), None, Path(archives), Path("out"), Path()).splitlines()[-1]
    _, here, _, *found = (cell.strip() for cell in line.split("  ") if cell.strip())
    return [here, *found]


def replace_by_an_older_one() -> None:
    write_archive(Path("other.tar"), [("SUN/1.jpg", jpeg(3))])
    os.utime("other.tar", (1, 1))
    Path("other.tar").replace("here/SUN.tar")


def replace_by_one_of_the_same_size_and_time() -> None:
    before = Path("here/SUN.tar").stat()
    shutil.copyfile("here/SUN.tar", "other.tar")
    os.utime("other.tar", ns=(before.st_atime_ns, before.st_mtime_ns))
    Path("other.tar").replace("here/SUN.tar")


def copy_another_of_the_same_size_and_time_over_it() -> None:
    before = Path("here/SUN.tar").stat()
    Path("other.tar").write_bytes(b"x" * before.st_size)
    os.utime("other.tar", ns=(before.st_atime_ns, before.st_mtime_ns))
    subprocess.run(["cp", "-p", "other.tar", "here/SUN.tar"], check=True)
    assert Path("here/SUN.tar").stat().st_ino == before.st_ino


def change_the_manifest() -> None:
    Path("out/it/manifest.parquet").write_bytes(b"another")


def change_the_description() -> None:
    path = Path("out/it/dataset.json")
    path.write_text(path.read_text().replace('"images": 2', '"images": 3'))


def test_a_verified_archive_stays_verified(sun: Dataset) -> None:
    assert status(sun) == ["1 of 1", "not verified yet", "-", "-"]
    verify(sun)
    assert status(sun) == VERIFIED
    assert status(sun.model_copy(update={"note": "another note", "terms": "none"})) == VERIFIED


@pytest.mark.parametrize(
    "change",
    [
        Path("here/SUN.tar").unlink,
        replace_by_an_older_one,
        replace_by_one_of_the_same_size_and_time,
        copy_another_of_the_same_size_and_time_over_it,
        change_the_manifest,
        change_the_description,
        Path("out/it/manifest.parquet").unlink,
    ],
)
def test_changed_archives_and_results_are_noticed(sun: Dataset, change: Change) -> None:
    verify(sun)
    change()
    assert status(sun)[1:] == [CHANGED, "-", "-"]


def test_of_a_fetch_that_broke_off_it_says_how_far_it_came() -> None:
    broken_off = dataset(archives=[{"file": "SUN.tar", "bytes": 8, "addresses": ["https://example.org/SUN.tar"]}])
    part = part_path(broken_off.archives[0], Path("downloads"))
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    assert status(broken_off)[:2] == ["0 of 1, 50 % of one", "to be fetched"]


def test_a_changed_record_is_noticed(sun: Dataset) -> None:
    verify(sun)
    assert status(sun.model_copy(update={"images": 7}))[1] == CHANGED


def test_an_archive_elsewhere_is_not_the_verified_one(sun: Dataset) -> None:
    verify(sun)
    shutil.copytree("here", "elsewhere")
    assert status(sun, archives="elsewhere")[1] == CHANGED


@pytest.mark.parametrize("lost", ["out/it/dataset.json", "work"])
def test_without_results_or_cache_nothing_is_verified(sun: Dataset, lost: str) -> None:
    verify(sun)
    path = Path(lost)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert status(sun)[1] == "not verified yet"


def test_a_damaged_cache_entry_counts_as_none(sun: Dataset) -> None:
    verify(sun)
    (entry,) = Path("work/verified").iterdir()
    entry.write_text('{"sources": 1}')
    assert status(sun)[1] == "not verified yet"


def test_a_failed_verification_takes_back_an_earlier_one(sun: Dataset) -> None:
    verify(sun)
    results = {path: path.read_bytes() for path in Path("out/it").iterdir()}
    Path("here/SUN.tar").write_bytes(b"no tar")
    with pytest.raises(ClipnError, match="wrong checksum"):
        verify(sun)
    assert status(sun)[1] == "not verified yet"
    for path, content in results.items():
        path.write_bytes(content)
    assert status(sun)[1] == "not verified yet"


def test_a_file_that_changes_while_it_is_verified_is_not_verified(
    sun: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipn.data.verify.write_manifest", lambda *_: os.utime("here/SUN.tar", (1, 1)))
    verify(sun)
    assert status(sun)[1] == CHANGED


def test_an_archive_in_a_mirror_is_looked_at_through_its_link(sun: Dataset) -> None:
    Path("here/SUN.tar").rename("SUN.tar")
    Path("here/SUN.tar").symlink_to(Path("SUN.tar").absolute())
    verify(sun)
    assert status(sun) == VERIFIED
    os.utime("SUN.tar", (1, 1))
    assert status(sun)[1] == CHANGED


def test_the_cleaning_lists_that_were_used_count(sun: Dataset) -> None:
    verify(sun)
    os.utime("here/sun.csv", (1, 1))
    assert status(sun)[1] == "verified"
    verify(sun, None, "ninco")
    assert status(sun)[1] == "unverified"
    os.utime("here/sun.csv", (2, 2))
    assert status(sun)[1] == CHANGED


def test_an_unpacked_copy_is_kept_in_the_cache(sun: Dataset) -> None:
    write_files(Path("copy"), IMAGES)
    Path("here/SUN.tar").unlink()
    verify(sun, Path("copy"))
    assert status(sun) == ["0 of 1", "unverified", "2 of ?", "none published"]
    Path("copy/SUN/1.jpg").write_bytes(jpeg(1)[:99])
    assert status(sun)[1] == CHANGED


@pytest.mark.parametrize(
    "change",
    [
        lambda: Path("mine/a/1.jpg").write_bytes(jpeg(1)[:99]),
        lambda: Path("mine/c.jpg").write_bytes(jpeg(3)),
        Path("mine/b/2.jpg").unlink,
        Path("list.txt").unlink,
        lambda: shutil.rmtree("mine"),
    ],
)
def test_every_file_of_a_folder_counts(mine: Dataset, change: Change) -> None:
    verify(mine)
    assert status(mine) == ["in place", "in place", "2 of ?", "none published"]
    change()
    assert status(mine)[1] == CHANGED


def test_what_no_reader_reads_does_not_count(mine: Dataset) -> None:
    verify(mine)
    Path("mine/.thumbnails").mkdir()
    Path("mine/.thumbnails/1.jpg").write_bytes(b"x")
    assert status(mine)[1] == "in place"


def test_captions_that_changed_are_noticed() -> None:
    write_files(Path("here"), {"c.tsv": b"a cat\thttp://127.0.0.1/1\n"})
    record = CaptionSource.model_validate({"title": "C", "reader": "cc3m", "captions": {"file": "c.tsv"}})
    verify(record)
    assert status(record) == ["1 of 1", "unverified", "1 of ?", "none published"]
    os.utime("here/c.tsv", (1, 1))
    assert status(record)[1] == CHANGED


def test_results_hold_nothing_of_the_cache(sun: Dataset) -> None:
    verify(sun)
    assert sorted(path.name for path in Path("out/it").iterdir()) == ["dataset.json", "manifest.parquet"]


# What the registry holds


def test_every_record_is_one_line_where_there_is_no_terminal() -> None:
    known = load_registry(Path(__file__).parents[2] / "config/datasets.yaml")
    header, _, *rows = listing(known).splitlines()
    assert header.split() == ["name", "title", "number", "reader", "comes", "by", "checksum", "terms"]
    assert [row.split()[0] for row in rows] == [*known.records, *known.words]


@pytest.mark.parametrize("title", [*NASTY, "[/x]", "[bold]x"])
def test_titles_are_printed_as_text(title: str) -> None:
    known = Registry(datasets={"a": dataset(title=title, folder="a", terms=title), "b": dataset(folder="a")})
    lines = listing(known).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["a", "b"]
    assert " ".join(one_line(title).split()) in " ".join(lines[2].split())


def test_a_table_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch, sun: Dataset) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    lines = listing(registry(sun.model_copy(update={"terms": "for research " * 20}))).splitlines()
    assert 50 < max(map(len, lines)) <= 60


def written(record: dict[str, Any]) -> dict[str, Any]:
    """Details of a record, read back."""
    kind = "captions" if record["reader"] == "webdataset" else "datasets"
    read: dict[str, Any] = yaml.safe_load(details(Registry.model_validate({kind: {"it": record}}), ["it"]))["it"]
    return read


def test_details_are_all_that_the_record_says() -> None:
    archive = {"file": "a.tar", "addresses": ["http://127.0.0.1/a.tar"], "sha256": "0" * 64, "bytes": 3}
    words = {key: f"{key} " * 40 for key in ("layout", "class_source", "licence", "terms", "source", "note")}
    record = {"title": "T", "archives": [archive], "reader": "flat", "images": 7, **words}
    assert written(record) == record


def test_every_value_of_the_details_is_in_one_line(sun: Dataset) -> None:
    record = sun.model_copy(update={"terms": "for research, " * 40 + "and no more"})
    text = details(Registry(datasets={"sun": record, "places": record}), ["places", "sun"])
    assert [line for line in text.splitlines() if not line.startswith(" ")] == ["places:", "", "sun:"]
    assert text.count(f"\n  terms: {record.terms}") == 2


def test_of_very_many_archives_the_details_show_the_first_and_the_last() -> None:
    record = {"title": "C", "reader": "webdataset", "images": [{"file": "part-{000..331}.tar"}]}
    assert written(record)["images"] == [{"file": "part-000.tar"}, "330 more", {"file": "part-331.tar"}]


def test_a_part_of_the_archives_is_the_first_of_them() -> None:
    record = {"title": "C", "reader": "webdataset", "first": 2, "images": [{"file": "part-{000..331}.tar"}]}
    source = CaptionSource.model_validate(record)
    assert [archive.file for archive in source.images] == ["part-000.tar", "part-001.tar"]
    shorter = CaptionSource.model_validate(record | {"first": None, "images": [{"file": "part-{000..001}.tar"}]})
    assert source.identity == shorter.identity
    with pytest.raises(ValidationError, match="`first` is 400, and there are 332 archives; make it smaller"):
        CaptionSource.model_validate(record | {"first": 400})


def test_details_of_an_unknown_name_are_refused(sun: Dataset) -> None:
    with pytest.raises(ClipnError, match="no dataset or caption source 'moon'; it has it"):
        details(registry(sun), ["moon"])


# Small files that stand for much


@pytest.mark.parametrize(
    "files", [["p-{000..999999999}.tar"], ["p-{1..0}.tar"], ["p-{00000..99999}.tar", "q-{0..0}.tar"]]
)
def test_a_range_of_too_many_files_or_of_none(tmp_path: Path, files: list[str]) -> None:
    record = {"title": "C", "reader": "webdataset", "images": [{"file": file} for file in files]}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"captions": {"c": record}}))
    with pytest.raises(
        ClipnError, match=r"r\.yaml: captions\.c\.images: \{.*\} stands for no file, or for more than 100,"
    ):
        load_registry(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("archive", "key"),
    [
        ({"file": "p-{0..1}.tar", "addresses": "https://example.org/p-{0..1}.tar"}, "0.file"),
        ({"file": "p-{0..1}.tar", "addresses": [1]}, "0.addresses.0"),
        ({"file": ["p-{0..1}.tar"]}, "0.file"),
        ({"file": f"p-{{0..{'9' * 5000}}}.tar"}, "0.file"),
    ],
)
def test_a_range_in_a_record_of_another_shape(archive: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CaptionSource.model_validate({"title": "C", "reader": "webdataset", "images": [archive]})
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == f"images.{key}"


NESTED = "\n".join(f"- &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12))


@pytest.mark.parametrize(
    "content",
    [
        f"datasets: {'[' * 5000}{']' * 5000}",
        f"datasets: {{a: {{title: T, images: {'9' * 5000}}}}}",
        f"datasets: {{a: {{title: T, reader: flat, folder: x, images: 0x{'f' * 5000}}}}}",
        "datasets: {a: {title: 2020-99-99}}",
        f"datasets:\n- &a0 [0]\n{NESTED}",
        f"captions: {{c: {{title: T, reader: webdataset, images: [file: &a0 [0]]}}}}\ndatasets:\n{NESTED}",
    ],
)
def test_a_registry_that_unfolds_to_very_much(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.yaml").write_text(content)
    with pytest.raises(ClipnError) as caught:
        load_registry(tmp_path / "r.yaml")
    assert str(caught.value).startswith(f"{tmp_path / 'r.yaml'}: ")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.00 MB"), (5_000, "0.01 MB"), (999_999_999, "1,000.00 MB"), (2_500_000_000_000, "2,500.00 GB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human_bytes(size) == text
