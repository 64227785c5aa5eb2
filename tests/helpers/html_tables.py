"""The cells of the tables of an HTML page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class HtmlCell:
    """Text of a cell, and where its links lead."""

    text: str = ""
    links: list[str] = field(default_factory=list)


HtmlTable = list[list[HtmlCell]]


class HtmlTables(HTMLParser):
    """Rows of every table, the heading among them; no table holds another."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[HtmlTable] = []
        self._cell: HtmlCell | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self._cell = HtmlCell()
            self.tables[-1][-1].append(self._cell)
        elif tag == "a" and self._cell:
            self._cell.links.append(dict(attrs)["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._cell.text += data


def texts(table: HtmlTable) -> list[list[str]]:
    """The words of the cells of a table."""
    return [[" ".join(cell.text.split()) for cell in row] for row in table]
