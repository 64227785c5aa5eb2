"""Text files of one item a line."""

from pathlib import Path

from clipn.errors import ClipnError
from clipn.files import require


def read_lines(path: Path) -> list[str]:
    """Lines without surrounding white space; blank ones are left out.

    Raises:
        ClipnError: the file is missing or is not UTF-8 text.
    """
    try:
        lines = require(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ClipnError(f"{path}: is not UTF-8 text; save it as such") from error
    return [line.strip() for line in lines if line.strip()]
