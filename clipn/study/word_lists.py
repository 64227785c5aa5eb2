"""Where the words of a study lie that methods set against its ID classes."""

from clipn.study.paths import StudyPaths
from clipn.text.wordlists import WORDNET


def word_list(paths: StudyPaths, source: str | None) -> str | None:
    """File of a word list: where that of a record is fetched to, or what the demo generates if none is named."""
    if source is None:
        return f"{paths.mirror}/words.txt" if paths.study.demo else None
    files = paths.data.word_lists
    return paths.archive(source, files[source]) if source in files else source


def envisioned_words(paths: StudyPaths) -> dict[str, str]:
    """Files of the words that EOE sets against the classes of every ID dataset; none without that method."""
    if "eoe" not in paths.study.baselines:
        return {}
    files = {name: word_list(paths, paths.study.envisioned_words.get(name)) for name in paths.study.pairs}
    return {name: file for name, file in files.items() if file is not None}


def fetched_words(paths: StudyPaths) -> list[str]:
    """Files of the word lists of the registry that the study names."""
    return [paths.archive(name, paths.data.word_lists[name]) for name in paths.data.used_word_lists]


def word_files(paths: StudyPaths) -> list[str]:
    """Files of all word lists; none for the system's WordNet, or where none is needed."""
    named = word_list(paths, paths.study.negative_words)
    files = [*([] if named in (None, WORDNET) else [named]), *envisioned_words(paths).values()]
    return [*dict.fromkeys(file for file in files if file is not None)]
