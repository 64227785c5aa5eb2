"""Backbones of a study side by side: what detection and calibration owe to accuracy on ID images."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipn.data.registry import OFFICIAL
from clipn.errors import ClipnError
from clipn.report.figures.saving import save
from clipn.report.figures.style import (
    GREY,
    ID_COLOUR,
    WIDTH,
    finish,
    house_style,
    line_style,
    methods_in_order,
    sentence,
)
from clipn.report.formatting import AVERAGE, dataset_title, method_title
from clipn.report.reading import read_table, read_titles
from clipn.scores import FITTED, IMPORTED, PLAIN_CLIP, SCORES


def draw_backbones(
    accuracy: Path, metrics: Path, id_dataset: str, base: str, prompts: str, study: str, datasets: Path, png: Path,
    pdf: Path,
) -> None:  # fmt: skip
    """Draw `backbones` of one ID dataset from the tables `id_accuracy.csv` and `metrics.csv`, and save it.

    Args:
        accuracy: the first table.
        metrics: the second.
        id_dataset: identifier.
        base: variant that is shown beside the methods on plain CLIP.
        prompts: name of the prompt pool that is shown.
        study: printed in the title.
        datasets: folder with one indexed dataset per folder.
        png: where to.
        pdf: where to.

    Raises:
        ClipnError: a table has no such rows.
    """
    accuracies, measured = read_table(accuracy), read_table(metrics)
    of_pool = accuracies[
        (accuracies["id"] == id_dataset)
        & (accuracies["prompts"] == prompts)
        & ~accuracies["variant"].str.startswith(FITTED)
    ]
    # A method may have a pool of its own (NegLabel), under which alone it is scored.
    own = measured["method"].map(lambda method: SCORES[method].prompts if method in SCORES else IMPORTED)
    averages = measured[
        (measured["id"] == id_dataset)
        & (measured["ood"] == AVERAGE)
        & (measured["ood_version"] == OFFICIAL)
        & (measured["measure"] == "auroc")
        & measured["variant"].isin([PLAIN_CLIP, base])
        & ((measured["prompts"] == prompts) | (measured["prompts"] == own))
    ]
    if of_pool.empty or averages.empty:
        raise ClipnError(f"{accuracy}: no numbers of {id_dataset} under {prompts}; evaluate the study's runs first")
    title = f"ID: {dataset_title(id_dataset, read_titles(datasets))}\nstudy: {study}, prompts: {prompts}"
    save(backbones(of_pool, averages, title, base), png, pdf)


@house_style()
def backbones(accuracy: pd.DataFrame, averages: pd.DataFrame, title: str, base: str) -> Figure:
    """Average AUROC of every method, and ECE, against top-1 accuracy: a point per backbone.

    Args:
        accuracy: of `clipn.report.tables.ood.id_accuracy_table`, percent, a row per backbone.
        averages: of `clipn.report.tables.intervals.metrics_table`, percent, a row per backbone and method.
        title: what is shown.
        base: variant of the methods that have one.

    Returns:
        A figure; one that holds a single sentence where no ID image has a label.
    """
    known = accuracy.dropna(subset=["top1"]).set_index("backbone")
    if known.empty:
        return sentence(f"No image has a label to be right about, {title}")
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _detection(left, averages, known["top1"])
    right.plot(known["top1"], known["ece"], "o", color=ID_COLOUR, markersize=4)
    middle = (known["top1"].min() + known["top1"].max()) / 2
    for name, row in known.iterrows():
        # Towards the middle, as names are long.
        shift, side = (4, "left") if row["top1"] <= middle else (-4, "right")
        point = (row["top1"], row["ece"])
        right.annotate(str(name), point, (shift, 4), textcoords="offset points", ha=side, fontsize=6.5)
    left.set_ylabel("AUROC (%), average over OOD sets")
    right.set_ylabel("Expected calibration error (%)")
    for axes in (left, right):
        # One axis for both, so that a backbone is found again by its place.
        axes.set(xlabel="ID accuracy (%)")
        axes.margins(0.18, 0.12)
        for top1 in known["top1"]:
            axes.axvline(top1, color=GREY, alpha=0.3, linewidth=0.5, zorder=0)
    figure.suptitle(f"Accuracy, detection and calibration of the backbones, {title}")
    taught = "" if base == PLAIN_CLIP else f"CLIPN: variant {base}"
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, title=taught)
    return finish(figure)


def _detection(axes: Axes, averages: pd.DataFrame, top1: pd.Series) -> None:
    """A line per method, from the least accurate backbone to the most."""
    rows = averages.assign(top1=averages["backbone"].map(top1)).sort_values("top1", kind="stable")
    for method in sorted(dict.fromkeys(rows["method"]), key=[*methods_in_order(), *rows["method"]].index):
        part, style = rows[rows["method"] == method], line_style(method)
        axes.plot(
            part["top1"],
            part["mean"],
            style.dash,
            color=style.colour,
            marker=style.marker,
            markerfacecolor=style.face,
            markersize=3.5,
            linewidth=0.6 * style.width,
            label=method_title(method),
        )
