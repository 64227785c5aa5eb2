"""A trace as a tree, for people and for programs; a file that occurs again is not written out again."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from clipn.provenance.records import JobRecord
from clipn.provenance.trace import SHORT, Made

NAMED = 3
"""Files of those left out that are named."""


def tree(made: Mapping[str, Made], target: str, everything: bool = False) -> Tree:
    """The tree of a trace.

    Args:
        made: as by `clipn.provenance.trace.trace`.
        target: its root.
        everything: write out every file; else of files that were made in the same way from the same kind of files, and
            are in order, the first.
    """
    return _Branches(made, everything).grown(target, None)


def nested(made: Mapping[str, Made], target: str) -> dict[str, Any]:
    """All of a trace in one mapping for JSON, with the mappings of a file's inputs inside its own."""
    shown: set[str] = set()

    def record_of(path: str, consumer: Made | None) -> dict[str, Any]:
        file, again = made[path], path in shown
        shown.add(path)
        known = {"path": path, "sha256": file.sha256, "recorded": _hash_then(file, consumer), "above": again}
        if again:
            return known
        job = _job(file.record) if file.record else {}
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


def summary(made: Mapping[str, Made]) -> str:
    """A trace in one line: number of files, how far the archives are proven, number of faults."""
    away = sum(not file.here and file.sha256 is not None for file in made.values())
    verifications = Counter(file.verification for file in made.values() if file.verification)
    faults = sum(len(file.faults) + len(file.changed) for file in made.values())
    accepted = sum(bool(_accepted(file)) for file in made.values())
    archives = ", ".join(f"{number} {state}" for state, number in verifications.items()) or "none proven"
    notes = [f", {away} of them not here" if away else "", f", {accepted} accepted" if accepted else ""]
    files = f"{len(made)} files{''.join(notes)}"
    return f"{files}; archives: {archives}; {faults or 'no'} fault{'' if faults == 1 else 's'}"


class _Branches:
    """Grows a tree from its root, remembering what it has shown."""

    def __init__(self, made: Mapping[str, Made], everything: bool) -> None:
        self._made = made
        self._everything = everything
        self._shown: set[str] = set()
        self._kinds: dict[str, int] = {}
        self._numbers: dict[object, int] = {}

    def grown(self, path: str, consumer: Made | None) -> Tree:
        """The branch of a file under the one that was made from it."""
        file = self._made[path]
        if path in self._shown:
            return Tree(_line(file, consumer, "see above"))
        self._shown.add(path)
        branch = Tree(_line(file, consumer, *_facts(file)))
        for first, *others in self._groups(file):
            branch.children.append(self.grown(first, file))
            if others:
                branch.add(Text(_rest(self._made[first], others), "dim"))
        return branch

    def _groups(self, file: Made) -> list[list[str]]:
        """The inputs of a file, those of one kind together."""
        groups: dict[object, list[str]] = {}
        for path in file.inputs:
            alone = self._everything or path in file.changed
            groups.setdefault(path if alone else self._kind(path), []).append(path)
        return list(groups.values())

    def _kind(self, path: str) -> int:
        """A number that files share whose rules, and all before them, are the same; what is special is a kind apart."""
        if path not in self._kinds:
            file = self._made[path]
            before = frozenset(self._kind(name) for name in file.inputs)
            apart = path if file.faults or file.changed or _accepted(file) else None
            self._kinds[path] = self._numbers.setdefault(
                (file.rule, file.verification, before, apart), len(self._numbers)
            )
        return self._kinds[path]


def _facts(file: Made) -> list[str]:
    facts = [
        file.rule,
        file.sha256[:SHORT] if file.sha256 else "",
        file.verification or "",
        "" if file.here or not file.sha256 else "not here",
    ]
    facts += [f"accepted: {change}" for change in _accepted(file)]
    return [*filter(None, facts), *([f"from {file.origin}"] if file.origin else [])]


def _line(file: Made, consumer: Made | None, *facts: str) -> Text:
    faults = list(file.faults)
    then = _hash_then(file, consumer)
    if consumer and then and then != file.sha256:
        faults.append(f"was {then[:SHORT]} when {consumer.rule} read it")
    words = [(file.path, ""), *((fact, "dim") for fact in facts), *((fault, "bold red") for fault in faults)]
    return Text("  ").join(Text(*word) for word in words)


def _hash_then(file: Made, consumer: Made | None) -> str | None:
    """sha256 that a file had when the job read it that made `consumer` from it."""
    return consumer.record.hashes.get(file.path) if consumer and consumer.record else None


def _accepted(file: Made) -> tuple[str, ...]:
    return file.record.accepted if file.record else ()


def _job(record: JobRecord) -> dict[str, Any]:
    return {"rule": record.rule, "shell": record.shell, "code": record.code, "accepted": list(record.accepted)}


def _rest(first: Made, others: list[str]) -> str:
    """What stands for files that are left out."""
    place = os.path.commonpath([Path(path).parent for path in (first.path, *others)])
    names = ", ".join(os.path.relpath(path, place) for path in others[:NAMED])
    return f"and {len(others)} more by {first.rule}: {names}{', ...' if len(others) > NAMED else ''}"
