"""Pages whose commands a newcomer types, and the notebook, run in a finished demo; test_own.py runs own_study.md."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from clipn.model.checkpoint import save_checkpoint
from tests.helpers.checkout import DEMO, Checkout
from tests.helpers.pages import PYTHON, follow, page
from tests.helpers.project import ROOT, Project
from tests.helpers.tiny_model import ARCHITECTURE, taught_model

pytestmark = pytest.mark.workflow

RUN = "results/studies/demo/runs/tiny/learnable/seed1.safetensors"
BACKBONE = "results/studies/demo/backbones/tiny.safetensors"
INSTEAD = {
    # They install an environment or run for minutes; `clipn demo --run` is that of tests/workflow/test_wheel.py.
    **{line: f": {line}" for line in ("make reproduce", "make test", "make verify", "pip install", "clipn demo --run")},
    # No model that is fetched; the demo's stand for them.
    "CLIPN_ATD_Repeat2_epoch_10.pt": RUN,
    "ViT-B-16/laion2b_s34b_b88k": BACKBONE,
    "--ood photos/other": f"--ood photos/other --backbone {BACKBONE}",
}


def test_every_command_of_the_readme_works(pulled: Checkout, tmp_path: Path) -> None:
    project = pulled.copied_to(tmp_path / "project")
    for folder in ("photos/pets/red circle", "photos/pets/blue ring", "photos/other", "photos_of_hats"):
        photograph(project.folder / folder, 20)
    before = project.hashes("results/tables/*")
    said = follow("README.md", project, INSTEAD)
    assert "Data and pipelines are up to date." in said
    assert said.count("photos/other/0.png") == 2
    made = pd.read_csv(project.folder / "results/tables/pets_ood.csv")
    assert {*made["study"]} == {"pets"}
    assert {"mcm", "max_logit"} <= {*made["method"]}
    assert project.hashes("results/tables/imagenet_ood.csv").items() <= before.items()


def photograph(folder: Path, images: int) -> None:
    """Pictures of noise, numbered through."""
    draw = np.random.default_rng(3)
    folder.mkdir(parents=True)
    for number in range(images):
        PIL.Image.fromarray(draw.integers(0, 256, (40, 36, 3), dtype=np.uint8)).save(folder / f"{number}.png")


@pytest.mark.parametrize("path", ["docs/own_images.md", "docs/gallery.md"])
def test_every_command_of_a_page_works(finished: Project, tmp_path: Path, path: str) -> None:
    follow(path, finished.copied_to(tmp_path / "project"))


def test_the_python_code_on_own_images_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "run.safetensors", taught_model().state_dict(), ARCHITECTURE, {})
    photograph(tmp_path / "photos", 3)
    photograph(tmp_path / "held", 19)
    monkeypatch.chdir(tmp_path)
    [code] = PYTHON.findall(page("docs/own_images.md"))
    variables: dict = {"images": ["photos/0.png", "photos/1.png"]}
    exec(code, variables)
    detector = variables["detector"]
    # The threshold of 19 images and a recall of 95 % is the lowest of their scores.
    assert detector.accepts("held").all()
    assert detector.threshold.score == pytest.approx(detector.score("held").min())


def test_a_method_of_ones_own_comes_and_goes(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "project")
    patterns = ("*", "clipn/**/*.py", "results/tables/*_ood.csv", "results/tables/differences.csv")

    def state() -> list[object]:
        # By content, as the import indents the lists of the reduced demo anew.
        study = yaml.safe_load((project.folder / DEMO).read_text())
        return [study, *map(project.hashes, patterns)]

    before = state()
    said = follow("docs/own_method.md", project)
    assert "`snakemake all` puts theirs into the tables" in said
    assert state() == before


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
