"""Figures: what they show, and that they give the same bytes twice."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from clipn.errors import ClipnError
from clipn.metrics import auroc, roc
from clipn.report.figures.context import FigureContext
from clipn.report.figures.histograms import score_histograms
from clipn.report.figures.roc import roc_curves
from clipn.report.figures.saving import save
from clipn.report.figures.series import Series, select
from clipn.report.figures.style import GREY, line_style
from clipn.report.figures.training import training_curves
from clipn.report.reading import RunLog, ScoredRun, read_scores
from clipn.scores import SCORES

IMAGES = 60
CONTEXT = FigureContext("demo", "cifar10", "tiny")


def scored(variant: str, seed: int, methods: tuple[str, ...], prompts: str = "single") -> ScoredRun:
    """ID scores lie above those of `svhn` altogether and are those of `dtd` exactly."""
    steps = np.linspace(0, 1, IMAGES) + seed
    offsets = {"cifar10": 0.0, "svhn": -5.0, "dtd": 0.0}
    frames = [
        pd.DataFrame({"id": "cifar10", "dataset": name, "row": range(IMAGES)} | dict.fromkeys(methods, steps + offset))
        for name, offset in offsets.items()
    ]
    return ScoredRun("tiny", variant, prompts, seed, pd.concat(frames, ignore_index=True).assign(accepts_ctw=True))


RUNS = [
    scored("learnable", 2, ("ctw", "atd")),
    scored("learnable", 1, ("ctw", "atd")),
    scored("untrained", 1, ("ctw", "atd")),
    scored("none", 0, ("msp", "gen")),
    scored("learnable", 0, ("ctw", "atd"), prompts="clipn128"),
]


def log(seed: int) -> RunLog:
    columns = ("epoch", "matched", "unmatched", "tso", "total", "learning_rate")
    return RunLog("tiny", "learnable", seed, pd.DataFrame({"step": [0, 1, 2]} | dict.fromkeys(columns, float(seed))))


BACKBONE_LOG = pd.DataFrame({"step": [0, 1, 2], "epoch": 0, "loss": [3.0, 2.0, 1.0], "learning_rate": 0.1})


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def stairs(axes: Axes) -> list[StepPatch]:
    return [patch for patch in axes.patches if isinstance(patch, StepPatch)]


def test_select_takes_the_first_seed_in_the_order_of_methods() -> None:
    series = select(RUNS, "tiny", "cifar10")
    assert [item.label for item in series] == [
        "MSP",
        "GEN",
        "CLIPN-CTW (learnable)",
        "CLIPN-CTW (untrained)",
        "CLIPN-ATD (learnable)",
        "CLIPN-ATD (untrained)",
    ]
    assert series[2].id_scores.min() == 1
    assert {name: len(scores) for name, scores in series[2].ood_scores.items()} == {
        "svhn": IMAGES,
        "dtd": IMAGES,
    }


def test_the_auroc_of_a_series_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*scores: NDArray[np.float64]) -> float:
        calls.append(scores)
        return auroc(*scores)

    monkeypatch.setattr("clipn.report.figures.series.auroc", counted)
    scores = {"svhn": np.array([0.1, 0.6]), "dtd": np.array([0.4, 0.3])}
    series = Series("msp", "none", "MSP", np.array([0.5, 0.7]), scores)
    # Of the pairs with SVHN three of four are in order, of those with DTD all.
    assert [series.auroc, series.auroc] == [87.5, 87.5]
    assert len(calls) == len(scores)
    assert not series.is_flat


def test_select_takes_the_variants_in_the_order_met_after_the_baselines() -> None:
    series = select([RUNS[2], *RUNS[:2], RUNS[3]], "tiny", "cifar10")
    assert [item.variant for item in series] == ["none", "none", "untrained", "learnable", "untrained", "learnable"]
    assert [item.label for item in select([RUNS[0], *RUNS[3:]], "tiny", "cifar10")][2:] == ["CLIPN-CTW", "CLIPN-ATD"]


def test_select_takes_one_prompt_pool() -> None:
    learnable = [item for item in select(RUNS, "tiny", "cifar10") if item.variant == "learnable"]
    assert {item.id_scores.min() for item in learnable} == {1}
    (ctw, atd) = select(RUNS[::-1], "tiny", "cifar10")
    assert (ctw.method, atd.method, ctw.id_scores.min()) == ("ctw", "atd", 0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"id_dataset": "imagenet"}, "none for ID dataset 'imagenet'"),
        ({"backbone": "huge"}, "scores of huge"),
    ],
)
def test_select_refuses_what_was_not_scored(other: dict[str, str], message: str) -> None:
    with pytest.raises(ClipnError, match=message):
        select(RUNS, **({"backbone": "tiny", "id_dataset": "cifar10"} | other))


@pytest.mark.parametrize("draw", [score_histograms, roc_curves])
def test_figures_of_scores_need_an_ood_set(draw: Callable[..., Figure]) -> None:
    scores = RUNS[0].scores
    alone = replace(RUNS[0], scores=scores[scores["dataset"] == "cifar10"])
    with pytest.raises(ClipnError, match="no OOD set for 'cifar10'"):
        draw([alone], CONTEXT)


def test_no_two_methods_look_alike_even_without_colour() -> None:
    styles = [line_style(method) for method in SCORES]
    assert (
        len({(item.marker, item.width) for item in styles}) == len({(item.colour, item.dash) for item in styles}) == 17
    )
    assert [method for method in SCORES if line_style(method).filled] == ["ctw", "atd"]
    assert line_style("unknown").colour not in {item.colour for item in styles}


def test_scores_are_read_with_the_run_from_their_path(tmp_path: Path) -> None:
    path = tmp_path / "scores" / "tiny" / "learnable" / "nice" / "seed3.parquet"
    path.parent.mkdir(parents=True)
    RUNS[0].scores.to_parquet(path)
    (run,) = read_scores([path])
    assert (run.backbone, run.variant, run.prompts, run.seed) == ("tiny", "learnable", "nice", 3)
    assert run.scores.equals(RUNS[0].scores)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("seed1.parquet", b"no", "not a Parquet file"),
        ("first.parquet", b"", "rename"),
        ("seed2.parquet", None, "no such"),
    ],
)
def test_bad_score_files(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClipnError, match=message):
        read_scores([path])


def test_histograms_share_bins_along_a_row_and_are_densities() -> None:
    figure = score_histograms(RUNS, replace(CONTEXT, titles={"dtd": "Textures"}))
    assert len(figure.axes) == 6 * 2
    (values, edges, _), (_, others, _) = (stairs(axes)[0].get_data() for axes in figure.axes[:2])
    assert np.array_equal(edges, others)
    assert np.sum(values * np.diff(edges)) == pytest.approx(1)
    assert "study: demo" in texts(figure)
    assert "first seed" in texts(figure)
    assert "Textures" in texts(figure)


def test_at_most_ten_methods_are_shown_those_of_the_main_variant_always() -> None:
    plain = tuple(name for name in SCORES if not SCORES[name].needs_no)
    run = scored("none", 0, plain)
    # From 100 % down, against the set of which every score is the ID images' own.
    worse = {name: run.scores[name] + place * (run.scores["dataset"] == "dtd") for place, name in enumerate(plain)}
    weak = replace(RUNS[1], scores=RUNS[1].scores.assign(ctw=lambda rows: -rows["ctw"], atd=lambda rows: -rows["atd"]))
    figure = score_histograms([replace(run, scores=run.scores.assign(**worse)), weak], CONTEXT)
    labels = [axes.get_ylabel().replace("\n", " ").removesuffix(" log-odds") for axes in figure.axes[::2]]
    assert labels == [*(SCORES[name].label for name in plain[:8]), "CLIPN-CTW", "CLIPN-ATD"]
    assert f"without {len(plain) - 8} of lower AUROC" in texts(figure)


def flat(run: ScoredRun) -> ScoredRun:
    """As a control: with scores that do not differ."""
    return replace(run, scores=run.scores.assign(ctw=0.5, atd=0.5))


def test_controls_are_left_out_of_the_histograms() -> None:
    figure = score_histograms([*RUNS[:2], flat(RUNS[2]), RUNS[3]], CONTEXT)
    assert len(figure.axes) == 4 * 2
    assert "untrained" not in texts(figure)


@pytest.mark.parametrize("noise", [0.0, 1e-16])
def test_histograms_of_scores_that_do_not_differ(noise: float) -> None:
    run = scored("untrained", 1, ("ctw",))
    flat = replace(run, scores=run.scores.assign(ctw=0.5 + noise * run.scores["row"]))
    figure = score_histograms([flat], CONTEXT)
    assert figure.axes[0].get_xlim()[0] < 0.5 < figure.axes[0].get_xlim()[1]


def test_curves_and_the_legend_have_the_values_of_the_metrics() -> None:
    figure = roc_curves(RUNS, CONTEXT)
    assert [len(figure.legends), *(axes.get_legend() for axes in figure.axes)] == [1, None, None, None, None]
    for row, ood in enumerate(("svhn", "dtd")):
        whole, few = figure.axes[2 * row : 2 * row + 2]
        assert (whole.get_xlim(), whole.get_xscale()) == ((0, 1), "linear")
        assert (few.get_xlim(), few.get_xscale()) == ((1 / IMAGES, 1), "log")
        for item in select(RUNS, "tiny", "cifar10"):
            expected = [*roc(item.id_scores, item.ood_scores[ood])]
            mean = np.mean([100 * auroc(item.id_scores, scores) for scores in item.ood_scores.values()])
            for axes in (whole, few):
                (curve,) = (line for line in axes.lines if line.get_label() == f"{mean:.1f}  {item.label}")
                assert np.array_equal(curve.get_data(), expected)
    assert "75.0  CLIPN-ATD (untrained)" in texts(figure)
    assert "learnable" not in texts(roc_curves(RUNS[2:4], CONTEXT))
    assert "study: demo" in texts(figure)


def test_the_main_variant_lies_on_top_and_a_control_is_thin_and_grey() -> None:
    axes = roc_curves([RUNS[1], flat(RUNS[2]), scored("other", 1, ("ctw",)), RUNS[3]], CONTEXT).axes[1]
    curves = {str(line.get_label()).partition("  ")[2]: line for line in axes.lines}
    order = [curves[f"CLIPN-CTW ({name})"].get_zorder() for name in ("untrained", "other", "learnable")]
    assert order == sorted({*order})
    control = curves["CLIPN-ATD (untrained)"]
    assert (control.get_color(), control.get_marker()) == (GREY, "None")
    assert control.get_linewidth() < curves["MSP"].get_linewidth()
    rates, same = control.get_data()
    assert np.array_equal(rates, same)
    assert len(rates) > 100


def test_curves_of_eight_variants_of_a_method_differ() -> None:
    """By their dashes alone: colour and marker are those of the method."""
    names = [f"variant{number}" for number in range(8)]
    curves = roc_curves([scored(name, 1, ("ctw",)) for name in names], CONTEXT).axes[0].get_lines()[:8]
    assert {curve.get_color() for curve in curves} == {line_style("ctw").colour}
    assert len({str(curve._dash_pattern) for curve in curves}) == 8


def test_training_curves_show_the_mean_over_seeds() -> None:
    figure = training_curves([log(1), log(2)], {"tiny": BACKBONE_LOG}, "demo")
    assert len(figure.axes) == 5
    thin_1, thin_2, mean = figure.axes[0].lines
    assert np.array_equal(mean.get_ydata(), [1.5, 1.5, 1.5])
    assert all(axes.get_ylim()[0] <= 0 for axes in figure.axes)
    assert thin_1.get_linewidth() == thin_2.get_linewidth() < mean.get_linewidth()
    assert "study: demo" in texts(figure)


def test_variants_differ_in_training_by_their_dashes_and_the_first_lies_on_top() -> None:
    figure = training_curves([log(1), replace(log(2), variant="other")], {}, "demo")
    first, second = (line for line in figure.axes[0].lines if not str(line.get_label()).startswith("_"))
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_zorder() > second.get_zorder()


def test_training_curves_of_a_study_without_own_backbone_or_without_runs() -> None:
    assert len(training_curves([log(1)], {}, "demo").axes) == 4
    assert len(training_curves([], {"tiny": BACKBONE_LOG}, "demo").axes) == 1
    with pytest.raises(ClipnError, match="no training log"):
        training_curves([], {}, "demo")


def test_files_are_the_same_in_every_process_and_tell_no_date_or_version(tmp_path: Path) -> None:
    figure = roc_curves(RUNS, CONTEXT)
    script = "import sys, pathlib, tests.report.test_figures as t; t.roc_files(pathlib.Path(sys.argv[1]))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "other")], check=True, cwd=root, env=environment)
    for name in ("first", "second"):
        save(figure, tmp_path / name / "roc.png", tmp_path / name / "roc.pdf")
    for suffix in ("png", "pdf"):
        versions = {(tmp_path / name / f"roc.{suffix}").read_bytes() for name in ("first", "second", "other")}
        (content,) = versions
        assert not any(word in content for word in (b"Date", b"atplotlib", b"Software", b"Producer"))
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["roc.pdf", "roc.png"]


def roc_files(folder: Path) -> None:
    """Draw and save in another process."""
    save(roc_curves(RUNS, CONTEXT), folder / "roc.png", folder / "roc.pdf")


def test_the_users_own_settings_change_nothing(tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        roc_files(tmp_path / "loud")
        assert matplotlib.rcParams["font.size"] == 30
    roc_files(tmp_path / "quiet")
    assert (tmp_path / "loud" / "roc.png").read_bytes() == (tmp_path / "quiet" / "roc.png").read_bytes()
