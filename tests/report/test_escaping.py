"""Names and titles come out of every output as the text that they are."""

import csv
import json
import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.text import Text
from PIL import Image

from clipn.evaluation.detect import Detection
from clipn.report.detections.files import written
from clipn.report.detections.text import Lines
from clipn.report.escaping import csv_text, latex, markdown, one_line, unicode
from clipn.report.figures.context import FigureContext
from clipn.report.figures.mistakes import Mistake, mistakes
from clipn.report.figures.saving import save
from clipn.report.figures.similarity import similarity
from clipn.report.page.rendering import render
from clipn.report.tables.ood import to_csv
from clipn.report.tables.printed import PrintedTable, cell, to_latex, to_markdown
from tests.helpers.nasty import NASTY
from tests.helpers.outline import Outline

COMMANDS = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textasciigrave{}": "`",
    r"\textbar{}": "|",
    r"$<$": "<",
    r"$>$": ">",
    "{[}": "[",
    "{*}": "*",
    "``": "“",
    "''": "”",
    **{f"\\{sign}": sign for sign in "&%#_${}"},
}
"""LaTeX that prints one sign."""
GFM = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TABLE = PrintedTable("Title", "", ("Name",), ("Number",), tuple((cell(name), cell("1")) for name in NASTY))


def squeezed(text: str) -> str:
    """A text as browsers show it: in one line, with single spaces."""
    return " ".join(one_line(text).split())


# LaTeX


def read_latex(text: str) -> str:
    """What LaTeX prints for `text`, in which nothing but `COMMANDS` may mean more than itself."""
    command = re.compile("|".join(map(re.escape, COMMANDS)))
    assert not set(command.sub("", text)) & set("\\{}$&%#_^~|<>\n\r")
    return command.sub(lambda found: COMMANDS[found[0]], text)


@pytest.mark.parametrize("name", [name for name in NASTY if name != "'"])
def test_latex_prints_the_text(name: str) -> None:
    assert read_latex(latex(name)) == one_line(name)


@given(st.text(st.characters(exclude_characters="'±\u2013“”")))
def test_latex_prints_any_text(text: str) -> None:
    assert read_latex(latex(text)) == one_line(text)


@pytest.mark.parametrize("name", NASTY)
def test_a_name_stays_in_its_cell_and_a_title_in_its_comment(name: str) -> None:
    table = PrintedTable(f"ID: {name}", name, (name,), (name,), ((cell(name), cell(name, bold=True)),))
    lines = to_latex(table).split("\n")
    assert lines[:2] == [f"% ID: {one_line(name)}", f"% {one_line(name)}"]
    begin, top, header, middle, row, bottom, end, nothing = lines[2:]
    assert (begin, top, middle) == (r"\begin{tabular}{lr}", r"\toprule", r"\midrule")
    assert (bottom, end, nothing) == (r"\bottomrule", r"\end{tabular}", "")
    assert header == rf"{latex(name)} & {latex(name)} \\"
    assert row == rf"{latex(name)} & \textbf{{{latex(name)}}} \\"
    assert not re.match(r"\s*[\[*]", row)


# Markdown


def cells(text: str) -> list[str]:
    """Texts of the cells of a Markdown table; fails on any element but text within them."""
    found = Outline(f"<main>{GFM.render(text)}</main>")
    assert {tag for tag, _ in found.tags} <= {"main", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    inline = [token for token in GFM.parse(text) if token.type == "inline"]
    return [" ".join("".join(part.content for part in token.children or []).split()) for token in inline]


def test_markdown_shows_the_texts() -> None:
    found = cells(to_markdown(TABLE))
    assert found == ["Title", "Name", "Number", *(part for name in NASTY for part in (squeezed(name), "1"))]


@pytest.mark.parametrize("name", NASTY)
def test_markdown_shows_the_text_in_title_note_and_headings(name: str) -> None:
    table = PrintedTable(f"ID: {name}", f"Of {name}", (name,), ("Number",), ((cell(name, bold=True), cell("1")),))
    assert cells(to_markdown(table))[:3] == [f"ID: {squeezed(name)}", f"Of {squeezed(name)}", squeezed(name)]


@given(st.text("\\{}[]()*$&#;_|~<>!`: \na1ltx3/h", max_size=9))
def test_markdown_shows_any_text(text: str) -> None:
    name = f"x{text}"
    table = PrintedTable(name, "", ("Name",), ("Number",), ((cell(name), cell(name, bold=True)),))
    assert cells(to_markdown(table)) == [squeezed(name), "Name", "Number", squeezed(name), squeezed(name)]


@pytest.mark.parametrize("name", ["$x$", "`$x$`"])
def test_markdown_has_no_mathematics(name: str) -> None:
    assert not re.search(r"(?<!\\)\$", markdown(name))


# HTML


def test_html_shows_the_texts() -> None:
    rows = [Detection("a.png", error=name) for name in NASTY]
    values = {"tiles": [], "border": None, "scored": 0, "errors": rows, "method": "ATD", "decided_by": NASTY[0]}
    found = Outline(render("detections.html.jinja", classes=NASTY, summary=NASTY[-1], **values))
    assert found.is_self_contained
    assert not found.all("script")
    for name in NASTY:
        # A parser takes \r as \n, and that no sign of text is there as another one.
        assert f"a.png: {' '.join(unicode(name).split())}" in found.text
    assert len(found.all("li")) == len(NASTY)


# CSV


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would compute the text."""
    return text.lstrip().startswith(("=", "+", "-", "@"))


def test_csv_of_tables_has_no_formula_and_reads_back() -> None:
    text = to_csv(pd.DataFrame({"name": list(map(unicode, NASTY)), "auroc": -1.5, "value": "-1"}))
    name, auroc, value = zip(*list(csv.reader(StringIO(text, newline="")))[1:], strict=True)
    assert [text.removeprefix("'") for text in name if text != "'"] == [
        unicode(text).replace("\r", " ") for text in NASTY if text != "'"
    ]
    assert not any(map(is_formula, name))
    assert (set(auroc), set(value)) == ({"-1.50"}, {"-1"})
    assert pd.read_csv(StringIO(text), keep_default_na=False)["name"].tolist() == list(name)


@given(st.text(st.characters()))
def test_no_text_is_a_formula(text: str) -> None:
    found = csv_text(text)
    if is_formula(found):
        float(found)  # a number
    assert found.removeprefix("'") == unicode(text).replace("\r", " ").removeprefix("'")


def test_rows_of_detections_read_back(tmp_path: Path) -> None:
    rows = [Detection(name, "ID", name, 0.9, 0.5, 0.25, 3.0) for name in NASTY]
    with written({form: tmp_path / form for form in ("csv", "json", "parquet")}) as write:
        for row in rows:
            write(row)
    as_csv = pd.read_csv(tmp_path / "csv", keep_default_na=False)
    assert as_csv["best_class"].tolist() == as_csv["file"].tolist() == list(map(csv_text, NASTY))
    as_json = json.loads((tmp_path / "json").read_text())
    assert [row["best_class"] for row in as_json] == list(map(unicode, NASTY))
    assert pd.read_parquet(tmp_path / "parquet")["file"].tolist() == list(map(unicode, NASTY))


@pytest.mark.parametrize("name", NASTY)
def test_a_line_on_a_terminal_is_one_line(name: str) -> None:
    line = Lines([name], "atd").line(Detection(name, "ID", name, 0.9, 0.5, 0.25, 3.0))
    assert line == one_line(line)


# Figures


def unbroken(text: str) -> str:
    """With spaces where a line may not end."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_figures_show_the_texts(tmp_path: Path) -> None:
    context = FigureContext("demo", "shapes", "tiny", {"shapes": " ".join(NASTY[:12]), "svhn": r"$\frac{"})
    names = NASTY[:10]
    rows = [{"text_class": text, "yes": 0.1, "p_no": 0.5} for _ in names for text in names]
    grid = similarity(pd.DataFrame(rows), context, "learnable", len(names))
    picture = Image.new("RGB", (9, 9))
    gallery = [Mistake(picture, "svhn", "$x$", 0.9, False), Mistake(picture, "a\nb", r"$\frac{", 0.9, True)]
    pictures = mistakes(gallery, context, "learnable", "atd")
    for figure in (grid, pictures):
        save(figure, tmp_path / "a.png", tmp_path / "a.pdf")
        assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text())
    assert [label.get_text() for label in grid.axes[0].get_yticklabels()] == list(map(one_line, names))
    shown = [unbroken(axes.get_xlabel()) for axes in pictures.axes if axes.images]
    assert shown == ["$\\frac{, 90.0 %\nas $x$", "a b, 90.0 %\nas $\\frac{"]
