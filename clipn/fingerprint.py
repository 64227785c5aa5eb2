"""Fingerprint of the code behind a step: what it does, not how it is laid out or commented."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent

closures: dict[str, dict[str, str]] = {}
"""Hash of every module behind the fingerprints that this process has computed, by module, by fingerprint."""


class Source(NamedTuple):
    """What counts of the text of a module: the hash of its syntax tree, and what it imports."""

    tree: str
    imports: list[str]


OWN_TEXT = Path(__file__).read_bytes()
known_sources: dict[str, Source] = {}
"""By sha256 of this module and the text; a process that is given those of another one has less to parse."""
used_sources: dict[str, Source] = {}
"""Those that this process has needed."""


def fingerprint(*modules: str) -> str:
    """Hash of the syntax trees of `modules` and of all that they import inside `clipn`.

    Comments, layout and docstrings do not count.

    Args:
        modules: dotted names, e.g. `clipn.training.clipn`.
    """
    hashes = {name: _source(name).tree for name in sorted(_closure(modules))}
    found = hashlib.sha256("".join(f"{name} {tree}\n" for name, tree in hashes.items()).encode()).hexdigest()[:16]
    closures[found] = hashes
    return found


def _closure(modules: tuple[str, ...]) -> set[str]:
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _imports(name)
    return seen


def _path(name: str) -> Path:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _source(name: str) -> Source:
    text = _path(name).read_text(encoding="utf-8")
    key = hashlib.sha256(OWN_TEXT + text.encode()).hexdigest()
    used_sources[key] = known_sources.get(key) or _parsed(text)
    return used_sources[key]


def _parsed(text: str) -> Source:
    tree = ast.parse(text)
    plain = _dump(ast.parse(ast.unparse(tree)))
    return Source(hashlib.sha256(plain.encode()).hexdigest()[:16], list(_named_modules(tree)))


def _dump(node: object) -> str:
    """Text of a syntax tree without docstrings and empty fields, which differ between versions of Python."""
    if isinstance(node, list):
        return f"[{','.join(_dump(item) for item in node if not _is_docstring(item))}]"
    if isinstance(node, ast.AST):
        fields = (f"{name}={_dump(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(fields)})"
    return repr(node)


def _is_docstring(node: object) -> bool:
    """Whether a statement is a text alone: of a module, class or function, or of the attribute above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _imports(name: str) -> list[str]:
    """Modules inside `clipn` that a module imports; not `clipn` itself, which forwards two names and runs nothing."""
    return [module for module in _source(name).imports if _path(module).exists()]


def _named_modules(tree: ast.Module) -> Iterator[str]:
    """All that may be modules of `clipn` among the names that are imported."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.startswith("clipn."))
