"""Lists of words that might name what is in no ID class: a user's file, or WordNet's nouns and adjectives."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clipn.errors import ClipnError
from clipn.text.lines import read_lines
from clipn.text.prompts import lines_sha256

WORDNET = "wordnet"
"""What to give in place of a file."""
FOLDER = Path("/usr/share/wordnet")
"""Where the system's package puts WordNet."""
LICENCE = "  "
"""How the lines of WordNet's licence begin, which precede its words."""

Wordlists = Mapping[str, Sequence[str]]
"""Sorted words by part of speech: `noun` and `adj`."""


def read_words(source: str, folder: Path = FOLDER) -> Wordlists:
    """Words or phrases, each once.

    Args:
        source: text file with one a line, all taken for nouns; or `wordnet`.
        folder: of WordNet's files `index.noun` and `index.adj`.

    Raises:
        ClipnError: the file or WordNet is missing, holds no word, or is not UTF-8 text.
    """
    if source == WORDNET:
        lemmas = {}
        for part in ("noun", "adj"):
            path = folder / f"index.{part}"
            if not path.is_file():
                remedy = "install WordNet (`apt-get install wordnet-base`) or name a word list"
                raise ClipnError(f"{path}: no such file; {remedy}")
            # A line begins with its lemma, which has underscores for spaces (WordNet's manual, wndb).
            with path.open(encoding="utf-8") as lines:
                lemmas[part] = {
                    line.split(" ", 1)[0].replace("_", " ") for line in lines if not line.startswith(LICENCE)
                }
        # What is both a noun and an adjective is taken for a noun, or it would be chosen twice.
        return {"noun": sorted(lemmas["noun"]), "adj": sorted(lemmas["adj"] - lemmas["noun"])}
    words = sorted(set(read_lines(Path(source))))
    if not words:
        raise ClipnError(f"{source}: holds no word; write one word or phrase per line")
    return {"noun": words, "adj": []}


def words_hash(words: Wordlists) -> str:
    """sha256 of words and their parts of speech."""
    return lines_sha256(f"{part} {word}" for part in sorted(words) for word in words[part])
