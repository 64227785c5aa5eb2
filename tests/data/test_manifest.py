"""Manifests: values, identical bytes, and every refusal."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from clipn.data.cleaning import mark
from clipn.data.manifest import index_images, names_hash, read_manifest, write_manifest
from clipn.data.readers import Image
from clipn.errors import ClipnError
from clipn.iteration import WAITING, in_threads
from tests.helpers.tiny_dataset import dataset, jpeg


def test_values_and_identical_bytes(tmp_path: Path) -> None:
    images = [Image("b.jpg", 3, jpeg(1, side=20)), Image("a.jpg", -1, jpeg(2))]
    record = dataset("x.tar", images=2, names_sha256=names_hash(["a.jpg", "b.jpg"]))
    for name in ["one", "two"]:
        write_manifest(index_images("demo", record, iter(images)), tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    rows = read_manifest(tmp_path / "one.parquet")
    assert rows["path"].tolist() == ["b.jpg", "a.jpg"]
    assert rows["label"].tolist() == [3, -1]
    assert rows[["width", "height"]].to_numpy().tolist() == [[20, 20], [16, 16]]
    assert str(rows["label"].dtype) == "int32"
    assert rows["sha256"].tolist() == [hashlib.sha256(image.content).hexdigest() for image in images]


def test_rows_are_in_the_order_of_the_images() -> None:
    images = [Image(f"{number}.jpg", number, jpeg(side=300 if number % 3 else 8)) for number in range(60)]
    assert index_images("demo", dataset("x.tar"), images)["label"].to_pylist() == list(range(60))


@pytest.mark.parametrize(
    ("fields", "names", "error"),
    [
        ({}, [], "demo: no image found"),
        ({}, ["a.jpg", "a.jpg"], "demo: a.jpg occurs 2 times"),
        ({"images": 3}, ["a.jpg"], "demo: 1 image found, 3 expected"),
        ({"names_sha256": "0" * 64}, ["a.jpg"], "not to `names_sha256`"),
    ],
)
def test_images_that_do_not_fit_the_record_are_refused(fields: dict[str, object], names: list[str], error: str) -> None:
    images = [Image(name, -1, jpeg()) for name in names]
    with pytest.raises(ClipnError, match=error):
        index_images("demo", dataset("x.tar", **fields), images)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (
            [4],
            r"demo: 1 image cannot be used: 4\.jpg \(truncated or not an image\); fetch .*, or exclude it with",
        ),
        (
            [1, 3, 5],
            r"demo: 3 images cannot .*: 1\.jpg .*, 3\.jpg .*, 5\.jpg .*; fetch .*, or exclude them with",
        ),
        (range(2, 9), r"demo: 7 images cannot .*: 2\.jpg .*, 3\.jpg .*, 4\.jpg .* and 4 more; fetch"),
    ],
)
def test_all_images_that_do_not_decode_are_counted(broken: list[int], error: str) -> None:
    images = [Image(f"{number}.jpg", -1, jpeg()[: 99 if number in broken else None]) for number in range(10)]
    with pytest.raises(ClipnError, match=error):
        index_images("demo", dataset("x.tar", images=3), images)


@pytest.mark.parametrize(
    ("count", "error"),
    [
        (1, r"mine: 1 image cannot be used: 0\.jpg \(.*\); repair or remove it$"),
        (2, r"mine: 2 images cannot be used: 0\.jpg .*, 1\.jpg .*; repair or remove them$"),
    ],
)
def test_broken_images_of_a_folder_are_repaired_or_removed(count: int, error: str) -> None:
    broken = [Image(f"{number}.jpg", -1, jpeg()[:99]) for number in range(count)]
    with pytest.raises(ClipnError, match=error):
        index_images("mine", dataset(folder="mine"), broken)


def test_names_hash_is_of_sorted_lines() -> None:
    assert names_hash(["b", "a"]) == hashlib.sha256(b"a\nb\n").hexdigest()


def test_marks_of_cleaning_lists_are_nullable(tmp_path: Path) -> None:
    manifest = index_images("demo", dataset("x.tar"), [Image(f"{number}.jpg", -1, jpeg()) for number in range(3)])
    write_manifest(mark(manifest, "ninco", {"x/2.jpg": True, "x/0.jpg": False}), tmp_path / "m.parquet")
    marks = read_manifest(tmp_path / "m.parquet")["clean_ninco"]
    pd.testing.assert_series_equal(marks, pd.Series([False, pd.NA, True], dtype="boolean", name="clean_ninco"))


def test_files_that_are_not_manifests_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"no")
    with pytest.raises(ClipnError, match=r"m\.parquet: not a Parquet file"):
        read_manifest(tmp_path / "m.parquet")
    with pytest.raises(ClipnError, match="no such file"):
        read_manifest(tmp_path / "absent.parquet")


@pytest.mark.parametrize("columns", [["path"], ["path", "label", "sha256", "width", "height", "other"]])
def test_tables_of_other_columns_are_refused(tmp_path: Path, columns: list[str]) -> None:
    write_manifest(pa.table({column: [1] for column in columns}), tmp_path / "m.parquet")
    with pytest.raises(ClipnError, match=r"m\.parquet: its columns are not path, label, sha256, width, height"):
        read_manifest(tmp_path / "m.parquet")


# Threads


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})


@pytest.mark.usefixtures("two_cores")
def test_results_keep_the_order_of_the_items() -> None:
    """The first item waits for the second, so they run at the same time."""
    second_ran = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_ran.wait(timeout=60)
        if item == 1:
            second_ran.set()
        return item

    assert list(in_threads(work, range(50))) == list(range(50))


@pytest.mark.usefixtures("two_cores")
def test_items_are_taken_only_a_few_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = in_threads(str, items())
    assert [next(results) for _ in range(10)] == [str(number) for number in range(1, 11)]
    assert taken == 10 + 2 * WAITING


@pytest.mark.usefixtures("two_cores")
def test_an_error_of_an_item_is_raised_in_its_turn() -> None:
    results = in_threads(lambda item: 1 / item, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
