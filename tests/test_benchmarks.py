"""What benchmarks say: tables in their place on a page, metrics of other definitions, imports of commands."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers_metrics
from benchmarks.imports import commands
from benchmarks.page import publish
from clipn.cli.main import app
from clipn.errors import ClipnError

PAGE = "before\n<!-- ours -->\nold\n<!-- end of ours -->\nafter\n"


def test_a_table_replaces_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    publish(["| a |", "| b |"], page, "ours")
    assert page.read_text() == PAGE.replace("old", "| a |\n| b |")
    assert capsys.readouterr().out == "| a |\n| b |\n"


def test_a_page_without_a_place_for_a_table_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(ClipnError, match="has no lines <!-- theirs --> and <!-- end of theirs -->"):
        publish(["| a |"], page, "theirs")
    assert page.read_text() == PAGE


@pytest.mark.parametrize(("name", "aupr"), [("scikit-learn", 1e-12), ("OpenOOD's formulas", 1e-2)])
def test_ours_are_the_metrics_of_others_by_their_definition(
    name: str, aupr: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    scores = draw.normal(1, 1, 300).round(1), draw.normal(0, 1, 200).round(1)
    monkeypatch.setattr(peers_metrics, "scores", lambda: scores)
    apart = peers_metrics.differences(peers_metrics.turn(name).results)
    assert all(apart[figure] < bound for figure, bound in {"AUROC": 1e-12, "AUPR": aupr, "FPR95": 1e-12}.items())


def test_commands_are_found_with_what_they_import() -> None:
    found = dict(commands(app))
    assert found["clipn trace"].startswith("from clipn.provenance")
    assert {"clipn score", "clipn demo-data", "clipn detect", "clipn report figure id-dataset"} <= found.keys()
