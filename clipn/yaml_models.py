"""Typed records in YAML files, and one-line messages about what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
)

from clipn.errors import ClipnError
from clipn.files import require

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class Record(BaseModel):
    """Base of all records: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_records(path: Path, model: type[M]) -> M:
    """Read a YAML file as a registry of `model`; raises as `load_registry`."""
    require(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        # A key without a value is None in YAML and stands for one that is not filled in yet.
        if isinstance(content, dict):
            content = {key: value for key, value in content.items() if value is not None}
        return model.model_validate(content)
    except UnicodeDecodeError as error:
        raise ClipnError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ClipnError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ClipnError(f"{path}: {first_error(error)}") from error
    # PyYAML's own, of dates and numbers that are none, and of brackets in one another.
    except (ValueError, RecursionError) as error:
        raise ClipnError(f"{path}: not valid YAML: {error!s:.200}; correct it") from error


def named(records: Mapping[str, T], name: str, what: str) -> T:
    """The record of that name; raises ClipnError when there is none."""
    if name not in records:
        raise ClipnError(f"registry: no {what} {name!r}; it has {', '.join(records) or 'none'}")
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
    given = first["input"]
    # A list or a mapping would bury the reason, and Python writes no number of thousands of digits.
    is_plain = isinstance(given, str | float) or (isinstance(given, int) and abs(given) < 10**80)
    return f"{key}: {reason} (got {given!r:.80})" if is_plain else f"{key}: {reason}"
