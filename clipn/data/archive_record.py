"""The typed record of one file to fetch, and how one record stands for many of them."""

import re
from typing import Annotated, Any

from pydantic import Field

from clipn.yaml_models import FileName, Md5, Record, Sha256

RANGE = re.compile(r"\{(\d{1,18})\.\.(\d{1,18})\}")
"""Many files in one record, e.g. `part-{000..331}.tar`."""
FILES = 100_000
"""Most files that the ranges of a record stand for."""

Count = Annotated[int, Field(ge=0, le=10**15)]
"""Of images, captions, or bytes; the largest collections have fewer."""


class Archive(Record):
    """One file to fetch."""

    file: FileName = Field(description="name under which the file is stored")
    addresses: list[str] = Field(
        default=[],
        description="http(s) or file addresses, paths relative to the registry, or "
        "`package:NAME==VERSION/PATH` of an installed package; tried in order",
    )
    sha256: Sha256 | None = Field(default=None, description="published checksum; empty when none is known")
    md5: Md5 | None = Field(default=None, description="published checksum; empty when none is known")
    bytes: Count | None = Field(default=None, description="published size in bytes; without it, 5 GB are the most")
    manual: str | None = Field(default=None, description="how to get the file by hand when it may not be fetched")

    @property
    def has_checksum(self) -> bool:
        """Whether a checksum is published, by which a copy can be verified."""
        return bool(self.sha256 or self.md5)

    @property
    def identity(self) -> str:
        """What is known of its bytes: checksums and size; without a checksum, the addresses."""
        # A file that moves to another server is still the same file, if a checksum says so.
        return self.model_dump_json(exclude={"manual"} | ({"addresses"} if self.has_checksum else set()))


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
