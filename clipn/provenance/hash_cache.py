"""What this machine knows of the files here: their hashes, so that none is read twice, and what jobs ran under."""

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from clipn.files import file_hash, write_text
from clipn.fingerprint import Source
from clipn.progress import tracked

LEDGER = Path(".snakemake/ledger.json")


class Ledger:
    """Hashes by path, size, time and inode; links are followed.

    Attributes:
        root: the project; all paths are relative to it.
        settings: settings of studies by key, see `clipn.provenance.check.settings_key`.
        modules: hashes of the modules behind a fingerprint of code, by module, by fingerprint.
        sources: what counts of the texts of modules, see `clipn.fingerprint`.
        running: key of the settings of the run that was begun last.
        written: sha256 of the files of records as this machine wrote or read them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._saved = (root / LEDGER).read_bytes() if (root / LEDGER).is_file() else b""
        known = _parsed(self._saved)
        self.settings: dict[str, Any] = known.get("settings", {})
        self.modules: dict[str, dict[str, str]] = known.get("modules", {})
        self.sources: dict[str, Source] = {key: Source(*value) for key, value in known.get("sources", {}).items()}
        self.running: str | None = known.get("running")
        self.written: dict[str, str] = known.get("written", {})
        self._files: dict[str, list[Any]] = known.get("files", {})

    def sha256(self, path: str) -> str | None:
        """Of a file as it is now; None if it is missing. It is read only if it is not as it was when it was read."""
        state = self._state(path)
        if state is None:
            return None
        if self._files.get(path, [])[:-1] != state:
            self._files[path] = [*state, file_hash(self.root / path)]
        return str(self._files[path][-1])

    def read(self, paths: Iterable[str]) -> None:
        """Hash many files at once, those that need it."""
        states = {path: self._state(path) for path in paths}
        unread = [path for path, state in states.items() if state and self._files.get(path, [])[:-1] != state]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for _ in tracked(pool.map(self.sha256, unread), len(unread), "hash", "files"):
                pass

    def keep_date(self, path: str, date: int) -> None:
        """Give a file another time of modification, in nanoseconds, without having to read it again.

        That of a file that belongs to somebody else stays, as in a shared cache.
        """
        known = self._files.get(path, [])[:-1] == self._state(path)
        with suppress(PermissionError):
            os.utime(self.root / path, ns=(date, date), follow_symlinks=False)
        if known:
            self._files[path] = [*(self._state(path) or []), self._files[path][-1]]

    def save(self) -> None:
        """Write it, if it is not as it was read."""
        content = {
            "files": self._files,
            "modules": self.modules,
            "running": self.running,
            "settings": self.settings,
            "sources": self.sources,
            "written": self.written,
        }
        text = json.dumps(content, sort_keys=True)
        if text.encode() != self._saved:
            write_text(self.root / LEDGER, text)
            self._saved = text.encode()

    def _state(self, path: str) -> list[int] | None:
        try:
            state = (self.root / path).stat()
        except FileNotFoundError:
            return None
        return [state.st_size, state.st_mtime_ns, state.st_ino]


def _parsed(content: bytes) -> dict[str, Any]:
    """What was known; nothing if it cannot be read, as then everything can be found out again."""
    try:
        known = json.loads(content)
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
