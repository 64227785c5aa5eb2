"""Write the numbers of a finished study into the file of published ones, whose other text stays as it is."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from clipn.compute import processor
from clipn.data.insertion import locked
from clipn.errors import ClipnError
from clipn.files import atomic
from clipn.metrics import CONVENTION
from clipn.report.origin import commit
from clipn.report.published_numbers import DECIMALS, MEASURES, RECORDED, RecordedEntry, load_published
from clipn.report.reading import read_table
from clipn.report.tables.aggregate import grouped
from clipn.report.tables.build import shown
from clipn.report.tables.published import comparable
from clipn.scores import PLAIN_CLIP
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.loading import load_study
from clipn.study.paths import StudyPaths
from clipn.study.scorings import main_pool

PUBLISHED = Path("config/published.yaml")
TOLERANCE = "trained_again"
"""Tolerance of a study that is recorded for the first time."""
SHARED = ("kind", "study", "commit", "machine", "tolerance")
"""Keys that all recorded entries of a study have in common."""
OWN = ("id", "backbone", "variant", "prompts", "method", "runs", "cells")


def record_study(name: str | None, path: Path = PUBLISHED) -> list[RecordedEntry]:
    """Record what a finished study shows, in place of what was recorded of it before.

    Args:
        name: of the study; None: the active one.
        path: YAML of published numbers.

    Raises:
        ClipnError: no such study, one that is not finished, no commit, or a file that cannot take the entries.
    """
    study = load_study(name)
    rows = _rows(study)
    with locked(path) as file:
        return _recorded(study.study, rows, file)


def _recorded(study: str, rows: Sequence[dict[str, Any]], path: Path) -> list[RecordedEntry]:
    """Write the entries of a study with these keys of their own."""
    known = load_published(path).recorded(study)
    shared = {"kind": RECORDED, "study": study, "commit": commit(), "machine": processor()}
    # A person may have named another one.
    shared["tolerance"] = known[0].tolerance if known else TOLERANCE
    entries = [RecordedEntry.model_validate(shared | row) for row in rows]
    begin, end = f"  # Recorded from study {study} by `clipn published record`.\n", f"  # End of {study}.\n"
    old = re.search(f"{re.escape(begin)}.*?{re.escape(end)}", _text(path), re.DOTALL)
    if known and not old:
        remedy = f"remove its entries, which begin with {known[0].method} on {known[0].id}, and record again"
        raise ClipnError(f"{path}: study {study} is recorded outside the lines that mark its entries; {remedy}")
    _replace(path, old.group() if old else "", begin + _block(entries) + end)
    return entries


def _rows(study: Study) -> list[dict[str, Any]]:
    """Own keys of the entries: what tables show of the study under its main prompt pool."""
    path = Path(StudyPaths(study, StudyData(study)).table("metrics"))
    remedy = f"finish the study first: snakemake --cores 8 all --config study={study.study}"
    if not path.is_file():
        raise ClipnError(f"{path}: no such file; {remedy}")
    table = shown(read_table(path), [PLAIN_CLIP, *study.shown], main_pool(study))
    measured = comparable(table.assign(source=table["backbone"]), study.study)
    if not measured:
        raise ClipnError(f"{path}: no number of what the study shows; {remedy}")
    if all(row["measure"] != "fpr95" for row in measured):
        raise ClipnError(f"{path}: holds no FPR95 in the convention {CONVENTION}; add it to `conventions` of the study")
    rows = []
    for key, group in grouped(measured, OWN[:-1]).items():
        values = {(row["ood"], row["measure"]): round(row["measured"], DECIMALS) for row in group}
        cells = {ood: [values[ood, measure] for measure in MEASURES] for ood, _ in values}
        rows.append(dict(zip(OWN, (*key, cells), strict=True)))
    return rows


def _replace(path: Path, old: str, new: str) -> None:
    """Put `new` in the place of `old`, or at the end of the file, unless it would not be valid then."""
    text = _text(path)
    text = text.replace(old, new) if old else text + "\n" * (1 if text.endswith("\n") else 2) + new
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())
        try:
            load_published(temporary)
        except ClipnError as error:
            reason = str(error).replace(str(temporary), str(path))
            where = "new entries go to the end of the file, into the list `entries`"
            raise ClipnError(f"{reason}; nothing was written ({where})") from error


def _text(path: Path) -> str:
    # From bytes: reading as text would change the ends of lines.
    return path.read_bytes().decode("utf-8")


def _block(entries: Sequence[RecordedEntry]) -> str:
    """Entries as YAML, what they share in an anchor of the first."""
    # With a beginning that no other anchor has; YAML's may hold few signs.
    anchor = f"recorded-{re.sub(r'[^A-Za-z0-9_-]', '_', entries[0].study)}"
    shared = _flow(entries[0].model_dump(include={*SHARED}), SHARED)
    merges = [f"&{anchor} {{{shared}}}", *[f"*{anchor}"] * (len(entries) - 1)]
    rows = (_flow(entry.model_dump(include={*OWN}), OWN) for entry in entries)
    return "".join(_wrapped(f"{{<<: {merge}, {row}}}") for merge, row in zip(merges, rows, strict=True))


def _flow(values: dict[str, Any], order: Sequence[str]) -> str:
    """A mapping on one line, without its braces."""
    ordered = {key: values[key] for key in order}
    text = yaml.safe_dump(ordered, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return str(text).strip()[1:-1]


def _wrapped(entry: str) -> str:
    # A key and its value stay together, and so do pairs of numbers.
    glued = re.sub(r": |(?<=\d), (?=\d)", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), entry)
    lines = textwrap.fill(
        glued, 120, initial_indent="  - ", subsequent_indent="     ", break_long_words=False, break_on_hyphens=False
    )
    return lines.replace("\N{NO-BREAK SPACE}", " ") + "\n"
