"""Fingerprint of the code behind a step: what it does, not how it is laid out or commented."""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent
OWN_TEXT = Path(__file__).read_bytes()


class Source(NamedTuple):
    """What counts of the text of a module: the hash of its syntax tree, and what it imports."""

    tree: str
    imports: list[str]


class Fingerprints:
    """Computes fingerprints, and keeps what it has parsed for them.

    Attributes:
        closures: hash of every module behind the fingerprints computed so far, by module, by fingerprint.
        sources: what counts of the texts read so far, by sha256 of this module and the text.
    """

    def __init__(self, known: Mapping[str, Source] | None = None) -> None:
        """Start with the `sources` of an earlier process, so that only changed modules are parsed."""
        self.closures: dict[str, dict[str, str]] = {}
        self.sources: dict[str, Source] = {}
        self._known = known or {}
        self._modules: dict[str, Source] = {}

    def __call__(self, *modules: str) -> str:
        """Hash of the syntax trees of `modules` and of all that they import inside `clipn`.

        Comments, layout and docstrings do not count.

        Args:
            modules: dotted names, e.g. `clipn.training.clipn`.
        """
        hashes = {name: self._module(name).tree for name in sorted(self.closure(modules))}
        lines = "".join(f"{name} {tree}\n" for name, tree in hashes.items())
        found = hashlib.sha256(lines.encode()).hexdigest()[:16]
        self.closures[found] = hashes
        return found

    def closure(self, modules: Iterable[str]) -> set[str]:
        """`modules` and all that they import inside `clipn`, also through others."""
        seen: set[str] = set()
        waiting = list(modules)
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += self._module(name).imports
        return seen

    def _module(self, name: str) -> Source:
        """What counts of a module; of its imports, those that are modules."""
        if name not in self._modules:
            text = path_of(name).read_text(encoding="utf-8")
            # Another version of this module may see other things in the same text.
            key = hashlib.sha256(OWN_TEXT + text.encode()).hexdigest()
            source = self._known.get(key)
            if source is None:
                tree = ast.parse(text)
                plain = _dump(ast.parse(ast.unparse(tree)))
                source = Source(hashlib.sha256(plain.encode()).hexdigest()[:16], list(_named_modules(tree)))
            self.sources[key] = source
            # Whether an imported name is a module or stands in one, only the files say, and they may change.
            self._modules[name] = source._replace(imports=[name for name in source.imports if path_of(name).exists()])
        return self._modules[name]


def fingerprint(*modules: str) -> str:
    """One fingerprint, see `Fingerprints`."""
    return Fingerprints()(*modules)


def path_of(name: str) -> Path:
    """File of a module of `clipn`, if there is such a module."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _dump(node: object) -> str:
    """Text of a syntax tree without docstrings, the same for all versions of Python."""
    if isinstance(node, list):
        return f"[{','.join(_dump(item) for item in node if not _is_docstring(item))}]"
    if isinstance(node, ast.AST):
        # Empty fields are left out, as each version of Python adds some.
        fields = (f"{name}={_dump(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(fields)})"
    return repr(node)


def _is_docstring(node: object) -> bool:
    """Whether a statement is a text alone: of a module, class or function, or of the attribute above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _named_modules(tree: ast.Module) -> Iterator[str]:
    """All that may be modules of `clipn` among the names that are imported.

    Not `clipn` itself, which forwards two names and runs nothing.
    """
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.startswith("clipn."))
