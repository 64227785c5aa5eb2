"""How the project is built: folders and imports, functions and comments, rules. `python -m benchmarks.house [FOLDER]`.

A room is a module or a folder directly in `clipn/`, or `benchmarks/`; a floor is higher than all that its rooms import.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
PRAGMA = re.compile(r"#\s*(noqa|type:|fmt:)")
RULE = re.compile(r" *(?:use )?rule \w+")
IGNORED = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path) -> dict[str, Path]:
    """Files of the package by module name."""
    files = sorted((root / "clipn").rglob("*.py"))
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imported(tree: ast.Module, known: dict[str, Path]) -> Iterator[str]:
    """Modules of the package that a module imports, wherever in it."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from a import b` imports the module `a.b` if there is one, else the name b of `a`.
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            names = [name if name in known else node.module for name in inner]
        yield from (name for name in names if name in known and name != "clipn")


def room(module: str) -> str:
    """The wing, or the module of the ground floor, that a module is in."""
    return module.split(".")[1] if "." in module else module


def arrows(root: Path) -> dict[str, set[str]]:
    """Rooms that every room imports from."""
    known, found = modules(root), defaultdict[str, set[str]](set)
    for name, file in known.items():
        found[room(name)] |= {room(other) for other in imported(ast.parse(file.read_text()), known)} - {room(name)}
    for file in (root / "benchmarks").glob("*.py"):
        found["benchmarks"] |= {room(other) for other in imported(ast.parse(file.read_text()), known)}
    return dict(found)


def floors(rooms: dict[str, set[str]]) -> list[set[str]]:
    """Rooms by floor, from the ground; those of a circle are left out."""
    built: list[set[str]] = []
    below: set[str] = set()
    while ready := {name for name, uses in rooms.items() if name not in below and uses <= below}:
        built.append(ready)
        below |= ready
    return built


def functions(root: Path) -> Iterator[tuple[str, int, bool]]:
    """Every function and method with its lines, and whether it is private and called once in its module."""
    for file in modules(root).values():
        tree = ast.parse(file.read_text())
        uses = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        uses += Counter(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
        for node in ast.walk(tree):
            if isinstance(node, Function):
                private = node.name.startswith("_") and not node.name.startswith("__")
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                yield f"{file.relative_to(root)}:{node.name}", length, private and uses[node.name] == 1


def comments_and_code(root: Path) -> tuple[int, int]:
    """Comments that are no instruction to a tool, and lines of code without docstrings."""
    comments, code = 0, 0
    for file in modules(root).values():
        text = file.read_text()
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        comments += sum(token.type == tokenize.COMMENT and not PRAGMA.match(token.string) for token in tokens)
        strings: set[int] = set()
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                strings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        code += len({token.start[0] for token in tokens if token.type not in IGNORED} - strings)
    return comments, code


def rules(root: Path) -> tuple[dict[str, list[int]], int]:
    """Lines of every rule by file, and lines of Python outside of rules."""
    lengths: dict[str, list[int]] = {}
    outside = 0
    for file in sorted((root / "workflow/rules").glob("*.smk")):
        lines = file.read_text().splitlines()
        lengths[file.name], inside = [], set[int]()
        for start in (number for number, line in enumerate(lines) if RULE.match(line)):
            indent = len(lines[start]) - len(lines[start].lstrip())
            body = range(start + 1, len(lines))
            ends = (n for n in body if lines[n].strip() and len(lines[n]) - len(lines[n].lstrip()) <= indent)
            rule = [n for n in range(start, next(ends, len(lines))) if lines[n].strip()]
            lengths[file.name].append(rule[-1] - start + 1)
            inside |= set(rule)
        outside += sum(bool(line.strip()) and number not in inside for number, line in enumerate(lines))
    return lengths, outside


def measures(root: Path) -> Iterator[tuple[str, str, str]]:
    """Name, value and target of everything that is measured."""
    beside, rooms = len(list((root / "clipn").glob("*.py"))), arrows(root)
    folders = Counter(file.parent for file in modules(root).values())
    built, found = floors(rooms), list(functions(root))
    comments, code = comments_and_code(root)
    lengths, outside = rules(root)
    every = [length for several in lengths.values() for length in several]
    once = sum(is_once for _, _, is_once in found)
    longest = max(found, key=lambda function: function[1])
    yield "modules side by side in clipn/", str(beside), "10"
    yield "files in the largest folder", str(max(folders.values())), "20"
    yield "floors", str(len(built)), "10"
    yield "arrows between rooms", str(sum(map(len, rooms.values()))), "115"
    yield "rooms in circles", str(len(rooms.keys() - set[str]().union(*built))), "0"
    yield "lines of a function, median", f"{median(length for _, length, _ in found):g}", ""
    yield "lines of the longest function", f"{longest[1]} ({longest[0]})", "50"
    yield "private functions called once", f"{once} of {len(found)}, {100 * once / len(found):.1f} %", "15 %"
    yield "comments per 100 lines of code", f"{100 * comments / code:.1f}", "3 to 6"
    yield "lines of Python outside rules", str(outside), "150"
    yield "files without a rule in workflow/rules", str(sum(not several for several in lengths.values())), "1"
    yield "lines of a rule, median", f"{median(every):g} of {len(every)} rules", "18"


def main() -> None:
    """Print the table."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    table = Table("", "measured", "at most", box=SIMPLE)
    for row in measures(root):
        table.add_row(*row)
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
