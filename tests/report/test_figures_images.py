"""Figures of classes and images: similarity, mistakes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from clipn.evaluation.similarity import CLASSES
from clipn.report.figures.context import FigureContext
from clipn.report.figures.mistakes import Mistake, mistakes
from clipn.report.figures.saving import save
from clipn.report.figures.similarity import similarity

CONTEXT = FigureContext("demo", "Shapes", "tiny")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def compared(classes: int) -> pd.DataFrame:
    """Every image's class with every text's: hundredths of a cosine tell the image's, ten-thousandths the text's."""
    names = [f"class {index}" for index in range(classes)]
    rows = [
        {"image_class": shown, "text_class": named, "yes": i / 100 + j / 10000, "no": 0.2, "p_no": 0.7 - 0.4 * (i == j)}
        for i, shown in enumerate(names)
        for j, named in enumerate(names)
    ]
    return pd.DataFrame(rows)


def test_similarity_has_images_down_and_texts_across() -> None:
    figure = similarity(compared(3), CONTEXT, "learnable", 3)
    yes, p_no = (axes.images[0].get_array() for axes in figure.axes[:2])
    assert np.allclose(yes, [[0, 0.0001, 0.0002], [0.01, 0.0101, 0.0102], [0.02, 0.0201, 0.0202]])
    assert np.allclose(p_no, 0.7 - 0.4 * np.eye(3))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["class 0", "class 1", "class 2"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["0.30", *["0.70"] * 3] * 2 + ["0.30"]
    title = "Similarity to “yes” and “no” texts, ID: Shapes\nstudy: demo, backbone: tiny, variant: learnable"
    assert title in texts(figure)


def test_the_colours_of_p_no_are_centred_on_undecided() -> None:
    for p_no, half in ((0.9, 0.4), (0.51, 0.05)):
        figure = similarity(compared(2).assign(p_no=p_no), CONTEXT, "learnable", 2)
        norm = figure.axes[1].images[0].norm
        assert (norm.vmin, norm.vmax) == pytest.approx((0.5 - half, 0.5 + half))


def test_of_many_classes_some_are_shown_all_with_their_numbers() -> None:
    many = similarity(compared(CLASSES), CONTEXT, "learnable", 1000)
    for axes in many.axes[:2]:
        values = axes.images[0].get_array()
        assert values.shape == (CLASSES, CLASSES)
        assert [text.get_text() for text in axes.texts] == [f"{value:.2f}" for value in values.ravel()]
    assert "12 of 1000 classes, spread over all" in "\n".join(texts(many))


def test_similarity_of_images_without_labels_is_a_sentence() -> None:
    figure = similarity(compared(1).iloc[:0], CONTEXT, "learnable", 1)
    run = "study: demo, backbone: tiny, variant: learnable"
    assert texts(figure) == [f"No image has a label to compare with texts, ID: Shapes\n{run}"]


RED, BLUE = Image.new("RGB", (40, 20), "red"), Image.new("L", (500, 500), 9)
GALLERY = [
    Mistake(BLUE, "great white shark", "a class with a very long name", 0.0001, is_id=True),
    Mistake(RED, "svhn", "cat", 0.731, is_id=False),
    Mistake(BLUE, "dtd", "dog", 0.9999, is_id=False),
    Mistake(RED, "tench", "dog", 0.25, is_id=True),
]


def test_mistakes_come_in_two_blocks_the_most_confident_first() -> None:
    figure = mistakes(GALLERY, replace(CONTEXT, titles={"svhn": "SVHN", "tench": "not a dataset"}), "learnable", "atd")
    assert [axes.get_xlabel().replace("\N{NO-BREAK SPACE}", " ") for axes in figure.axes if axes.images] == [
        "dtd, >99.9 %\nas dog",
        "SVHN, 73.1 %\nas cat",
        "great white shark,\n<0.1 %\nas a class with a very\nlong name",
        "tench, 25.0 %\nas dog",
    ]
    words = texts(figure)
    assert words.index("Accepted, though unknown") < words.index("Rejected, though known")
    assert any(text.startswith("Most confident mistakes of CLIPN-ATD, ID: Shapes\nstudy: demo") for text in words)


def test_images_are_shown_whole_in_squares() -> None:
    figure = mistakes(GALLERY[1:2], CONTEXT, "learnable", "atd")
    (image,) = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert image.shape == (160, 160, 3)
    assert image[80, 0].tolist() == image[80, 159].tolist() == [255, 0, 0]
    assert image[10, 80].tolist() == [255, 255, 255]
    assert "Rejected, though known" not in texts(figure)


def test_without_mistakes_a_sentence_says_so() -> None:
    figure = mistakes([], CONTEXT, "learnable", "atd")
    assert texts(figure) == ["No mistakes of CLIPN-ATD, ID: Shapes\nstudy: demo, backbone: tiny, variant: learnable"]
    assert not figure.axes


def test_images_are_saved_as_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        figure = mistakes(GALLERY, CONTEXT, "learnable", "atd")
        save(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.pdf")
    for suffix in ("png", "pdf"):
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
