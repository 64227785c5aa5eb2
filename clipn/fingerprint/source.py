"""What a module defines, and what of that counts: what code does, not how it is laid out, commented or worded."""

import ast
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

EFFECTS = ""
"""Stands for the statements of a module that define no name, as they run whenever it is imported."""
MESSAGE_CALLS = ("warn", "typer.echo", "sys.stderr.write")
"""Functions whose texts are for people alone, as are those of exceptions."""
PROGRESS_CALLS = ("progress", "tracked")
"""Functions with texts for people beside arguments that count."""
OPTION_CALLS = ("Field", "typer.Option", "typer.Argument", "typer.Typer")
"""Functions that take a description, and its keywords."""
DESCRIPTIONS = ("help", "description")
WITH_OWN_NAMES = (
    ast.ClassDef, ast.DictComp, ast.FunctionDef, ast.GeneratorExp, ast.Lambda, ast.ListComp, ast.SetComp,
)  # fmt: skip
"""Nodes whose parts bind names that do not hold around them."""


class Definition(NamedTuple):
    """A name that a module defines.

    Attributes:
        tree: hash of the syntax trees of its statements.
        uses: names that they refer to: of this module, or from `clipn` on; they may go on to an attribute.
    """

    tree: str
    uses: list[str]


class Source(NamedTuple):
    """What counts of the text of a module.

    Attributes:
        definitions: by name.
        imports: what the names mean that the module imports from `clipn`.
    """

    definitions: dict[str, Definition]
    imports: dict[str, str]

    @classmethod
    def of(cls, definitions: Mapping[str, Sequence[Any]], imports: dict[str, str]) -> "Source":
        """From values as JSON has them."""
        return cls({name: Definition(*definition) for name, definition in definitions.items()}, imports)


def read_source(text: str) -> Source:
    """What counts of the text of a module."""
    tree = ast.parse(text)
    statements: dict[str, list[ast.stmt]] = defaultdict(list)
    for statement in tree.body:
        for name in _defined(statement):
            statements[name].append(statement)
    outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    imports = _imports(outside)
    definitions = {
        name: Definition(_hash(found), sorted(_uses(found, imports, statements.keys())))
        for name, found in statements.items()
    }
    return Source(definitions, imports)


def _defined(statement: ast.stmt) -> list[str]:
    """Names that a statement defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import() | ast.ImportFrom():
            return []
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
            return []
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets) if all(isinstance(target, ast.Name | ast.Tuple) for target in targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return [] if _is_docstring(statement) else [EFFECTS]


def _imports(nodes: list[ast.stmt]) -> dict[str, str]:
    """What the names mean that statements import from `clipn`."""
    found: dict[str, str] = {}
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                # Without `as`, the name is that of the package, whatever module of it is meant.
                package = alias.name.partition(".")[0]
                found[alias.asname or package] = alias.name if alias.asname else package
    return {alias: name for alias, name in found.items() if name.partition(".")[0] == "clipn"}


def _uses(statements: list[ast.stmt], imports: Mapping[str, str], defined: Collection[str]) -> set[str]:
    """Names of this module and of `clipn` that statements refer to."""
    known = {**imports, **_imports(statements)}
    found = set()
    for first, *attributes in (chain.split(".") for statement in statements for chain in _chains(statement)):
        if first in known:
            found.add(".".join([known[first], *attributes]))
        elif first in defined:
            found.add(first)
    return found


def _chains(node: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    """Names that are not `bound` in a function around, with the attributes that are asked of them."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        yield from () if node.id in bound else [".".join([node.id, *attributes])]
        return
    outer, inner = _scopes(node)
    for child in outer:
        yield from _chains(child, bound)
    if inner:
        bound |= _bound(node)
    for child in inner:
        yield from _chains(child, bound)


def _scopes(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """The parts of a node that are looked up around it, and those that see the names which it binds."""
    parts = list(ast.iter_child_nodes(node))
    match node:
        case ast.FunctionDef(body=body):
            return [part for part in parts if part not in body], [*body]
        case ast.Lambda(body=result):
            return [node.args], [result]
        case ast.ListComp(generators=[first, *_]) | ast.SetComp(generators=[first, *_]):
            return [first.iter], parts
        case ast.DictComp(generators=[first, *_]) | ast.GeneratorExp(generators=[first, *_]):
            return [first.iter], parts
    return parts, []


def _bound(scope: ast.AST) -> set[str]:
    """Names that a function or comprehension binds for itself: its arguments, and what it assigns."""
    arguments = scope.args if isinstance(scope, ast.FunctionDef | ast.Lambda) else None
    found = {node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg)} if arguments else set()
    waiting, others = _scopes(scope)[1], set[str]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            others.update(node.names)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            # What is imported here counts, whatever else has the name.
            others.update(alias.asname or alias.name for alias in node.names)
        if not isinstance(node, WITH_OWN_NAMES):
            waiting += ast.iter_child_nodes(node)
    return found - others


def _hash(statements: list[ast.stmt]) -> str:
    # Unparsed and parsed again, a tree is the same for all versions of Python but for fields that are empty.
    plain = ast.parse("\n".join(map(ast.unparse, statements)))
    return hashlib.sha256(_dump(plain).encode()).hexdigest()[:16]


def _dump(node: object, messages: frozenset[str] = frozenset(), silent: bool = False) -> str:
    """Text of a syntax tree without docstrings, and without words for people.

    Args:
        node: the tree.
        messages: variables that hold nothing but words for people.
        silent: whether the value of the node is such words.
    """
    if isinstance(node, list):
        return f"[{','.join(_dump(item, messages, silent) for item in node if not _is_docstring(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if silent and _is_text(node):
        # What is called to fill a text in is called, whoever reads it.
        called = {_dump(part, messages) for part in ast.iter_child_nodes(node) if _calls(part)}
        return f"text({','.join(sorted(called))})"
    if isinstance(node, ast.FunctionDef):
        messages |= _messages(node)
    if isinstance(node, ast.Call):
        node = _without_words(node)
    words = _words(node, messages, silent)
    fields = (
        f"{name}={_dump(value, messages, name in words)}"
        for name, value in ast.iter_fields(node)
        # Each version of Python adds some that are empty.
        if value not in (None, [])
    )
    return f"{type(node).__name__}({','.join(fields)})"


def _words(node: ast.AST, messages: Collection[str], silent: bool) -> tuple[str, ...]:
    """Fields of a node whose values are words for people; what they are computed from is none."""
    match node:
        case ast.Call() if _is_message(node):
            return ("args",)
        case ast.Assign() if (names := _variables(node)) and names <= set(messages):
            return ("value",)
        case ast.BinOp() if silent:
            return ("left", "right")
        case ast.IfExp() if silent:
            return ("body", "orelse")
        case ast.Tuple() if silent:
            return ("elts",)
    return ()


def _without_words(call: ast.Call) -> ast.Call:
    """A call without the texts in it that are for people, where other arguments count."""
    name = ast.unparse(call.func)
    if name in PROGRESS_CALLS:
        return ast.Call(call.func, [argument for argument in call.args if not _is_text(argument)], call.keywords)
    if name in OPTION_CALLS:
        return ast.Call(call.func, call.args, [word for word in call.keywords if word.arg not in DESCRIPTIONS])
    return call


def _messages(function: ast.FunctionDef) -> set[str]:
    """Variables of a function that are read, and in nothing but words for people."""
    nodes = [*ast.walk(function)]
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    shared = {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    read = [node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    names = set[str]().union(*map(_variables, assigned)) & {node.id for node in read} - shared
    while names:
        spoken = {id(name) for node in nodes for name in _spoken(node, names)}
        counted = {node.id for node in read if id(node) not in spoken}
        # Of a tuple all variables are messages, or none is.
        counted |= {name for node in assigned if not (several := _variables(node)) <= names for name in several}
        if not names & counted:
            break
        names -= counted
    return names


def _spoken(node: ast.AST, messages: Collection[str], silent: bool = False) -> Iterator[ast.Name]:
    """Variables whose values become words for people in a node, which reads them nowhere else."""
    if silent and isinstance(node, ast.Name):
        yield node
    if silent and isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue) and _is_name(part.value))
    for name in _words(node, messages, silent):
        value = getattr(node, name)
        for part in value if isinstance(value, list) else [value]:
            yield from _spoken(part, messages, True)


def _variables(assignment: ast.Assign) -> set[str]:
    """Variables that an assignment gives values; none if it does more."""
    (target, *others) = assignment.targets
    nodes = target.elts if isinstance(target, ast.Tuple) else [target]
    return set() if others or not all(map(_is_name, nodes)) else {ast.unparse(node) for node in nodes}


def _is_message(call: ast.Call) -> bool:
    """Whether texts in a call are for people."""
    name = ast.unparse(call.func)
    return name.endswith("Error") or name in MESSAGE_CALLS


def _calls(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(node))


def _is_name(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_docstring(node: object) -> bool:
    """Whether a statement is a text alone: of a module, class or function, or of the attribute above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
