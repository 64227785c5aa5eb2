"""Parameters of rules that Snakemake records by key, so that a change of one can be named.

Snakemake records the `repr` of every parameter, without the parameter's name, and puts the `str` into the command. So a
`Settings` is recorded as its keys and values, and gives the command its options; `Contents` are what files and records
hold that a rule reads beside its inputs. A key with spaces is no setting but what follows from several of them.
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Self

from pydantic import BaseModel

MISSING = object()
"""Value of a key that is not recorded; None is a value."""


class Keyed(dict[str, Any]):
    """Values by key, recorded as JSON after their kind; a `dict`, as Snakemake records values of builtin types only."""

    kind: str

    def __repr__(self) -> str:
        # Sorted, so that the order in which a rule adds its settings up is no change.
        return f"{self.kind} {json.dumps(self, sort_keys=True, ensure_ascii=False)}"


class Settings(Keyed):
    """Settings by their keys in the study, e.g. `variants.learnable.epochs`.

    Attributes:
        words: how the command takes them, as its arguments will be; none where they count and are no option.
    """

    kind = "settings"

    def __init__(self, settings: Mapping[str, Any], words: Sequence[str] = ()) -> None:
        super().__init__(settings)
        self.words = [*words]

    def __str__(self) -> str:
        # The one place where a value enters a command: whatever it holds, a shell reads it as one word.
        return shlex.join(self.words)

    def __add__(self, other: Self) -> Self:
        """Both, with the words of both.

        Raises:
            ValueError: they have different values of one key, so that a change of one would not be recorded.
        """
        if differing := [key for key in self.keys() & other.keys() if self[key] != other[key]]:
            raise ValueError(f"two values of {', '.join(sorted(differing))}; record them under keys of their own")
        return type(self)({**self, **other}, [*self.words, *other.words])


class Contents(Keyed):
    """Hashes or texts by what people call their sources, e.g. `the prompt pool`."""

    kind = "contents"


def settings_of(
    values: BaseModel | Mapping[str, Any], above: str = "", options: Mapping[str, str] | None = None
) -> Settings:
    """Settings with an option each, e.g. {'batch_size': 256} as `--batch-size 256`; one that is None has none.

    Args:
        values: by name.
        above: key of what they belong to, e.g. `variants.learnable`.
        options: names of options that differ from those of their settings.
    """
    known = values.model_dump(mode="json") if isinstance(values, BaseModel) else values
    words: list[str] = []
    for name, value in known.items():
        option = (options or {}).get(name, name.replace("_", "-"))
        # Before the other values, as a bool is an int for Python but a switch on the command line.
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words += repeated(f"--{option}", value if isinstance(value, list) else [value])
    return Settings({f"{above}.{name}" if above else name: value for name, value in known.items()}, words)


def repeated(option: str, values: Iterable[object]) -> list[str]:
    """`--option value` for every value."""
    return [word for value in values for word in (option, str(value))]


def file_arguments(files: Mapping[str, Any]) -> str:
    """Named input files of a rule as a command takes them: shards by themselves, others as options of their names."""
    options = (repeated(f"--{name.replace('_', '-')}", [path]) for name, path in files.items() if name != "shards")
    return shlex.join([*files.get("shards", []), *chain.from_iterable(options)])


def flattened(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by their keys with dots between the parts; lists and empty mappings are values."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{above}.{name}" if above else name
        found |= flattened(value, key) if isinstance(value, dict) and value else {key: value}
    return found


def is_keyed(text: str) -> bool:
    """Whether a recorded parameter is one of `Settings` or `Contents`."""
    return text.startswith((f"{Settings.kind} ", f"{Contents.kind} "))


def changed_values(then: Iterable[str], now: Iterable[str], kind: type[Keyed]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ between recorded parameters, with both values; `MISSING` where there is no such key."""
    old, new = (recorded_values(texts, kind) for texts in (then, now))
    pairs = {key: (old.get(key, MISSING), new.get(key, MISSING)) for key in sorted(old.keys() | new.keys())}
    return {key: (before, after) for key, (before, after) in pairs.items() if before != after}


def recorded_values(texts: Iterable[str], kind: type[Keyed]) -> dict[str, Any]:
    """Values by key of all recorded parameters of a kind."""
    found = [json.loads(text.removeprefix(kind.kind)) for text in texts if text.startswith(f"{kind.kind} ")]
    return {key: value for values in found for key, value in values.items()}
