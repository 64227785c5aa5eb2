"""Lists of words that might name what is in no ID class: a user's file, or WordNet's nouns and adjectives."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from clipn.errors import ClipnError
from clipn.files import read_mapping
from clipn.text.lines import read_lines
from clipn.text.prompts import lines_sha256

WORDNET = "wordnet"
"""What to give in place of a file."""
FOLDER = Path("/usr/share/wordnet")
"""Where the system's package puts WordNet."""
LICENCE = "  "
"""How the lines of WordNet's licence begin, which precede its words."""
SURROGATE = re.compile(r"[\ud800-\udfff]")
"""What JSON may hold and no text in UTF-8 may."""

Wordlists = Mapping[str, Sequence[str]]
"""Sorted words by part of speech: `noun` and `adj`."""


def read_words(source: str, folder: Path = FOLDER, left_out: Collection[str] = ()) -> Wordlists:
    """Words or phrases, each once.

    Args:
        source: text file with one a line, or `.json` file with lists of them, all taken for nouns; or `wordnet`.
        folder: of WordNet's files.
        left_out: numbers of lexicographer files of WordNet, e.g. `18` of people, whose words do not count unless
            another file has them, too.

    Raises:
        ClipnError: the file or WordNet is missing or damaged, holds no word, or is not UTF-8 text.
    """
    if source == WORDNET:
        lemmas = {part: {*_lemmas(folder, part, left_out)} for part in ("noun", "adj")}
        # What is both a noun and an adjective is taken for a noun, or it would be chosen twice.
        return {"noun": sorted(lemmas["noun"]), "adj": sorted(lemmas["adj"] - lemmas["noun"])}
    path = Path(source)
    words = sorted(set(_read_lists(path) if path.suffix == ".json" else read_lines(path)))
    if not words:
        raise ClipnError(f"{source}: holds no word; write one word or phrase per line")
    return {"noun": words, "adj": []}


def _lemmas(folder: Path, part: str, left_out: Collection[str]) -> Iterator[str]:
    """Of a part of speech all lemmas that WordNet's index has, or those of its data outside some files."""
    path = folder / f"{'data' if left_out else 'index'}.{part}"
    if not path.is_file():
        remedy = "install WordNet (`apt-get install wordnet-base`) or name a word list"
        raise ClipnError(f"{path}: no such file; {remedy}")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield from _lemmas_of_line(line.decode(), left_out)
            except (ValueError, IndexError) as error:
                raise ClipnError(f"{path}: line {number} is damaged; install WordNet again") from error


def _lemmas_of_line(line: str, left_out: Collection[str]) -> Iterator[str]:
    if line.startswith(LICENCE):
        return
    # Lemmas have underscores for spaces (WordNet's manual, wndb).
    entry = line.split(" ")
    if not left_out:
        yield entry[0].replace("_", " ")
    # Offset, number of the lexicographer file, part of speech, count in hexadecimal, each word before an id.
    elif entry[1] not in left_out:
        for word in entry[4 : 4 + 2 * int(entry[3], 16) : 2]:
            # Adjectives may end in a place, such as `(p)`; and the index has all in small letters.
            yield word.partition("(")[0].replace("_", " ").lower()


def _read_lists(path: Path) -> list[str]:
    """All words of a mapping of lists, the form in which EOE's authors release theirs."""
    found = []
    for key, words in read_mapping(path).items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ClipnError(f"{path}: {key}: is no list of words; correct it")
        for word in filter(SURROGATE.search, words):
            raise ClipnError(f"{path}: {word!r} has half a character, a surrogate without its other; correct it")
        found += [word.strip() for word in words if word.strip()]
    return found


def words_hash(words: Wordlists) -> str:
    """sha256 of words and their parts of speech."""
    return lines_sha256(f"{part} {word}" for part in sorted(words) for word in words[part])
