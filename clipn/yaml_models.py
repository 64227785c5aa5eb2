"""Typed records in YAML files, and one-line messages about what is wrong with them."""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from clipn.errors import ClipnError

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
F = TypeVar("F", bound="RecordFile")
FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
FileName = Annotated[str, StringConstraints(pattern=FILE_NAME)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
LARGEST_SEED = 2**32 - 1
"""Streams of random numbers multiply seeds by small numbers, and torch takes 64 bits."""
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
MOST_THREADS = 1024
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
MOST_RESAMPLES = 100_000
MOST_ORDERS = 1000
LARGEST = 10**15
"""Of all numbers; what is larger is a slip, and some are no number that torch or NumPy can hold."""
LARGEST_SCALE = 1e6
"""What multiplies cosines at most; CLIP's own scales are about 100."""
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
MERGE = "tag:yaml.org,2002:merge"
"""Tag of the key `<<`."""
NO_YAML = (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises: its own errors, and whatever impossible dates, numbers and tags bring about."""


class Record(BaseModel):
    """Base of all records: unknown keys, NaN, infinity and numbers beyond `LARGEST` are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        # YAML takes `no`, `on` and the like for truth, which would pass for 0 and 1.
        is_truth = any(isinstance(entry, bool) for entry in (value if isinstance(value, list) else [value]))
        if is_truth and info.field_name and "bool" not in str(cls.model_fields[info.field_name].annotation):
            raise ValueError(
                "true and false, yes and no are neither text nor number; put quotation marks around a text"
            )
        return value

    @field_validator("*")
    @classmethod
    def _of_a_size_that_is_meant(cls, value: Any) -> Any:
        if isinstance(value, int | float) and abs(value) > LARGEST:
            raise ValueError(f"is beyond {LARGEST:,}; correct it")
        return value


def require_distinct(values: Sequence[object], what: str) -> None:
    """Raise a ValueError if one of the values occurs twice."""
    if len(set(values)) < len(values):
        raise ValueError(f"a {what} occurs twice; name each once")


class RecordFile(Record):
    """Records by name, which a YAML file holds; its path is in messages."""

    _path: str = "registry"


class RepeatedKeyError(yaml.YAMLError):
    """A mapping has a key twice."""


class OneOfEachKey(yaml.composer.Composer, yaml.constructor.SafeConstructor):
    """Composes mappings that have no key twice, of which PyYAML would take the last in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping, and compare its keys.

        Raises:
            RepeatedKeyError: two keys are written alike or mean the same.
        """
        node = super().compose_mapping_node(anchor)
        lines: dict[Hashable, int] = {}
        # Here and not where values are made: what is merged into a mapping may be overruled by a key of its own.
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            # 1 and "1" are one key for pydantic; yes and true are one for YAML; what merges has no meaning by itself.
            meanings = {key.value} | (set() if key.tag == MERGE else {self.construct_object(key)})
            line = key.start_mark.line + 1
            for first in (lines[meaning] for meaning in meanings if meaning in lines):
                raise RepeatedKeyError(f"{key.value}: is a key in line {first} and again in line {line}")
            lines |= dict.fromkeys(meanings, line)
        return node


class Loader(OneOfEachKey, yaml.SafeLoader):
    """Parses in Python, as Snakemake does, and shows the text that it refuses."""


class FastLoader(OneOfEachKey, yaml.CSafeLoader):
    """Parses with libyaml, seven times as fast."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        # Composes in Python: libyaml's composer crashes on brackets that stand in one another by the thousands.
        OneOfEachKey.__init__(self)


def parse_yaml(text: str) -> Any:
    """Content of a YAML text; raises one of `NO_YAML` if it is none, or has a key twice in one mapping."""
    # libyaml takes tabs that Python and Snakemake refuse.
    if "\t" not in text:
        with suppress(yaml.YAMLError):
            return yaml.load(text, FastLoader)  # noqa: S506
    return yaml.load(text, Loader)  # noqa: S506


def read_yaml(path: Path) -> Any:
    """Content of a YAML file.

    Raises:
        ClipnError: the file is missing, is no YAML in UTF-8, or has a key twice in one mapping.
    """
    if not path.is_file():
        raise ClipnError(f"{path}: no such file; go to the project's folder, or name another file")
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ClipnError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except RepeatedKeyError as error:
        raise ClipnError(f"{path}: {error}; remove one of them") from error
    except NO_YAML as error:
        raise ClipnError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def load_record_file(path: Path, model: type[F]) -> F:
    """As `load_records`, of a file that names itself in messages."""
    records = load_records(path, model)
    records._path = str(path)
    return records


def load_records(path: Path, model: type[M]) -> M:
    """Read a YAML file as a registry of `model`; raises as `load_registry`."""
    content = read_yaml(path) or {}
    # A key without a value is None in YAML and stands for one that is not filled in yet.
    if isinstance(content, dict):
        content = {key: value for key, value in content.items() if value is not None}
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ClipnError(f"{path}: {first_error(error)}") from error
    # PyYAML's own, of dates and numbers that are none, and of brackets in one another.
    except (ValueError, RecursionError) as error:
        raise ClipnError(f"{path}: not valid YAML: {error!s:.200}; correct it") from error


def named(records: Mapping[str, T], name: str, what: str, where: str = "registry") -> T:
    """The record of that name; raises ClipnError, which begins with `where`, when there is none."""
    if name not in records:
        raise ClipnError(f"{where}: no {what} {name!r}; it has {', '.join(records) or 'none'}")
    return records[name]


def first_error(error: ValidationError) -> str:
    """The first of the errors that pydantic found, as `key: reason`."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling"
    if first["type"] == "missing":
        return f"{key}: is missing; add it"
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_type":
        reason += "; put quotation marks around it"
    if first["type"] == "string_pattern_mismatch":
        reason += "; correct or rename it"
    given = first["input"]
    # A list or a mapping would bury the reason, and Python writes no number of thousands of digits.
    is_plain = isinstance(given, str | float) or (isinstance(given, int) and abs(given) < 10**80)
    return f"{key}: {reason} (got {given!r:.80})" if is_plain else f"{key}: {reason}"
