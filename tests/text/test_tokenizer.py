"""Tokens in bulk are those of open_clip, one by one, whatever a caption holds."""

import gzip
import random
import subprocess
import sys
from pathlib import Path

import open_clip
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import fuzzed, is_unicode
from clipn.text.tokenizer import CACHED_WORDS, END, START, is_plain, padded, tokenize, word_ids

ORACLE = open_clip.SimpleTokenizer()
ODDITIES = [
    "", " ", "a dog", "A DOG'S  tail", "x" * 3000, "!" * 3000, "it'll we'VE 'S '\u017f", "12 1234 \u0663\u00bd\u00b2",
    "&amp;lt;b&amp;gt;", "&amp;amp;amp;amp;lt;", "AT&T r&b & co &", "&#xD800; &#0; &nbsp &Eacute; &EACUTE;", "<p>&amp;",
    "<start_of_text> a <end_of_text>", "<START_OF_TEXT>dog", "<\u017ftart_of_text>", "a<start_of_text", "\x80\x9d",
    "\u00e2\u20ac\u2122", "caf\u00c3\u00a9", "\u00c3\u201a\u00c2\u00a3", "\ufffd", "\x1b[31mred\x1b",
    "e\u0301 \u1a0e\u0345", "\u4e2d\u6587 \u65e5\u672c", "\U0001f469\u200d\U0001f467", "\ufb01 \uff21\uff11",
    "\u1e9e\u017f\u0130\u0131 \u03a3\u0391\u03a3 \u01c5 \u212a", "\u201cso\u201d ``so''", "\U000e0001\U0010ffff",
    "a\x1cb\x1db\x1eb\x1fb", "nul\0 bell\x07 del\x7f", "one\x85two\u2028three\u2029four", "tab\tline\nfeed\r\n\x0b",
    "no\u00a0break\u3000\u180e\u200b\ufeff", "lone \ud800 \udc80 \ud83d\ude00",
]  # fmt: skip


def assert_same(captions: list[str]) -> None:
    """As a list, and those that Arrow can hold as one block."""
    expected = [ORACLE.encode(caption) for caption in captions]
    assert tokenize(captions).to_pylist() == expected
    known = [(caption, tokens) for caption, tokens in zip(captions, expected, strict=True) if is_unicode(caption)]
    block = pa.array([caption for caption, _ in known], pa.string())
    assert tokenize(block).to_pylist() == [tokens for _, tokens in known]


@pytest.mark.parametrize("caption", ODDITIES, ids=ascii)
def test_oddities(caption: str) -> None:
    assert_same([caption])


def test_oddities_in_one_block() -> None:
    assert_same(ODDITIES)


def test_fuzzed_captions() -> None:
    assert_same(list(fuzzed(12_000, seed=1)))


def test_characters_alone_and_between_letters() -> None:
    points = random.Random(0).sample(range(0x100, 0x30000), 3000)
    assert_same([chr(point) for point in (*range(0x100), *points)])
    assert_same([f"A{chr(point)}B" for point in (*range(0x100), *points)])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.characters()), max_size=3))
def test_any_text(captions: list[str]) -> None:
    assert_same(captions)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(" aZ'&;#x1<>_\t~!")))
def test_any_text_of_ascii(caption: str) -> None:
    assert_same([caption])


def test_all_real_captions(real: Path) -> None:
    with gzip.open(real / "Validation_GCC-1.1.0-Validation.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        captions = [line.split("\t")[0] for line in lines]
    assert len(captions) == 15_833
    assert_same(captions)
    assert is_plain(pa.array(captions)).true_count > 15_700


@pytest.mark.parametrize("length", [2, 3, 16, 77])
def test_padding_and_cutting(length: int) -> None:
    captions = [*ODDITIES, *("a " * words for words in (13, 14, 15, 74, 75, 76, 200))]
    expected = ORACLE(captions, context_length=length)
    found = torch.from_numpy(padded(tokenize(captions), length))
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_a_part_of_a_block() -> None:
    """Slices of Arrow arrays begin anywhere in their buffers."""
    captions = pa.array(["a dog", "Caf\u00e9 au lait", "two cats &amp; more", "boat"])
    whole = tokenize(captions)
    assert tokenize(captions[1:3]).equals(whole[1:3])
    assert (padded(whole[1:3], 9) == padded(whole, 9)[1:3]).all()


def test_no_captions() -> None:
    assert tokenize([]).to_pylist() == []
    assert tokenize(pa.array([], pa.string())).type == pa.list_(pa.uint16())
    assert padded(tokenize([]), 77).shape == (0, 77)


def test_the_vocabulary_is_that_of_open_clip() -> None:
    assert ORACLE.all_special_ids == [START, END]
    assert ORACLE.vocab_size == END + 1
    letters = [chr(point) for point in range(ord("a"), ord("z") + 1)]
    assert [word_ids(letter) for letter in letters] == [(ORACLE.encoder[f"{letter}</w>"],) for letter in letters]


def test_cached_words_are_bounded() -> None:
    assert word_ids.cache_info().maxsize == CACHED_WORDS


def test_torch_is_not_imported() -> None:
    code = "import sys, clipn.text.tokenizer as t; t.tokenize(['a caf\u00e9']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
