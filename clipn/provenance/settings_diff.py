"""Which settings of a study explain that a parameter of a job is another one.

Parameters are texts, mostly of options as a command takes them. A changed setting explains a changed text if the words
that it lost and won are among those that the text lost and won, under the same option.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from clipn.provenance.snakemake import PlannedJob
from clipn.study.config import ID_DATASETS

WORD = re.compile(r"[^\s,:'\"\[\]{}()]+")
NAMED_KEYS = ("variants", "backbones")
"""Settings that belong to one thing with a name; they concern no job of another."""
OPTIONS = {
    "ablations": "ablation",
    "baselines": "method",
    "conventions": "convention",
    "perturbation": "epsilon",
    "rules": "rule",
}
"""Options that are called otherwise than their settings."""
Key = tuple[str, ...]
Term = tuple[str, str]
"""An option, without its dashes, and a word that it is given; before any option, it is empty."""


def changed_settings(then: Any, now: Any) -> dict[Key, tuple[Any, Any]]:
    """Settings that differ, before and now; empty if either is unknown."""
    return {} if then is None or now is None else dict(_differences(then, now))


def _differences(
    then: Mapping[str, Any], now: Mapping[str, Any], above: Key = ()
) -> Iterator[tuple[Key, tuple[Any, Any]]]:
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, (*above, name))
        elif old != new:
            yield (*above, name), (old, new)


def settings_in(settings: Mapping[Key, tuple[Any, Any]], name: str, then: str, now: str, job: PlannedJob) -> list[str]:
    """The changed settings that explain a changed parameter of a job, each as its key, before and now."""
    gone, come = _changed_terms(then, now)
    concerned = {key: values for key, values in settings.items() if _concerns(key, job)}
    chosen: set[Key] = set()
    for option in {option for option, _ in (*gone, *come)}:
        lost, won = ({word for its, word in terms if its == option} for terms in (gone, come))
        fitting = {key for key, values in concerned.items() if _explains(*values, lost, won)}
        chosen |= _preferred(fitting, option or _option(name))
    return [f"setting {'.'.join(key)}: {' -> '.join(map(_shown, settings[key]))}" for key in settings if key in chosen]


def _preferred(fitting: set[Key], option: str) -> set[Key]:
    """Of settings that fit, those named like the option; of these, those of the job's own variant or backbone."""
    alike = {key for key in fitting if _option(key[-1]) == option} or fitting
    return {key for key in alike if key[0] in NAMED_KEYS} or alike


def _concerns(key: Key, job: PlannedJob) -> bool:
    if key[0] == "pairs":
        return key[1] in job.names or job.names.isdisjoint(ID_DATASETS)
    return key[0] not in NAMED_KEYS or not job.names or key[1] in job.names


def _option(name: str) -> str:
    return OPTIONS.get(name, name.replace("_", "-"))


def _explains(old: Any, new: Any, lost: set[str], won: set[str]) -> bool:
    """Whether words that a text lost and won may be those that a setting lost and won."""
    before, now = _words(old), _words(new)
    own_lost, own_won = (before - now, now - before) if before != now else (before, now)
    pairs = [(mine, theirs) for mine, theirs in ((own_lost, lost), (own_won, won)) if mine and theirs]
    return bool(pairs) and all(mine & theirs for mine, theirs in pairs)


def _words(value: Any) -> set[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return set() if value is None else set(WORD.findall(text))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "given"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _terms(text: str) -> list[Term]:
    """The words of a text with their options; a switch has the word `true` or `false`."""
    found, option = [], ""
    for word, following in pairwise([*WORD.findall(text.replace("\\n", "\n")), "--"]):
        if not word.startswith("--"):
            found.append((option, word))
        elif following.startswith("--"):
            found.append((word[2:].removeprefix("no-"), "false" if word.startswith("--no-") else "true"))
        else:
            option = word[2:]
    return found


def _changed_terms(then: str, now: str) -> tuple[list[Term], list[Term]]:
    """Terms that only one of two texts has; all of them if they only stand in another order."""
    old, new = _terms(then), _terms(now)
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    return (list(gone), list(come)) if gone or come else (old, new)


def changed_text(name: str, then: str, now: str) -> str:
    """What a parameter lost and won, where no setting explains it; without a name, it is no longer given."""
    gone, come = (
        " ".join(f"--{option} {word}" if option else word for option, word in terms)
        for terms in _changed_terms(then, now)
    )
    return f"{name}: {gone or 'nothing'} -> {come or 'nothing'}" if name else f"no longer given: {gone}"


def likeness(one: str, other: str) -> tuple[float, int]:
    """By words; then by length, as two hashes of contents have no word in common."""
    words = SequenceMatcher(None, WORD.findall(one), WORD.findall(other), autojunk=False)
    return words.ratio(), -abs(len(one) - len(other))
