"""The shell blocks of the documentation and its notebook, run in a finished demo; test_own.py runs own_study.md."""

import json
import re
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from tests.helpers.pages import follow
from tests.helpers.project import ROOT, Project

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize("page", ["own_images", "own_method"])
def test_every_command_of_a_page_works(finished: Project, tmp_path: Path, page: str) -> None:
    follow(page, finished.copied_to(tmp_path / "project"))


def test_the_patch_is_the_one_that_is_shown() -> None:
    shown = re.search(r"^```diff\n(.*?)^```$", (ROOT / "docs/own_method.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1] == (ROOT / "docs/examples/margin.patch").read_text()


def test_the_notebook_runs_and_its_auroc_is_that_of_its_scores(
    finished: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    variables: dict = {}
    monkeypatch.chdir(finished.folder)
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), variables)
    printed = capsys.readouterr().out
    assert [*variables["results"]] == ["mcm", "ctw", "atd"]
    for method, (known, unknown) in variables["scores"].items():
        truth = [1] * len(known) + [0] * len(unknown)
        area, rate = variables["results"][method]
        assert area == pytest.approx(roc_auc_score(truth, [*known, *unknown]))
        assert f"{method}: AUROC {100 * area:.1f} %, FPR95 {100 * rate:.1f} %" in printed
