"""Files with scores of others: matched to the images, and refused where they cannot be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clipn.data import score_files
from clipn.data.score_files import read_scores_of
from clipn.errors import ClipnError

IMAGES = ["a/1.jpg", "a/2.jpg", "b/3.jpg", "b/10.jpg"]
SCORES = [0.4, -1.5, 2.0, 1e-3]


def write(path: Path, columns: Mapping[str, Any]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **columns)
    elif path.suffix == ".csv":
        pd.DataFrame(columns).to_csv(path, index=False)
    else:
        pd.DataFrame(columns).to_parquet(path)
    return path


@pytest.fixture(params=["csv", "parquet", "npz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Of a file in each of the forms."""
    return tmp_path / f"scores.{request.param}"


def test_without_names_the_order_is_that_of_the_manifest(path: Path) -> None:
    np.testing.assert_array_equal(
        read_scores_of(IMAGES, write(path, {"mcm": SCORES, "other": SCORES[::-1]}), "mcm"), SCORES
    )


@pytest.mark.parametrize("column", ["path", "name", "image", "filename"])
def test_images_are_found_by_name(path: Path, column: str) -> None:
    written = write(path, {column: IMAGES[::-1], "score": SCORES[::-1]})
    np.testing.assert_array_equal(read_scores_of(IMAGES, written, "score"), SCORES)


def test_images_are_found_by_file_names_alone(path: Path) -> None:
    names = [f"/data/{name}" for name in IMAGES[::-1]]
    written = write(path, {"path": names, "score": SCORES[::-1]})
    np.testing.assert_array_equal(read_scores_of(IMAGES, written, "score"), SCORES)


def test_names_of_digits_are_names(tmp_path: Path) -> None:
    written = write(tmp_path / "scores.csv", {"file": ["00001", "00000"], "score": [1.0, 0.0]})
    np.testing.assert_array_equal(read_scores_of(["00000", "00001"], written, "score"), [0, 1])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"scores": SCORES}, "has no 'score'; name one of scores as `column`"),
        ({"score": SCORES[:3]}, "has 3 scores, but there are 4 images; score all"),
        ({"score": [*SCORES[:3], np.nan]}, "score: row 4 is no finite number; correct it"),
        ({"score": ["1", "x", "2", "3"]}, "score: not all are numbers"),
        (
            {"score": SCORES, "name": [*IMAGES[:3], "b/11.jpg"]},
            "b/11.jpg: is no image of the dataset, or is there twice",
        ),
        ({"score": SCORES, "img": IMAGES}, "'img' seems to hold names of images; call it 'file', or leave it out"),
        ({"score": SCORES, "name": [*IMAGES[:3], "a/1.jpg"]}, "a/1.jpg: is no image of the dataset, or is there twice"),
    ],
)
def test_what_is_refused(path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ClipnError) as caught:
        read_scores_of(IMAGES, write(path, columns), "score")
    assert str(caught.value).startswith(f"{path}: {message}")


def test_classes_beside_the_scores_are_no_names(path: Path) -> None:
    written = write(path, {"score": SCORES, "class": ["cat", "cat", "dog", "dog"]})
    np.testing.assert_array_equal(read_scores_of(IMAGES, written, "score"), SCORES)


def test_names_as_the_index_of_a_parquet_file(tmp_path: Path) -> None:
    index = pd.Index(IMAGES[::-1], name="file")
    pd.DataFrame({"score": SCORES[::-1]}, index=index).to_parquet(tmp_path / "a.parquet")
    np.testing.assert_array_equal(read_scores_of(IMAGES, tmp_path / "a.parquet", "score"), SCORES)


@pytest.mark.parametrize("heading", ["score", "file,score"])
def test_decimal_commas_are_refused(tmp_path: Path, heading: str) -> None:
    before = "a/1.jpg," if "file" in heading else ""
    (tmp_path / "a.csv").write_text(f"{heading}\n" + f"{before}0,5\n" * 4, encoding="utf-8")
    with pytest.raises(ClipnError, match=r"a\.csv: has rows of more cells than the first one; write 0\.5, not 0,5"):
        read_scores_of(IMAGES, tmp_path / "a.csv", "score")


def test_a_comma_at_the_end_of_every_row_is_no_cell(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,score\na,1,\nb,2,\n", encoding="utf-8")
    np.testing.assert_array_equal(read_scores_of(["b", "a"], tmp_path / "a.csv", "score"), [2, 1])


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet", "scores.npz"])
def test_files_that_are_damaged_or_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipnError, match="no such file"):
        read_scores_of(IMAGES, tmp_path / name, "score")
    (tmp_path / name).write_bytes(b'\xff\xfe"\x00')
    with pytest.raises(ClipnError, match=f"{name}: "):
        read_scores_of(IMAGES, tmp_path / name, "score")


@pytest.mark.parametrize("kept", [0, 30, -30])
def test_npz_files_that_are_cut(tmp_path: Path, kept: int) -> None:
    whole = write(tmp_path / "whole.npz", {"score": SCORES}).read_bytes()
    (tmp_path / "scores.npz").write_bytes(whole[:kept])
    with pytest.raises(ClipnError, match=r"scores\.npz: not a whole NPZ file of numbers and texts"):
        read_scores_of(IMAGES, tmp_path / "scores.npz", "score")


def test_one_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "scores.npy", SCORES)
    (tmp_path / "scores.npy").rename(tmp_path / "scores.npz")
    with pytest.raises(ClipnError, match=r"scores\.npz: not a whole NPZ file of numbers and texts"):
        read_scores_of(IMAGES, tmp_path / "scores.npz", "score")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "scores.npz", score=np.array([object()]))
    with pytest.raises(ClipnError, match=r"scores\.npz: not a whole NPZ file of numbers and texts"):
        read_scores_of(["a"], tmp_path / "scores.npz", "score")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_files, "LARGEST", 1000)
    np.savez_compressed(tmp_path / "a.npz", score=np.zeros(10_000))
    with pytest.raises(ClipnError, match=r"a\.npz: unpacks to more than 1,000 bytes"):
        read_scores_of(IMAGES, tmp_path / "a.npz", "score")


def test_lists_are_no_scores(tmp_path: Path) -> None:
    pd.DataFrame({"score": [[1.0], [2.0]]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ClipnError, match=r"a\.parquet: score: holds lists; write a number per image$"):
        read_scores_of(["a", "b"], tmp_path / "a.parquet", "score")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"scores\.txt: is no table of scores by its name; it must end in \.csv, "):
        read_scores_of(IMAGES, tmp_path / "scores.txt", "score")
