"""A trace as a tree, for people and for programs; a file that occurs again is not written out again."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from clipn.provenance.trace import SHORT, TracedFile

NAMED = 3
"""Files of those left out that are named."""


def tree(files: Mapping[str, TracedFile], target: str, everything: bool = False) -> Tree:
    """The tree of a trace.

    Args:
        files: as by `clipn.provenance.trace.trace`.
        target: its root.
        everything: write out every file; else of files that were made in the same way from the same kind of files, and
            are in order, the first.
    """
    return _Branches(files, everything).grown(target, None)


def nested(files: Mapping[str, TracedFile], target: str) -> dict[str, Any]:
    """All of a trace in one mapping for JSON, with the mappings of a file's inputs inside its own."""
    shown: set[str] = set()

    def record_of(path: str, consumer: TracedFile | None) -> dict[str, Any]:
        file, again = files[path], path in shown
        shown.add(path)
        known = {"path": path, "sha256": file.sha256, "recorded": _hash_then(file, consumer), "above": again}
        if again:
            return known
        job: dict[str, Any] = {}
        if record := file.record:
            job = {"rule": record.rule, "shell": record.shell, "code": record.code, "made_with": record.made_with}
            job |= {"accepted": list(record.accepted)}
        data = {"origin": file.origin, "proof": file.verification} if file.origin or file.verification else {}
        return {
            **known,
            "here": file.here,
            "faults": file.faults,
            **job,
            **data,
            "inputs": [record_of(name, file) for name in file.inputs],
        }

    return record_of(target, None)


def summary(files: Mapping[str, TracedFile]) -> str:
    """A trace in one line: number of files, how far the archives are proven, number of faults."""
    away = sum(not file.here and file.sha256 is not None for file in files.values())
    verifications = Counter(file.verification for file in files.values() if file.verification)
    faults = sum(len(file.faults) + len(file.changed) for file in files.values())
    accepted = sum(bool(_accepted(file)) for file in files.values())
    archives = ", ".join(f"{number} {state}" for state, number in verifications.items()) or "none proven"
    notes = [f", {away} of them not here" if away else "", f", {accepted} accepted" if accepted else ""]
    return (
        f"{len(files)} files{''.join(notes)}; archives: {archives}; {faults or 'no'} fault{'' if faults == 1 else 's'}"
    )


class _Branches:
    """Grows a tree from its root, remembering what it has shown."""

    def __init__(self, files: Mapping[str, TracedFile], everything: bool) -> None:
        self._files = files
        self._everything = everything
        self._shown: set[str] = set()
        self._kinds: dict[str, int] = {}
        self._numbers: dict[object, int] = {}

    def grown(self, path: str, consumer: TracedFile | None) -> Tree:
        """The branch of a file under the one that was made from it."""
        file = self._files[path]
        if path in self._shown:
            return Tree(_line(file, consumer, "see above"))
        self._shown.add(path)
        # Without its hash, a file that is not here is missing, which is among its faults.
        facts = [file.rule, (file.sha256 or "")[:SHORT], file.verification]
        facts += ["not here"] if file.sha256 and not file.here else []
        facts += [f"accepted: {change}" for change in _accepted(file)]
        facts += [f"from {file.origin}"] if file.origin else []
        branch = Tree(_line(file, consumer, *filter(None, facts)))
        kinds: dict[object, list[str]] = {}
        for name in file.inputs:
            # An input that changed since then is shown, though others of its kind are shown already.
            alone = self._everything or name in file.changed
            kinds.setdefault(name if alone else self._kind(name), []).append(name)
        for first, *others in kinds.values():
            branch.children.append(self.grown(first, file))
            if others:
                folder = os.path.commonpath([Path(name).parent for name in (first, *others)])
                names = ", ".join(os.path.relpath(name, folder) for name in others[:NAMED])
                more = ", ..." if len(others) > NAMED else ""
                rest = f"and {len(others)} more by {self._files[first].rule}: {names}{more}"
                branch.add(Text(rest, "dim"))
        return branch

    def _kind(self, path: str) -> int:
        """A number that files share whose rules, and all rules before them, are the same."""
        if path not in self._kinds:
            file = self._files[path]
            # By number and not by content: a kind holds those of its inputs, which would grow with every step.
            before = frozenset(self._kind(name) for name in file.inputs)
            # What people should see is shown by itself.
            apart = path if file.faults or file.changed or _accepted(file) else None
            self._kinds[path] = self._numbers.setdefault(
                (file.rule, file.verification, before, apart), len(self._numbers)
            )
        return self._kinds[path]


def _line(file: TracedFile, consumer: TracedFile | None, *facts: str) -> Text:
    faults = list(file.faults)
    then = _hash_then(file, consumer)
    if consumer and then and then != file.sha256:
        faults.append(f"was {then[:SHORT]} when {consumer.rule} read it")
    words = [(file.path, ""), *((fact, "dim") for fact in facts), *((fault, "bold red") for fault in faults)]
    return Text("  ").join(Text(*word) for word in words)


def _hash_then(file: TracedFile, consumer: TracedFile | None) -> str | None:
    """sha256 that a file had when the job read it that made `consumer` from it."""
    return consumer.record.hashes.get(file.path) if consumer and consumer.record else None


def _accepted(file: TracedFile) -> tuple[str, ...]:
    return file.record.accepted if file.record else ()
