"""Insert a record into a YAML file of a person, whose comments and order stay as they are, and which loses nothing."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock
from ruamel.yaml import YAML
from ruamel.yaml.emitter import Emitter
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from clipn.errors import ClipnError
from clipn.files import atomic
from clipn.yaml_models import read_yaml

FIRST_LINE = "# Registry of datasets. Schema: workflow/schemas/datasets.schema.json.\n"
STRING = "tag:yaml.org,2002:str"
RESOLVER = yaml.resolver.Resolver()
"""How PyYAML takes a text without quotation marks."""


class UnfoldedQuotes(Emitter):
    """An emitter that leaves a text in double quotation marks on its line; where it breaks it, a space may be added."""

    def write_double_quoted(self, text: Any, split: Any = True) -> None:
        """Write a text, never split."""
        super().write_double_quoted(text, split=False)


def require_changeable(path: Path) -> None:
    """Raises ClipnError: a file is write-protected, or is a folder."""
    if path.is_dir():
        raise ClipnError(f"{path}: is a folder; name a file")
    # By its mode, as a file that is replaced asks nobody.
    if path.exists() and not path.stat().st_mode & 0o222:
        raise ClipnError(f"{path}: is write-protected; allow writing with `chmod u+w {path}`, or name another file")


@contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Keep other processes from changing a file, between reading it and writing it.

    Yields:
        The file itself, where `path` is a link to it, which is to stay one.

    Raises:
        ClipnError: as `require_changeable`.
    """
    require_changeable(path)
    file = path.resolve() if path.is_symlink() else path
    file.parent.mkdir(parents=True, exist_ok=True)
    name = file.with_name(f".{file.name}.lock")
    with FileLock(name):
        try:
            yield file
        finally:
            # Removed while it is held: whoever waits for it then sees that it has no name any more and makes a new one.
            name.unlink(missing_ok=True)


def insert_record(path: Path, section: str, name: str, record: Mapping[str, Any]) -> None:
    """Write `<section>.<name>` into a YAML file that is locked; one that is missing is a registry.

    Raises:
        ClipnError: the file would not be read back as what it was with the record; it is left as it was.
    """
    old = path.read_bytes().decode() if path.exists() else f"{FIRST_LINE}{section}:\n"
    before = (read_yaml(path) if path.exists() else None) or {}
    expected = {**before, section: {**(before.get(section) or {}), name: record}}
    text = _with_record(path, old, section, name, record)
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())
        if path.exists():
            shutil.copymode(path, temporary)
        if _content(temporary) != expected:
            reason = "what is written would not be read back the same, so the file is left as it was"
            raise ClipnError(f"{path}: {section}.{name}: {reason}; write the record by hand")


def _content(path: Path) -> Any:
    """What a file is read as; None of one that cannot be read."""
    try:
        return read_yaml(path)
    except ClipnError:
        return None


def _with_record(path: Path, old: str, section: str, name: str, record: Mapping[str, Any]) -> str:
    # PyYAML would drop the comments, quotation marks and order of what a person wrote.
    editor = YAML()
    editor.Emitter = UnfoldedQuotes
    editor.preserve_quotes = True
    editor.width = 120
    editor.indent(mapping=2, sequence=4, offset=2)
    # Lines end as they did.
    editor.line_break = "\r\n" if "\r\n" in old else "\n"  # type: ignore[assignment]
    try:
        content = editor.load(old) or {}
    except YAMLError as error:
        raise ClipnError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    # A section without a value is None.
    content[section] = content.get(section) or {}
    content[section][_quoted(name)] = _quoted(record)
    text = StringIO()
    editor.dump(content, text)
    return text.getvalue()


def _quoted(value: Any) -> Any:
    """A value whose texts have quotation marks where PyYAML, which reads YAML 1.1, would else take them for another."""
    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_quoted(entry) for entry in value]
    if not isinstance(value, str):
        return value
    # Off and 017 are texts for the editor, which writes YAML 1.2; some signs end a line in one of them alone.
    means_text = RESOLVER.resolve(yaml.ScalarNode, value, (True, False)) == STRING  # type: ignore[no-untyped-call]
    return value if means_text and value.isprintable() else DoubleQuotedScalarString(value)
