"""Tokens of captions in bulk, those of open_clip's `SimpleTokenizer`; imports no torch.

A caption's cleaning leaves single spaces and no token reaches across one, so a caption's tokens are those of its
words, and each word of a block is encoded once.
"""

import html
import re
from collections.abc import Callable, Sequence

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clipn.bpe import END, START, word_ids

WORD = r"(?:[!-%'-~]+&?|&)"
PLAIN = rf"^(?:{WORD}(?: {WORD})*)?$"
"""Printable ASCII with single spaces between words, and no ampersand that could begin an entity."""
IDS = pa.list_(pa.uint16())


def is_plain(texts: pa.StringArray) -> pa.BooleanArray:
    """Whether repair of Unicode, of entities and of white space leaves a text as it is."""
    return pc.match_substring_regex(texts, PLAIN)


def replaced(texts: pa.StringArray, where: pa.BooleanArray, change: Callable[[str], str]) -> pa.StringArray:
    """`texts` with those changed that are marked in `where`."""
    changed = [change(text) for text in texts.filter(where).to_pylist()]
    return pc.replace_with_mask(texts, where, pa.array(changed, pa.string()))


def tokenize(captions: pa.StringArray | Sequence[str]) -> pa.ListArray:
    """Token ids of each caption, uncut and without start and end, as lists of uint16.

    Args:
        captions: an Arrow array, whose blocks should be large, or texts, which may hold lone surrogates.
    """
    return _ids_of(pc.split_pattern(_cleaned(captions), " "))


def padded(tokens: pa.ListArray, length: int) -> NDArray[np.int64]:
    """Token ids (n, length) as a text tower reads them: start, the caption, end, zeros; `length` at least 2.

    Longer captions are cut so that the end is the last token.
    """
    cut = pc.list_slice(tokens, 0, length - 2)
    sizes = pc.list_value_length(cut).to_numpy()
    table = np.zeros((len(cut), length), np.int64)
    table[:, 0] = START
    table[:, 1:-1][np.arange(length - 2) < sizes[:, None]] = cut.flatten()
    table[np.arange(len(cut)), sizes + 1] = END
    return table


def _cleaned(captions: pa.StringArray | Sequence[str]) -> pa.StringArray:
    if isinstance(captions, pa.StringArray):
        return pc.ascii_lower(replaced(captions, pc.invert(is_plain(captions)), _clean))
    plain = re.compile(PLAIN)
    texts = (text.lower() if plain.fullmatch(text) else _clean(text) for text in captions)
    return pa.array(texts, pa.string())


def _clean(text: str) -> str:
    """open_clip's cleaning: Unicode repaired, entities decoded twice, white space normalised, lower case."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()


def _ids_of(captions: pa.ListArray) -> pa.ListArray:
    """Ids of captions that are lists of words."""
    words = captions.flatten().dictionary_encode()
    known = pa.array([word_ids(word) for word in words.dictionary.to_pylist()], IDS)
    ids = known.take(words.indices)
    return pa.ListArray.from_arrays(ids.offsets.take(captions.offsets), ids.values, type=IDS)
