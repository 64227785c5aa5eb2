"""All figures of an ID dataset: which are drawn, of which runs, and what is refused."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from benchmarks.planted import ID, SCALE, scoring_inputs, towers
from clipn.cli.main import app
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.evaluation.similarity import similarity_table
from clipn.features.stored import read_image_features
from clipn.report.figures import id_figures
from clipn.report.figures.gallery import Albums
from clipn.report.figures.id_figures import KINDS, FigureFiles, Shown, draw_id_figures
from tests.helpers.scored_study import COMMANDS, PLAIN, RUN, SIZE, plant_study

SHOWN = Shown("demo", ID, ["none", "learnable"], "single", SCALE)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scored, with tables."""
    folder = tmp_path_factory.mktemp("study")
    plant_study(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("fit", "fit-probe", "score", "evaluate", "tables"):
            app(COMMANDS[name].split(), standalone_mode=False)
    return folder


@pytest.fixture
def files(study: Path) -> FigureFiles:
    scores = [study / f"scores/{name}.parquet" for name in (PLAIN, RUN)]
    datasets, features, classifiers = (study / name for name in ("datasets", "features", "classifiers"))
    albums = Albums([study / "registry.yaml"], study / "archives", {})
    return FigureFiles(scores, study / "tables/metrics.csv", datasets, features, classifiers, albums)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Figures by name, in place of their files."""
    figures: dict[str, Figure] = {}

    def keep(figure: Figure, png: Path, pdf: Path) -> None:
        assert (png.parent, pdf.name) == (Path("figures"), f"{png.stem}.pdf")
        figures[png.stem] = figure

    monkeypatch.setattr(id_figures, "save", keep)
    return figures


def draw(files: FigureFiles, kinds: Iterable[str] = KINDS, shown: Shown = SHOWN) -> None:
    draw_id_figures({"tiny": list(kinds)}, files, shown, Path("figures"))


def pixels(axes: Axes) -> NDArray[Any]:
    return np.asarray(axes.images[0].get_array())


def heading(figure: Figure) -> str:
    return next(text.get_text() for text in figure.findobj(Text) if "study: demo" in text.get_text())


def test_every_kind_is_drawn_for_its_backbone_and_id_dataset(files: FigureFiles, drawn: dict[str, Figure]) -> None:
    draw(files)
    kinds = ("scores", "roc", "intervals", "calibration", "similarity", "reliability", "mistakes")
    assert list(drawn) == [f"{ID}_{kind}_tiny" for kind in kinds]
    for figure in drawn.values():
        assert f"ID: {ID}\nstudy: demo, backbone: tiny" in heading(figure)
    assert len(set(map(heading, drawn.values()))) == len(KINDS)


def test_only_what_is_asked_for(files: FigureFiles, drawn: dict[str, Figure]) -> None:
    draw(files, ["roc"])
    assert list(drawn) == [f"{ID}_roc_tiny"]


@pytest.mark.parametrize("scale", [SCALE, 5.0])
def test_similarities_are_of_the_run_with_a_no_tower(
    study: Path, files: FigureFiles, drawn: dict[str, Figure], scale: float
) -> None:
    draw(files, ["similarity"], replace(SHOWN, logit_scale=scale))
    labels = read_manifest(scoring_inputs(study).datasets / ID / "manifest.parquet")["label"].to_list()
    features = read_image_features(scoring_inputs(study).features / f"tiny/{ID}.safetensors")
    said = towers(study, 0)._replace(scale=scale)
    table = similarity_table(said, [f"class {number}" for number in range(3)], features, labels)
    (figure,) = drawn.values()
    yes, p_no = (pixels(axes) for axes in figure.axes[:2])
    np.testing.assert_allclose(yes, table["yes"].to_numpy().reshape(3, 3))
    np.testing.assert_allclose(p_no, table["p_no"].to_numpy().reshape(3, 3))
    assert heading(figure).endswith("variant: learnable")


def test_mistakes_show_images_of_the_archives(files: FigureFiles, drawn: dict[str, Figure]) -> None:
    draw(files, ["mistakes"])
    (figure,) = drawn.values()
    shown = [axes for axes in figure.axes if axes.images]
    shades = [int(pixels(axes)[80, 80, 0]) for axes in shown]
    assert len(shades) > 1
    assert set(shades) <= set(range(SIZE.images[ID]))
    assert all("class " in axes.get_xlabel() for axes in shown)


# Refusals


@pytest.mark.parametrize(
    ("kinds", "shown", "message"),
    [
        (
            ["roc", "rock"],
            SHOWN,
            "--figure 'rock': choose one of scores, roc, intervals, calibration, similarity, rel",
        ),
        (["roc"], replace(SHOWN, id_dataset="moon"), "--id 'moon': .*datasets has no such dataset; name one of imagen"),
        (["roc"], replace(SHOWN, id_dataset="sun"), "scores of tiny: none for ID dataset 'sun'"),
    ],
)
def test_what_there_is_not(
    files: FigureFiles, drawn: dict[str, Figure], kinds: list[str], shown: Shown, message: str
) -> None:
    with pytest.raises(ClipnError, match=message):
        draw(files, kinds, shown)
    assert drawn == {}


@pytest.mark.parametrize("kind", ["similarity", "mistakes"])
def test_figures_of_a_no_tower_without_one(files: FigureFiles, kind: str) -> None:
    with pytest.raises(ClipnError, match="--figure tiny: no run with a `no` tower is among the scores; name one"):
        draw(replace(files, scores=files.scores[:1]), [kind])
