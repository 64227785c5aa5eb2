"""Names of classes as people give them."""

import unicodedata
from collections.abc import Iterable

from clipn.errors import ClipnError


def distinct(classes: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names of classes, each once and without blanks around it, and a line about every name that is given again.

    Raises:
        ClipnError: there is none, or one is no name.
    """
    # A string is a sequence of strings, too.
    names = [] if isinstance(classes, str) else list(classes)
    if not names:
        raise ClipnError("classes: give a list with at least one name")
    first: dict[str, int] = {}
    repeated, kept = [], []
    for number, name in enumerate(names, 1):
        if not isinstance(name, str) or not name.strip():
            raise ClipnError(f"classes: number {number} is {name!r}; give every class a name")
        # Composed, as the tokenizer reads them: é may be one sign, or e and an accent.
        if (before := first.setdefault(unicodedata.normalize("NFC", name.strip()), number)) != number:
            repeated.append(f"classes: number {number} is {name!r}, as number {before} is; they are one class")
        else:
            kept.append(name.strip())
    return kept, repeated
