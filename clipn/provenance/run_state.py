"""What the runs on this machine were given: settings, code, and the files of records that they wrote."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clipn.fingerprint import Fingerprints, Source
from clipn.provenance.records import JobRecord
from clipn.provenance.state_file import StateFile

NAME = "run_state.json"


class RunState:
    """What is kept from one run to the next.

    Attributes:
        settings: settings of studies by key, see `settings_key`.
        modules: hashes of the modules behind a fingerprint of code, by module, by fingerprint.
        sources: what counts of the texts of modules, see `clipn.fingerprint.Fingerprints`.
        running: key of the settings of the run that was begun last.
        written: sha256 of the files of records as this machine wrote or read them.
    """

    def __init__(self, root: Path) -> None:
        self._file = StateFile(root, NAME)
        content = self._file.content
        self.settings: dict[str, Any] = content.get("settings", {})
        self.modules: dict[str, dict[str, str]] = content.get("modules", {})
        self.sources: dict[str, Source] = {key: Source(*value) for key, value in content.get("sources", {}).items()}
        self.running: str | None = content.get("running")
        self.written: dict[str, str] = content.get("written", {})

    def begin_run(self, settings: dict[str, Any], records: Iterable[JobRecord], fingerprints: Fingerprints) -> None:
        """Keep what the run that begins now is given, and forget what no record refers to.

        Args:
            settings: of the study.
            records: of all files here.
            fingerprints: of the run.
        """
        records = list(records)  # gone through twice
        self.running = settings_key(settings)
        known = self.settings | {self.running: settings}
        modules = self.modules | fingerprints.closures
        keys = {self.running, *(record.settings for record in records)}
        codes = {*fingerprints.closures, *(record.code for record in records)}
        self.settings = {key: known[key] for key in known.keys() & keys}
        self.modules = {code: modules[code] for code in modules.keys() & codes}
        # Not those of earlier runs: what this one did not need, the next will not need either.
        self.sources = fingerprints.sources

    def save(self) -> None:
        """Write it, if it is not as it was read."""
        self._file.save(
            {
                "modules": self.modules,
                "running": self.running,
                "settings": self.settings,
                "sources": self.sources,
                "written": self.written,
            }
        )


def settings_key(settings: dict[str, Any]) -> str:
    """Short hash of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
