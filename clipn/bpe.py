"""CLIP's byte-pair encoding of single words, on open_clip's vocabulary; imports no torch."""

import gzip
import importlib.util
from functools import cache, lru_cache
from itertools import islice, pairwise
from pathlib import Path

import regex

from clipn.errors import ClipnError

VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
"""File of open_clip: a headline, then one merge of two symbols per line."""
MERGES = 48_894
"""Merges of the file that CLIP uses."""
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
"""Bytes that the file writes as the character of that number; the others are written as characters from 256 on."""
BYTES = [*PRINTABLE, *(byte for byte in range(256) if byte not in PRINTABLE)]
"""Bytes in the order of their ids: these inside a word, then these at its end, then merges, start and end."""
START = 2 * len(BYTES) + MERGES
END = START + 1
SPECIAL = {"<start_of_text>": START, "<end_of_text>": END}
PART = regex.compile(
    rf"{'|'.join(SPECIAL)}|'(?:s|t|re|ve|m|ll|d)|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+", regex.IGNORECASE
)
"""What merges never cross; no part holds white space."""
WORDS = 1 << 16
"""Words whose ids are remembered."""


@lru_cache(WORDS)
def word_ids(word: str) -> tuple[int, ...]:
    """Token ids of a lower-case text that `PART` takes apart."""
    return tuple(number for part in PART.findall(word) for number in _part_ids(part))


def _part_ids(part: str) -> list[int]:
    if part in SPECIAL:
        return [SPECIAL[part]]
    ids = [_byte_ids()[byte] for byte in part.encode()]
    ids[-1] += len(BYTES)
    return _merged(ids, _merges())


def _merged(ids: list[int], merges: dict[tuple[int, int], int]) -> list[int]:
    """Join pairs until none can be joined, those of the earliest merge first."""
    while len(ids) > 1:
        pair = min(pairwise(ids), key=lambda pair: merges.get(pair, END))
        if pair not in merges:
            break
        ids = _joined(ids, pair, merges[pair])
    return ids


def _joined(ids: list[int], pair: tuple[int, int], merged: int) -> list[int]:
    """`ids` with every `pair` replaced, from left to right."""
    result = ids[:1]
    for number in ids[1:]:
        if (result[-1], number) == pair:
            result[-1] = merged
        else:
            result.append(number)
    return result


@cache
def _byte_ids() -> dict[int, int]:
    return {byte: number for number, byte in enumerate(BYTES)}


@cache
def _merges() -> dict[tuple[int, int], int]:
    """Merged id of a pair of ids; the lower, the earlier."""
    characters = [chr(byte) for byte in PRINTABLE]
    characters += [chr(256 + number) for number in range(256 - len(PRINTABLE))]
    symbols = [*characters, *(f"{character}</w>" for character in characters)]
    ids = {symbol: number for number, symbol in enumerate(symbols)}
    merges = {}
    with gzip.open(_vocabulary(), "rt", encoding="utf-8") as lines:
        for line in islice(lines, 1, 1 + MERGES):
            left, right = line.split()
            merges[ids[left], ids[right]] = ids[left + right] = len(ids)
    return merges


def _vocabulary() -> Path:
    """Found without importing open_clip, which imports torch."""
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise ClipnError("open_clip is not installed; run `make install`")
    return Path(package.origin).with_name(VOCABULARY)
