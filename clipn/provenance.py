"""How every file was made, as Snakemake wrote it down; the only module that knows the layout of its records.

Snakemake keeps one JSON file per output in `.snakemake/metadata`. Its name is the output's path in URL-safe base64;
where that is too long for a file name, all parts but the last are folders with `@` before them.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METADATA = Path(".snakemake/metadata")
INCOMPLETE = Path(".snakemake/incomplete")
MIGRATION = "migration_underway"
"""The one file there that is no record: Snakemake marks with it that it renews an old folder."""
FINGERPRINT = re.compile(r"'([0-9a-f]{16})'")
"""How a value of `clipn.fingerprint` looks among the parameters, which have no names there."""


@dataclass(frozen=True)
class JobRecord:
    """The job that made a file.

    Attributes:
        rule: name of the rule.
        shell: the command as it was run; None for a rule without one.
        inputs: paths of its inputs, in the rule's order.
        hashes: sha256 of the inputs as the job read them, by path; of very large ones Snakemake may keep none.
        parameters: text of every parameter, sorted.
        started: when the job began, in seconds since the epoch.
        ended: modification time of the file when the job had ended, in seconds since the epoch.
    """

    rule: str
    shell: str | None
    inputs: list[str]
    hashes: dict[str, str]
    parameters: list[str]
    started: float
    ended: float

    @property
    def code(self) -> str | None:
        """Fingerprint of the code that the job ran; None for a rule without one."""
        return next((found[1] for text in self.parameters if (found := FINGERPRINT.fullmatch(text))), None)

    @property
    def is_copy(self) -> bool:
        """Whether the job did nothing but copy its one input."""
        return len(self.inputs) == 1 and (self.shell or "").startswith("cp ")


def read_records(root: Path) -> dict[str, JobRecord]:
    """The records of all files that were made in the project `root`, by path relative to it.

    A record that cannot be read counts as none, as it does for Snakemake, which may be writing it.
    """
    found = ((path, _content(file)) for path, file in _files(root / METADATA))
    return {path: _record(content) for path, content in found if content.get("rule")}


def unfinished(root: Path) -> set[str]:
    """Paths of the files whose job has begun and not ended: it runs now, or it was killed."""
    return {path for path, _ in _files(root / INCOMPLETE)}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every output with its file in one of Snakemake's folders."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != MIGRATION:
            parts = [part.removeprefix("@") for part in file.relative_to(folder).parts]
            yield urlsafe_b64decode("".join(parts)).decode(), file


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _record(content: dict[str, Any]) -> JobRecord:
    checksums: dict[str, str] = content.get("input_checksums") or {}
    hashes = {path: checksum.removeprefix("sha256:") for path, checksum in checksums.items()}
    return JobRecord(
        rule=content["rule"],
        shell=content.get("shellcmd"),
        inputs=list(dict.fromkeys([*hashes, *(content.get("input") or [])])),
        hashes=hashes,
        parameters=[str(parameter) for parameter in content.get("params") or []],
        started=content.get("starttime") or 0.0,
        ended=content.get("endtime") or 0.0,
    )
