"""What is kept from one run to the next: code, and the files of records that were written."""

from collections.abc import Iterable
from pathlib import Path

from clipn.fingerprint import Fingerprints
from clipn.fingerprint.source import Source
from clipn.provenance.state.state_file import StateFile

NAME = "run_state.json"
SourceAsJson = tuple[dict[str, tuple[str, list[str]]], dict[str, str]]
"""The arguments of `Source.of`."""


class RunState:
    """What is kept from one run to the next.

    Attributes:
        modules: hashes of the modules behind a fingerprint of code, by module, by fingerprint.
        sources: what counts of the texts of modules, see `clipn.fingerprint.Fingerprints`.
        written: sha256 of the files of records as this machine wrote or read them.
    """

    def __init__(self, root: Path) -> None:
        self._file = StateFile(root, NAME)
        self.modules: dict[str, dict[str, str]] = self._file.part("modules", dict[str, dict[str, str]]) or {}
        known = self._file.part("definitions", dict[str, SourceAsJson]) or {}
        self.sources: dict[str, Source] = {key: Source.of(*value) for key, value in known.items()}
        self.written: dict[str, str] = self._file.part("written", dict[str, str]) or {}

    def keep_modules(self, recorded: Iterable[str | None], fingerprints: Fingerprints) -> None:
        """Keep the modules of this run's code and of that behind records, and forget all others.

        Args:
            recorded: fingerprints in the records of all files here; None of a rule without code.
            fingerprints: of the run.
        """
        modules = self.modules | fingerprints.closures
        codes = {*fingerprints.closures, *recorded}
        self.modules = {code: modules[code] for code in modules.keys() & codes}
        self.sources = fingerprints.sources

    def save(self) -> None:
        """Write it, unless that would change nothing."""
        self._file.save({"modules": self.modules, "definitions": self.sources, "written": self.written})
