"""Fingerprint of the code behind a step: of all definitions that its function can reach, and of nothing else."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from clipn.fingerprint.source import EFFECTS, Source, read_source

PACKAGE = Path(__file__).parents[1]
OWN_TEXT = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))

EVERYWHERE = ("clipn.compute.hold",)
"""What every command does before its function, as far as it can change a number: it holds the kernels."""
UNCOUNTED = (
    # How people are told, how files are written, and this.
    "clipn.errors",
    "clipn.files",
    "clipn.fingerprint",
    "clipn.progress",
    "clipn.data.overview",
    # What compares contents with their checksums: it passes them or stops.
    "clipn.data.download",
    "clipn.data.store",
    "clipn.data.verification",
)
"""Modules and folders that can change no number; a test looks at what they do."""


class Name(NamedTuple):
    """A definition of a module."""

    module: str
    definition: str


class Fingerprints:
    """Computes fingerprints, and keeps what it has parsed for them.

    Attributes:
        closures: hash of what counts of every module behind the fingerprints computed so far, by fingerprint.
        sources: what counts of the texts read so far, by sha256 of this package's own text and theirs.
    """

    def __init__(self, known: Mapping[str, Source] | None = None) -> None:
        """Start with the `sources` of an earlier process, so that only changed modules are parsed."""
        self.closures: dict[str, dict[str, str]] = {}
        self.sources: dict[str, Source] = {}
        self._known = known or {}
        self._modules: dict[str, Source] = {}
        self._resolved: dict[str, list[Name]] = {}

    def __call__(self, *names: str) -> str:
        """Hash of all definitions that `names` reach: comments, layout, docstrings and messages do not count.

        Args:
            names: dotted, of functions or of whole modules, e.g. `clipn.cli.training.train`.
        """
        hashes: dict[str, str] = {}
        for module, definition in sorted(self.closure(names)):
            hashes[module] = _hash(f"{hashes.get(module, '')}{definition} {self._tree(module, definition)}\n")
        found = _hash("".join(f"{module} {tree}\n" for module, tree in hashes.items()))
        self.closures[found] = hashes
        return found

    def closure(self, names: Iterable[str]) -> set[Name]:
        """All definitions that `names` reach, with the statements that run when their modules are imported."""
        seen: set[Name] = set()
        waiting = [found for name in (*EVERYWHERE, *names) for found in self._found(name)]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            source = self._source(name.module)
            waiting += (Name(module, EFFECTS) for module in _with_parents(name.module))
            if name.definition in source.definitions:
                for used in source.definitions[name.definition].uses:
                    inside = used in source.definitions
                    waiting += [Name(name.module, used)] if inside else self._found(used)
        return seen

    def _found(self, name: str) -> list[Name]:
        """What `_resolve` finds, looked for once: it asks the disk which parts of a name are modules."""
        if name not in self._resolved:
            self._resolved[name] = list(self._resolve(name))
        return self._resolved[name]

    def _resolve(self, name: str) -> Iterator[Name]:
        """The definition that a name from `clipn` on means; all of a module if it means the module itself."""
        module, rest = _split(name)
        # The package itself forwards two names and runs nothing.
        if module == "clipn" or any(f"{module}.".startswith(f"{outside}.") for outside in UNCOUNTED):
            return
        source = self._source(module)
        if rest and rest[0] in source.definitions:
            yield Name(module, rest[0])
        elif rest and rest[0] in source.imports:
            yield from self._resolve(".".join([source.imports[rest[0]], *rest[1:]]))
        else:
            yield from (Name(module, definition) for definition in source.definitions)

    def _tree(self, module: str, definition: str) -> str:
        found = self._source(module).definitions.get(definition)
        return found.tree if found else ""

    def _source(self, module: str) -> Source:
        """What counts of a module."""
        if module not in self._modules:
            text = path_of(module).read_text(encoding="utf-8")
            # Another version of this package may see other things in the same text.
            key = hashlib.sha256(OWN_TEXT + text.encode()).hexdigest()
            self.sources[key] = self._modules[module] = self._known.get(key) or read_source(text)
        return self._modules[module]


@cache
def fingerprint(*names: str) -> str:
    """One fingerprint, see `Fingerprints`; the code of a process stays as it is."""
    return Fingerprints()(*names)


def path_of(module: str) -> Path:
    """File of a module of `clipn`, if there is such a module."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _split(name: str) -> tuple[str, list[str]]:
    """The module in a dotted name, and what follows it."""
    parts = name.split(".")
    lengths = range(len(parts), 0, -1)
    length = next(length for length in lengths if path_of(".".join(parts[:length])).exists())
    return ".".join(parts[:length]), parts[length:]


def _with_parents(module: str) -> list[str]:
    """A module and the packages that are imported before it."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(2, len(parts) + 1)]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
