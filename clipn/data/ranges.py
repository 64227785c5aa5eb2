"""Ranges in the names of archives, which stand for many files in one record."""

import re
from typing import Any

RANGE = re.compile(r"\{(\d{1,18})\.\.(\d{1,18})\}")
"""Many files in one record, e.g. `part-{000..331}.tar`."""
FILES = 100_000
"""Most files that the ranges of a record stand for."""


def expanded(value: Any) -> Any:
    """Archives with a range in their names, `part-{000..331}.tar`, written out one by one."""
    # This runs before pydantic's own checks, which refuse what is no list of mappings with a better message.
    if not isinstance(value, list):
        return value
    archives: list[Any] = []
    for entry in value:
        texts = entry if isinstance(entry, dict) else {}
        addresses = texts.get("addresses", [])
        is_well_formed = isinstance(texts.get("file"), str) and isinstance(addresses, list)
        found = RANGE.search(texts["file"]) if is_well_formed else None
        if found is None:
            archives.append(entry)
            continue
        first, last = map(int, found.groups())
        if not 0 <= last - first < FILES - len(archives):
            raise ValueError(f"{found[0]} stands for no file, or for more than {FILES:,} in all; correct the range")
        for number in range(first, last + 1):
            digits = f"{number:0{len(found[1])}d}"
            own = [text.replace(found[0], digits) if isinstance(text, str) else text for text in addresses]
            archives.append({**entry, "file": entry["file"].replace(found[0], digits), "addresses": own})
    return archives
