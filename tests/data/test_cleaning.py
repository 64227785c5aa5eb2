"""Lists of images that people looked at."""

from pathlib import Path

import pyarrow as pa
import pytest

from clipn.data.cleaning import mark, read_cleaning
from clipn.data.registry import CleaningList
from clipn.errors import ClipnError

HEADER = "index,image_location,decision\n"


def listed(path: Path, text: str, images: int | None = None) -> dict[str, bool]:
    path.write_text(text, encoding="utf-8")
    record = CleaningList.model_validate({"archive": {"file": path.name}, "reader": "ninco", "images": images})
    return read_cleaning(record, path)


def manifest(*paths: str) -> pa.Table:
    return pa.table({"path": list(paths)})


def test_only_the_decision_o_is_clean(tmp_path: Path) -> None:
    rows = "34,sets/a.jpg,o\n54,sets/b.jpg,i\n61,sets/c.jpg,u\n7,sets/d.jpg,q\n"
    assert listed(tmp_path / "l.csv", HEADER + rows, images=4) == {
        "sets/a.jpg": True,
        "sets/b.jpg": False,
        "sets/c.jpg": False,
        "sets/d.jpg": False,
    }


@pytest.mark.parametrize("decisions", ["oi", "io", "uo"])
def test_an_image_is_clean_if_all_decisions_say_so(tmp_path: Path, decisions: str) -> None:
    rows = [f"{number},a.jpg,{decision}\n{number},b.jpg,o\n" for number, decision in enumerate(decisions)]
    assert listed(tmp_path / "l.csv", HEADER + "".join(rows), images=4) == {"a.jpg": False, "b.jpg": True}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", r"l\.csv: needs the columns index, image_location, decision"),
        (HEADER, r"l\.csv: needs the columns"),
        ("index,image,decision\n1,a.jpg,o\n", r"l\.csv: needs the columns"),
        (HEADER + "1,a.jpg\n", r"l\.csv: needs the columns .*, filled"),
        (HEADER + "1,a.jpg,o,more\n", r"l\.csv: needs the columns"),
        (HEADER + "1,,o\n", r"l\.csv: needs the columns"),
        (HEADER + '1,"a.jpg,o\n', r"l\.csv: is not a CSV file"),
        (HEADER + "1,a.jpg,o\n", r"l\.csv: lists 1 images, expected 2; fetch it again"),
    ],
)
def test_other_lists_are_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(ClipnError, match=error):
        listed(tmp_path / "l.csv", text, images=2)


def test_lists_that_are_no_text_or_missing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"\xff\xff")
    record = CleaningList.model_validate({"archive": {"file": "l.csv"}, "reader": "ninco"})
    with pytest.raises(ClipnError, match=r"l\.csv: is not a CSV file"):
        read_cleaning(record, tmp_path / "l.csv")
    with pytest.raises(ClipnError, match=r"absent\.csv: no such file"):
        read_cleaning(record, tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("datasets/OOD_Places_MOS/b_badlands/00000792.jpg", "b_badlands_00000792.jpg"),
        ("datasets/OOD_iNaturalist_MOS/images/017c.jpg", "017c.jpg"),
        ("textures/images/banded/banded_0021.jpg", "banded/banded_0021.jpg"),
    ],
)
def test_a_location_stands_for_the_image_of_its_last_names(location: str, path: str) -> None:
    table = manifest("other/00000792.jpg", path, "x_00000792.jpg")
    assert mark(table, "ninco", {location: True})["clean_ninco"].to_pylist() == [None, True, None]


def test_each_list_has_a_column_of_its_own() -> None:
    once = mark(manifest("a.jpg", "b.jpg"), "ninco", {"a.jpg": True, "b.jpg": False})
    both = mark(once, "mine", {"b.jpg": True})
    assert both.drop_columns("path").to_pydict() == {"clean_ninco": [True, False], "clean_mine": [None, True]}
    assert both["clean_ninco"].type == pa.bool_()


def test_images_that_the_dataset_lacks_are_named() -> None:
    clean = {"x/a.jpg": True, "x/z.jpg": True, "x/y.jpg": False}
    with pytest.raises(ClipnError, match=r"ninco: x/z\.jpg is not in the dataset \(2 of 3 images"):
        mark(manifest("a.jpg"), "ninco", clean)
