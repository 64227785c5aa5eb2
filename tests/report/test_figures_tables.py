"""Figures that are drawn from tables: intervals, published numbers, ablations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from clipn.errors import ClipnError
from clipn.report.figures.ablations import ablations, draw_ablations
from clipn.report.figures.context import FigureContext
from clipn.report.figures.intervals import intervals
from clipn.report.figures.published import published
from clipn.report.figures.saving import save
from clipn.report.figures.style import GREY, line_style

TITLES = {"cifar10": "CIFAR-10", "svhn": "SVHN"}
CONTEXT = FigureContext("demo", "cifar10", "tiny")


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def points(axes: Axes, label: str) -> list[tuple[float, float]]:
    """Ends and corners of the lines called `label`; `_` is any without a name."""
    lines = [line for line in axes.lines if str(line.get_label()).startswith(label)]
    return [tuple(map(float, point)) for line in lines for point in line.get_xydata()]


def measured(method: str, variant: str, measure: str, mean: float, **other: Any) -> dict[str, Any]:
    names = {"study": "demo", "id": "cifar10", "ood": "svhn", "ood_version": "official", "backbone": "tiny"}
    convention = "clipn" if measure == "fpr95" else ""
    values = {"mean": mean, "sd": np.nan, "low": mean - 1, "high": mean + 2, "runs": 1}
    row = {"variant": variant, "prompts": "single", "method": method, "measure": measure, "convention": convention}
    return names | row | values | other


METRICS = pd.DataFrame(
    [
        measured("ctw", "learnable", "fpr95", 30, runs=3, sd=4),
        measured("ctw", "learnable", "fpr95", 31, convention="mcm"),
        measured("ctw", "learnable", "fpr95", 32, ood_version="ninco_clean"),
        measured("ctw", "learnable", "fpr95", 33, prompts="clipn128"),
        measured("ctw", "learnable", "aupr_id", 34),
        measured("ctw", "learnable", "auroc", 90),
        measured("ctw", "untrained", "fpr95", 60),
        measured("ctw", "learnable", "fpr95", 35, ood="average"),
        measured("ctw", "learnable", "fpr95", 36, ood="dtd"),
        measured("msp", "none", "fpr95", 50),
        measured("neglabel", "none", "fpr95", 20, prompts="nice"),
        measured("msp", "none", "fpr95", 51, prompts="nice"),
        measured("msp", "none", "fpr95", 52, backbone="other"),
    ]
)


def test_intervals_show_mean_bounds_and_deviation_of_the_rows_asked_for() -> None:
    figure = intervals(METRICS, replace(CONTEXT, titles=TITLES))
    svhn, dtd, average, svhn_auroc, *_ = figure.axes
    assert [axes.get_title() for axes in (svhn, dtd, average)] == ["SVHN", "dtd", "Average"]
    assert [label.get_text() for label in svhn.get_yticklabels()] == [
        "MSP",
        "NegLabel",
        "CLIPN-CTW (learnable)",
        "CLIPN-CTW (untrained)",
    ]
    assert sorted(points(svhn, "mean")) == [(20, 1), (30, 2), (50, 0), (60, 3)]
    assert points(svhn_auroc, "mean") == [(90, 2)]
    whiskers = points(svhn, "_")
    assert {(29, 2), (32, 2), (59, 3), (62, 3)} <= set(whiskers)
    assert [x for x, y in whiskers if y == pytest.approx(2.3)] == [26, 34]
    assert "study: demo" in texts(figure)
    assert "ID: CIFAR-10" in texts(figure)


def test_what_scores_all_images_alike_is_grey_in_intervals() -> None:
    blind = [
        measured(name, "untrained", "auroc", 50, low=50, high=50, ood=ood)
        for name in ("ctw", "atd")
        for ood in ("svhn", "average")
    ]
    blind += [measured(name, "untrained", "fpr95", 95, low=95, high=95) for name in ("ctw", "atd")]
    seeing = measured("atd", "untrained", "auroc", 51, ood="dtd")
    rows = METRICS[METRICS["variant"] != "untrained"]
    svhn, *_ = intervals(pd.concat([rows, pd.DataFrame([*blind, seeing])]), CONTEXT).axes
    colours = {line.get_ydata()[0]: line.get_color() for line in svhn.lines if line.get_label() == "mean"}
    names = [label.get_text() for label in svhn.get_yticklabels()]
    assert {names[y]: colour for y, colour in colours.items() if names[y].startswith("CLIPN")} == {
        "CLIPN-CTW (learnable)": line_style("ctw").colour,
        "CLIPN-CTW (untrained)": GREY,
        "CLIPN-ATD": line_style("atd").colour,
    }


def test_intervals_of_the_variants_and_the_pool_asked_for() -> None:
    figure = intervals(METRICS, CONTEXT, variants=["learnable"], prompts="clipn128")
    assert sorted(points(figure.axes[0], "mean")) == [(20, 0), (33, 1)]
    assert "untrained" not in texts(figure)


def test_a_fitted_classifier_is_called_so_where_its_method_comes_once() -> None:
    fitted = METRICS.assign(variant=METRICS["variant"].replace("none", "gda-16shot-alpha1.0"))
    labels = [label.get_text() for label in intervals(fitted, CONTEXT).axes[0].get_yticklabels()]
    assert labels[0] == "MSP (gda-16shot-alpha1.0)"


def test_intervals_of_nothing() -> None:
    with pytest.raises(ClipnError, match="metrics of tiny: none for ID dataset 'imagenet'"):
        intervals(METRICS, replace(CONTEXT, id_dataset="imagenet"))
    with pytest.raises(ClipnError, match="metrics of tiny"):
        intervals(METRICS.iloc[:0], CONTEXT)


def number(measure: str, printed: float, found: float, verdict: str, **other: Any) -> dict[str, Any]:
    names = {"study": "paper", "id": "cifar10", "ood": "svhn", "backbone": "ViT-B-16", "variant": "learnable"}
    values = {"measure": measure, "run": "", "published": printed, "measured": found}
    bounds = {"low": found - 1, "high": found + 1, "tolerance": 0.5, "verdict": verdict}
    return names | {"method": "ctw", "kind": "readme"} | values | bounds | other


PUBLISHED = pd.DataFrame(
    [
        number("auroc", 90, 90.25, "agrees"),
        number("auroc", 80, 82, "differs"),
        number("fpr95", 30, 20, "differs", run=2, ood="average"),
        number("fpr95", 40, 1, "not comparable"),
        number("fpr95", 50, np.nan, "not measured"),
        number("accuracy", 60, 60, "agrees"),
    ]
)


def marked(axes: Axes, marker: str) -> list[tuple[float, float]]:
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == marker]


def test_published_numbers_are_told_apart_by_verdict_and_named_where_they_differ() -> None:
    figure = published(PUBLISHED, "paper", TITLES)
    auroc, fpr = figure.axes
    assert (marked(auroc, "o"), marked(auroc, "X")) == ([(90, 90.25)], [(80, 82)])
    assert (marked(fpr, "o"), marked(fpr, "X")) == ([], [(30, 20)])
    bars = [segment.tolist() for lines in auroc.collections for segment in lines.get_segments()]
    assert [[90, 89.5], [90, 90.5]] in bars
    assert [[80, 81], [80, 83]] in bars
    assert [text.get_text() for text in fpr.texts] == ["1"]
    assert [text.get_text() for text in auroc.texts] == ["2"]
    words = texts(figure)
    where = "CIFAR-10 against average, ViT-B-16, learnable, CLIPN-CTW, FPR95 of run 2"
    assert f"1  {where}: 30.00 published, 20.00 measured" in words
    assert "2  CIFAR-10 against SVHN" in words
    assert "agrees (1)" in words
    assert "differs (2)" in words
    assert "study: paper" in words


def test_only_some_of_many_differing_numbers_are_named() -> None:
    many = pd.DataFrame([number("auroc", 50, 60 + points, "differs") for points in range(20)])
    assert "and 5 more: see the table" in texts(published(many, "paper"))


def test_without_a_comparable_number_a_sentence_says_so() -> None:
    for table in (PUBLISHED.iloc[3:5], PUBLISHED.iloc[:0], PUBLISHED.assign(kind="recorded")):
        figure = published(table, "demo")
        assert texts(figure) == "Not comparable: study demo has no published numbers"
        assert not figure.axes


def ablated(setting: str, value: str, variant: str, auroc: float, **other: Any) -> list[dict[str, Any]]:
    names = {"study": "demo", "id": "cifar10", "backbone": "tiny", "prompts": "single"}
    names |= {"setting": setting, "value": value, "variant": variant}
    rows = []
    for method, mean in (("atd", auroc + 1), ("ctw", auroc)):
        values = {"auroc": mean, "auroc_sd": 0.5, "auroc_low": mean - 2, "auroc_high": mean + 1}
        values |= {"fpr95": 100 - mean, "fpr95_sd": 0.5, "fpr95_low": np.nan, "fpr95_high": np.nan}
        rows.append(names | {"method": method, "runs": 2} | values | other)
    return rows


ABLATIONS = pd.DataFrame(
    [
        *ablated("tokens", "16", "base", 80),
        *ablated("tokens", "16", "base", 81, backbone="other"),
        *ablated("tokens", "4", "four", 82),
        *ablated("losses", "itbo", "itbo", 83),
        *ablated("losses", "both", "base", 80),
        *ablated("backbone", "tiny", "base", 80),
        *ablated("backbone", "other", "base", 81, backbone="other"),
    ]
)


def lines(axes: Axes) -> list[list[tuple[float, float]]]:
    """Points of every method."""
    return [points(axes, f"CLIPN-{name}") for name in ("CTW", "ATD")]


def test_ablations_show_numbers_on_a_log_axis_and_names_as_categories() -> None:
    figure = ablations(ABLATIONS, "demo", TITLES)
    tokens, tokens_fpr, losses, _, backbones, _ = figure.axes
    assert lines(tokens) == [[(4, 82), (16, 80)], [(4, 83), (16, 81)]]
    assert lines(tokens_fpr)[0] == [(4, 18), (16, 20)]
    assert (tokens.get_xscale(), losses.get_xscale()) == ("log", "linear")
    assert [label.get_text() for label in tokens.get_xticklabels()] == ["16", "4"]
    assert lines(losses)[0] == [(0, 83), (1, 80)]
    assert [label.get_text() for label in losses.get_xticklabels()] == ["itbo", "both"]
    assert lines(backbones)[0] == [(0, 80), (1, 81)]
    assert [axes.lines[0].get_linestyle() for axes in (tokens, losses)] == ["-", "None"]
    assert tokens.get_ylim() == losses.get_ylim() == backbones.get_ylim()
    assert all(word in texts(figure) for word in ("study: demo", "ID: CIFAR-10", "backbone: tiny", "CLIPN-ATD"))


def bars(axes: Axes, colour: str) -> set[tuple[float, float, float]]:
    """Place and ends of the upright bars of a colour."""
    found = [line for line in axes.lines if line.get_marker() == "_" and line.get_color() == colour]
    return {(*map(float, line.get_xdata()[:1]), *map(float, line.get_ydata())) for line in found}


def test_ablations_show_intervals_and_the_deviation_over_several_seeds() -> None:
    alone = ABLATIONS["variant"] == "four"
    table = ABLATIONS.assign(runs=ABLATIONS["runs"].mask(alone, 1), auroc_sd=ABLATIONS["auroc_sd"].mask(alone))
    figure = ablations(table, "demo", TITLES)
    tokens, tokens_fpr, *_ = figure.axes
    assert bars(tokens, line_style("ctw").colour) == {(4, 80, 83), (16, 78, 81)}
    assert bars(tokens, line_style("atd").colour) == {(4, 81, 84), (16, 79, 82)}
    assert bars(tokens, "black") == {(16, 79.5, 80.5), (16, 80.5, 81.5)}
    assert bars(tokens_fpr, "black") == {(16, 19.5, 20.5), (16, 18.5, 19.5)}
    interval, deviation = "95 % bootstrap interval (images)", "± standard deviation over seeds"
    for part, told in (
        (table, ["CLIPN-CTW", "CLIPN-ATD", "base value", interval, deviation]),
        (table[alone], [interval]),
    ):
        legend = ablations(part, "demo").legends[0]
        assert [text.get_text() for text in legend.get_texts()][-len(told) :] == told


def test_all_bars_of_the_ablations_are_in_sight() -> None:
    for axes in ablations(ABLATIONS, "demo").axes:
        ends = np.concatenate([line.get_xydata() for line in axes.lines])
        ends = ends[~np.isnan(ends).any(axis=1)]
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert ((ends > (left, bottom)) & (ends < (right, top))).all()


def test_methods_stand_side_by_side_and_so_do_their_bars() -> None:
    tokens = ablations(ABLATIONS, "demo", TITLES).axes[0]
    places = [line.get_transform().transform((16, 80))[0] for line in tokens.lines]
    base = tokens.transData.transform((16, 80))[0]
    # In points: a method left, the other right of the value, the deviation over seeds beside the interval.
    apart = {round(72 / tokens.figure.dpi * (place - base), 6) for place in places}
    assert apart == {-4.5, -1.5, 4.5, 7.5}


def test_numbers_come_before_the_word_all() -> None:
    part = ABLATIONS[(ABLATIONS["setting"] == "tokens") & (ABLATIONS["backbone"] == "tiny")]
    axes = ablations(part.assign(value=part["value"].replace("16", "all")), "demo").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["4", "all"]


def test_ablations_ring_the_base_value() -> None:
    tokens, _, losses, _, backbones, _ = ablations(ABLATIONS, "demo").axes
    assert sorted(points(tokens, "base")) == [(16, 80), (16, 81)]
    assert sorted(points(losses, "base")) == [(1, 80), (1, 81)]
    assert sorted(points(backbones, "base")) == [(0, 80), (0, 81)]


def test_the_base_of_a_single_setting_must_be_told() -> None:
    single = ABLATIONS[(ABLATIONS["setting"] == "tokens") & (ABLATIONS["backbone"] == "tiny")]
    assert points(ablations(single, "demo").axes[0], "base") == []
    told = ablations(single, "demo", base="four")
    assert sorted(points(told.axes[0], "base")) == [(4, 82), (4, 83)]


def test_ablations_need_one_id_dataset() -> None:
    with pytest.raises(ClipnError, match="rows of 0 ID datasets"):
        ablations(ABLATIONS.iloc[:0], "demo")
    with pytest.raises(ClipnError, match="rows of 2 ID datasets"):
        ablations(pd.concat([ABLATIONS, ABLATIONS.assign(id="imagenet")]), "demo")


def test_ablations_are_drawn_of_the_rows_of_one_id_dataset(tmp_path: Path) -> None:
    table = tmp_path / "ablations.csv"
    pd.concat([ABLATIONS, ABLATIONS.assign(id="imagenet")]).to_csv(table, index=False)
    files = (tmp_path / "datasets", tmp_path / "figure.png", tmp_path / "figure.pdf")
    draw_ablations(table, "cifar10", "base", "demo", *files)
    assert files[1].read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ClipnError, match=r"ablations\.csv: has no rows of ID dataset 'sun'; add a pair or ablations"):
        draw_ablations(table, "sun", "base", "demo", *files)


def test_the_same_table_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        figure = intervals(METRICS, CONTEXT)
        save(figure, tmp_path / name / "figure.png", tmp_path / name / "figure.pdf")
    for suffix in ("png", "pdf"):
        first, second = ((tmp_path / name / f"figure.{suffix}").read_bytes() for name in ("first", "second"))
        assert first == second
