"""Captions that nobody writes: pieces that cleaning or encoding treats in a way of its own, in any order."""

from collections.abc import Iterator

import numpy as np

WORDS = ["a", "Dog", "the", "CAT's", "i'll", "we'VE", "'S", "x" * 60, "1", "12345", "\u00b2", "\u00bd", "\u0663"]
MARKS = ["!", "--", "...", "'", '"', "``", "''", "\u201c", "\u2019", "<", ">", "\ufffd"]
ENTITIES = ["&", "AT&T", "&amp;", "&amp;lt;", "&lt", "&#39;", "&#xD800;", "&b", "&nbsp;", "&Eacute;", "&EACUTE;"]
SPECIAL = ["<start_of_text>", "<END_of_text>", "<\u017ftart_of_text>"]
WRONGLY_DECODED = ["\u00e2\u20ac\u2122", "\u00c3\u00a9", "\u00c3\u201a\u00c2\u00a3", "\x80", "\x9d"]
LETTERS = ["\u00e9", "e\u0301", "\u1e9e", "\u017f", "\u0130", "\u0131", "\u03a3\u0391\u03a3", "\u212a", "\u01c5"]
LETTERS += ["\u0345", "\ufb01", "\uff21\uff11", "\u4e2d\u6587", "\u65e5\u672c"]
PICTURES = ["\U0001f600", "\U0001f469\u200d\U0001f467"]
CONTROLS = ["\0", "\x07", "\x1b", "\x1b[31m", "\x7f", "\u200b", "\ufeff", "\U000e0001", "\ud800", "\udc80"]
SPACES = [" ", "  ", "\t", "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85"]
SPACES += ["\u00a0", "\u180e", "\u2028", "\u2029", "\u3000"]
PIECES = [*WORDS, *MARKS, *ENTITIES, *SPECIAL, *WRONGLY_DECODED, *LETTERS, *PICTURES, *CONTROLS, *SPACES]


def fuzzed(number: int, seed: int) -> Iterator[str]:
    """Texts of up to eleven pieces, with and without spaces between them; some hold lone surrogates."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        pieces, behind = rng.integers((len(PIECES), 3), size=(rng.integers(12), 2)).T
        yield "".join(PIECES[piece] + " " * int(gap == 0) for piece, gap in zip(pieces, behind, strict=True))


def is_unicode(text: str) -> bool:
    """Whether a text is without lone surrogates, so that UTF-8 can hold it."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
