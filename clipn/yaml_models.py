"""Typed records in YAML files, and one-line messages about what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from clipn.errors import ClipnError

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
LARGEST_SEED = 2**32 - 1
"""Streams of random numbers multiply seeds by small numbers, and torch takes 64 bits."""
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
MOST_THREADS = 1024
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
LARGEST_SCALE = 1e6
"""What multiplies cosines at most; CLIP's own scales are about 100."""
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class Record(BaseModel):
    """Base of all records: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def load_records(path: Path, model: type[M]) -> M:
    """Read a YAML file as a registry of `model`; raises as `load_registry`."""
    if not path.is_file():
        raise ClipnError(f"{path}: no such file; go to the project's folder, or name another file")
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
    # A list or a mapping would bury the reason.
    is_plain = isinstance(first["input"], (str, int, float))
    return f"{key}: {reason} (got {first['input']!r:.80})" if is_plain else f"{key}: {reason}"
