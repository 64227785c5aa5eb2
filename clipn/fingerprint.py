"""Fingerprint of the code behind a step: what it does, not how it is laid out or commented."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

closures: dict[str, dict[str, str]] = {}
"""Hash of every module behind the fingerprints that this process has computed, by module, by fingerprint."""


def fingerprint(*modules: str) -> str:
    """Hash of the syntax trees of `modules` and of all that they import inside `clipn`.

    Comments, layout and docstrings do not count.

    Args:
        modules: dotted names, e.g. `clipn.train`.
    """
    digest, names = hashlib.sha256(), sorted(_closure(modules))
    for name in names:
        digest.update(f"{name}\n{_tree(name)}\n".encode())
    found = digest.hexdigest()[:16]
    closures[found] = {name: _hash(name) for name in names}
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
def _parsed(name: str) -> ast.Module:
    return ast.parse(_path(name).read_text(encoding="utf-8"))


@cache
def _tree(name: str) -> str:
    return _dump(ast.parse(ast.unparse(_parsed(name))))


@cache
def _hash(name: str) -> str:
    return hashlib.sha256(_tree(name).encode()).hexdigest()[:16]


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
    found = []
    for node in ast.walk(_parsed(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [module for module in found if module.startswith("clipn.") and _path(module).exists()]
