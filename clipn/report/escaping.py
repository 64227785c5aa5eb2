"""Text from data is text: how names and titles are written in each language that would read more into them.

HTML escapes all that a template is given (`clipn.report.page.rendering`), and figures take no text for mathematics
(`clipn.report.figures.style`).
"""

import re

from clipn.plain_text import one_line as one_line
from clipn.plain_text import unicode as unicode

_MARKDOWN = re.compile(r"[\\`*<|$~]|(?<!\w)_|_(?!\w)|\](?=[(\[])|&(?=#?\w+;)")
"""Signs that mean something else in GitHub's Markdown, where they do."""
_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%#_${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
    | {"`": r"\textasciigrave{}", "<": "$<$", ">": "$>$", "±": r"$\pm$", "–": "--", "“": "``", "”": "''"}  # noqa: RUF001
)
"""Signs that mean something else in LaTeX or need an encoding."""
_FORMULA = re.compile(r"\s*[=+\-@]")


def markdown(text: str) -> str:
    """In a line, or in a cell of a pipe table."""
    # Blanks at the edges would keep asterisks beside them from making the text bold.
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text).strip())


def latex(text: str) -> str:
    """In a paragraph, or in a cell of a tabular."""
    # At the start of a line of a table, these two would belong to the command that ended the line before.
    return re.sub(r"^(\s*)([\[*])", r"\1{\2}", one_line(text).translate(_LATEX))


def csv_text(text: str) -> str:
    """In a CSV: an apostrophe before what a spreadsheet would take for a formula; numbers stay as they are."""
    # Python's writer does not quote this one, which other readers take for the end of a line.
    text = unicode(text).replace("\r", " ")
    if not _FORMULA.match(text):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
