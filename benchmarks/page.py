"""Tables that a benchmark writes into a page of the documentation, between two marks."""

from collections.abc import Iterable
from pathlib import Path

from clipn.errors import ClipnError


def publish(lines: Iterable[str], page: Path | None, section: str) -> None:
    """Print lines of Markdown, and put them between the marks `section` and `end of section` of a page, if given.

    Raises:
        ClipnError: the page has no such marks.
    """
    table = "\n".join(lines)
    print(table)
    if page is None:
        return
    opening, closing = f"<!-- {section} -->\n", f"<!-- end of {section} -->"
    text = page.read_text(encoding="utf-8")
    if not -1 < text.find(opening) < text.find(closing):
        raise ClipnError(f"{page}: has no lines {opening.strip()} and {closing.strip()}; add them around the table")
    before, after = text.partition(opening)[0], text.partition(closing)[2]
    page.write_text(f"{before}{opening}{table}\n{closing}{after}", encoding="utf-8")
