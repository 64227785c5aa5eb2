"""Tokens of captions in bulk, those of open_clip's `SimpleTokenizer`; imports no torch.

A caption's cleaning leaves single spaces and no token reaches across one, so a caption's tokens are those of its
words, and each word of a block is encoded once.
"""

import gzip
import html
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import islice, pairwise

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex
from numpy.typing import NDArray

from clipn.text.open_clip_files import open_clip_file

WORD = r"(?:[!-%'-~]+&?|&)"
PLAIN_TEXT = rf"^(?:{WORD}(?: {WORD})*)?$"
"""Printable ASCII with single spaces between words, and no ampersand that could begin an entity."""
IDS = pa.list_(pa.uint16())


def is_plain(texts: pa.StringArray) -> pa.BooleanArray:
    """Whether repair of Unicode, of entities and of white space leaves a text as it is."""
    return pc.match_substring_regex(texts, PLAIN_TEXT)


def replaced(texts: pa.StringArray, where: pa.BooleanArray, change: Callable[[str], str]) -> pa.StringArray:
    """`texts` with those changed that are marked in `where`."""
    changed = [change(text) for text in texts.filter(where).to_pylist()]
    return pc.replace_with_mask(texts, where, pa.array(changed, pa.string()))


def tokenize(captions: pa.StringArray | Sequence[str]) -> pa.ListArray:
    """Token ids of each caption, uncut and without start and end, as lists of uint16.

    Args:
        captions: an Arrow array, whose blocks should be large, or texts, which may hold lone surrogates.
    """
    if isinstance(captions, pa.StringArray):
        cleaned = pc.ascii_lower(replaced(captions, pc.invert(is_plain(captions)), _clean))
    else:
        # A lone surrogate cannot enter an Arrow array, so these texts are cleaned before they do.
        plain = re.compile(PLAIN_TEXT)
        cleaned = pa.array((text.lower() if plain.fullmatch(text) else _clean(text) for text in captions), pa.string())
    words = pc.split_pattern(cleaned, " ")
    distinct = words.flatten().dictionary_encode()
    ids_of = pa.array([word_ids(word) for word in distinct.dictionary.to_pylist()], IDS)
    ids = ids_of.take(distinct.indices)
    return pa.ListArray.from_arrays(ids.offsets.take(words.offsets), ids.values, type=IDS)


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


def _clean(text: str) -> str:
    """open_clip's cleaning: Unicode repaired, entities decoded twice, white space normalised, lower case."""
    # Twice, as CLIP does: texts of the web hold `&amp;amp;`.
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()


VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
"""File of open_clip: a headline, then one merge of two symbols per line."""
MERGES = 48_894
"""Merges of the file that CLIP uses."""
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
"""Bytes that the file writes as the character of that number; the others are written as characters from 256 on."""
BYTES = [*PRINTABLE, *(byte for byte in range(256) if byte not in PRINTABLE)]
"""Bytes in the order of their ids: these inside a word, then these at its end, then merges, start and end."""
BYTE_IDS = {byte: number for number, byte in enumerate(BYTES)}
START = 2 * len(BYTES) + MERGES
END = START + 1
SPECIAL = {"<start_of_text>": START, "<end_of_text>": END}
PART = regex.compile(
    rf"{'|'.join(SPECIAL)}|'(?:s|t|re|ve|m|ll|d)|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+", regex.IGNORECASE
)
"""What merges never cross; no part holds white space."""
CACHED_WORDS = 1 << 16
"""Words whose ids are cached."""


@lru_cache(CACHED_WORDS)
def word_ids(word: str) -> tuple[int, ...]:
    """Token ids of a lower-case text that `PART` takes apart."""
    ids: list[int] = []
    for part in PART.findall(word):
        if part in SPECIAL:
            ids.append(SPECIAL[part])
            continue
        symbols = [BYTE_IDS[byte] for byte in part.encode()]
        symbols[-1] += len(BYTES)
        ids += _merged(symbols)
    return tuple(ids)


def _merged(ids: list[int]) -> list[int]:
    """Join pairs until none can be joined, those of the earliest merge first, from left to right."""
    merges = _merges()
    while len(ids) > 1:
        # Merged ids count up in the order of the merges, so the least one is the earliest.
        pair = min(pairwise(ids), key=lambda pair: merges.get(pair, END))
        if pair not in merges:
            break
        joined = ids[:1]
        for number in ids[1:]:
            if (joined[-1], number) == pair:
                joined[-1] = merges[pair]
            else:
                joined.append(number)
        ids = joined
    return ids


@cache
def _merges() -> dict[tuple[int, int], int]:
    """Merged id of a pair of ids; the lower, the earlier."""
    # The file writes bytes as printable characters, as GPT-2 did, so that a line can be split at white space.
    characters = [chr(byte) for byte in PRINTABLE]
    characters += [chr(256 + number) for number in range(256 - len(PRINTABLE))]
    symbols = [*characters, *(f"{character}</w>" for character in characters)]
    ids = {symbol: number for number, symbol in enumerate(symbols)}
    merges = {}
    with gzip.open(open_clip_file(VOCABULARY), "rt", encoding="utf-8") as lines:
        for line in islice(lines, 1, 1 + MERGES):
            left, right = line.split()
            merges[ids[left], ids[right]] = ids[left + right] = len(ids)
    return merges
