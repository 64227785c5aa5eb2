"""Pages and lines of detections."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from clipn.evaluation.detect import Detection
from clipn.report.detections import page
from clipn.report.detections.files import SCHEMA, written
from clipn.report.detections.text import Lines, kind, summary

ROW = Detection("a.png", "ID", "cat", 0.9, 0.5, 0.25, 3.0)


@pytest.mark.parametrize("number", [0, 1, 999, 1_000])
def test_a_page_shows_all_of_not_too_many_images(number: int) -> None:
    rows = [ROW] * number
    assert page._spread(rows) == rows


def test_a_page_of_very_many_images_shows_some_from_all_over_the_order() -> None:
    rows = [ROW._replace(file=str(number)) for number in range(12_345)]
    shown = [int(row.file) for row in page._spread(rows)]
    assert len(shown) == page.MOST
    assert (shown[0], shown[-1]) == (0, 12_344)
    assert {later - earlier for earlier, later in pairwise(shown)} == {12, 13}


def test_lines_stand_in_columns() -> None:
    lines = Lines(["cat", "great white shark"], "max_logit")
    shark = ROW._replace(decision="OOD", best_class="great white shark", score=-12.3456, threshold=None)
    assert [lines.header, lines.line(ROW), lines.line(shark)] == [
        "       class              share   max_logit  threshold  file",
        "ID     cat                 0.90         0.5       0.25  a.png",
        "OOD    great white shark   0.90      -12.35             a.png",
    ]


def test_a_summary() -> None:
    broken = Detection("b.png", error="no image")
    counts = Counter(map(kind, [ROW, ROW, ROW._replace(decision="OOD"), broken]))
    assert summary(counts) == "4 images: 2 of the classes (ID), 1 of none (OOD), 1 not readable"
    assert summary(Counter({"ID": 1})) == "1 image: 1 of the classes (ID)"


def test_files_of_no_image(tmp_path: Path) -> None:
    with written({form: tmp_path / form for form in ("csv", "json", "parquet")}):
        pass
    assert (tmp_path / "csv").read_text() == ",".join(SCHEMA.names) + "\n"
    assert (tmp_path / "json").read_text() == "[]\n"


def test_a_run_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(AttributeError), written({"csv": tmp_path / "csv"}) as write:
        write(object())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
