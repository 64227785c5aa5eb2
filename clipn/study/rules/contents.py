"""What jobs read beside their declared inputs: registry records, files in place, prompt pools, local weights.

Each is a parameter of rules, by what people call it, so that an old date hides no change and `clipn why` can name it.
"""

import hashlib
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Protocol

from clipn.files import file_hash
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.names import family
from clipn.study.rules.parameters import Contents
from clipn.study.scorings import prompt_pools, word_methods
from clipn.study.weights import is_weight_file, weight_record
from clipn.text import csp
from clipn.text.prompts import pool_hash
from clipn.text.wordlists import FOLDER, WORDNET, read_words, words_hash


class FileHashes(Protocol):
    """Hashes of the project's files."""

    def sha256(self, path: str) -> str | None:
        """Hash of a file; None if it is missing."""

    def hash_files(self, paths: Iterable[str]) -> None:
        """Hash many files at once."""


class RuleContents:
    """Contents that the rules of a study depend on.

    Args:
        study: the study.
        data: which data it uses.
        hashes: of the project's files.
    """

    def __init__(self, study: Study, data: StudyData, hashes: FileHashes) -> None:
        self._study = study
        self._data = data
        self._hashes = hashes
        self._in_place = cache(self._hash_in_place)

    def archive(self, name: str, file: str) -> Contents:
        """What the registry says of the bytes of one archive, so that a new address alone fetches nothing again."""
        identity = None if self._data.is_generated(name) else self._data.archive(name, file).identity
        return Contents({f"what the registry says of {file}": identity})

    def images(self, *names: str) -> Contents:
        """What images or captions and their labels depend on, of datasets or caption sources."""
        records = {name: self._data.record(name) for name in names}
        return self._of_data({name: record and record.identity for name, record in records.items()})

    def expectations(self, *names: str) -> Contents:
        """All that `clipn data verify` compares datasets or caption sources with."""
        return self._of_data({name: self._data.expectation(name) for name in names})

    def _of_data(self, records: dict[str, object]) -> Contents:
        registry = {f"the record of {name} in the registry": record for name, record in records.items()}
        in_place = {f"the files of {name} that are read in place": self._in_place(name) for name in records}
        return Contents(registry | in_place)

    def _hash_in_place(self, name: str) -> str:
        """Hash of names and contents of the files that are read where they are, outside the study."""
        lines = []
        for path in self._data.in_place(name):
            files = [file for file in (path, *sorted(path.rglob("*"))) if file.is_file()]
            self._hashes.hash_files(map(str, files))
            lines += [f"{file.relative_to(path)} {self._hashes.sha256(str(file))}\n" for file in files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def words(self) -> Contents:
        """The system's words for NegLabel and CSP; a word list of the study is an input like any other."""
        # Without WordNet a dry run must still plan; the job itself says what to install.
        uses_wordnet = self._study.negative_words == WORDNET and FOLDER.is_dir()
        left_out: dict[str, Collection[str]] = {"neglabel": (), "csp": csp.LEFT_OUT}
        return Contents(
            {
                f"the word list of {method}": words_hash(read_words(WORDNET, left_out=parts))
                for method, parts in left_out.items()
                if uses_wordnet and method in word_methods(self._study)
            }
        )

    def architecture(self, backbone: str) -> Contents:
        """Content of the architecture file of a backbone, or of its seeds; the name itself for open_clip's own."""
        name = next(one.architecture for key, one in self._study.backbones.items() if backbone in (key, family(key)))
        return Contents({"the architecture file": Path(name).read_text() if name.endswith(".json") else name})

    def weight_record(self, key: str) -> Contents:
        """What the registry says of the bytes of a weight file."""
        return Contents({f"what the registry says of {key}": weight_record(key).archive.identity})

    def local_weights(self, source: str | None) -> Contents:
        """A weight file of one's own, by its hash, so that an old date hides nothing; none of one that is made here."""
        return Contents({"the weight file": self._hashes.sha256(source)} if source and is_weight_file(source) else {})

    def prompt_pool(self, name: str) -> Contents:
        """The templates of a prompt pool."""
        return Contents({f"the prompt pool {name}": pool_hash(prompt_pools(self._study)[name])})

    def templates(self, files: Iterable[Path]) -> Contents:
        """Templates of the page, which are no Python modules and so in no fingerprint of code."""
        return Contents({f"the template {file.name}": file_hash(file) for file in files})
