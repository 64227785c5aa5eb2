"""Where downloads lie, for all studies; the one home of these paths.

Snakemake deletes the outputs of a job before it runs it. So what comes over the network lies in `downloads/`, and the
outputs are links to it:

    downloads/FILE                     put there by a person, or fetched by `clipn data fetch`
    downloads/sha256/<sha256>/FILE     fetched by a job, or to another folder
    downloads/parts/FILE.<key>.part    the beginning of a file; its origin (`.part.json`) and its lock lie beside it
    downloads/recorded/FILE.json       the receipt of a file that has no published checksum
"""

import hashlib
from pathlib import Path

from clipn.data.registry import Archive


def stored_path(file: str, sha256: str, downloads: Path) -> Path:
    """Where a file with these contents is kept."""
    return downloads / "sha256" / sha256 / file


def part_path(archive: Archive, downloads: Path) -> Path:
    """Where the beginning of a file is kept, apart from that of another one of the same name."""
    # With a checksum a new address leaves the key as it is, so the fetch goes on from there.
    key = archive.sha256 or archive.md5 or hashlib.sha256(archive.identity.encode()).hexdigest()
    return downloads / "parts" / f"{archive.file}.{key[:16]}.part"


def receipt_path(archive: Archive, downloads: Path) -> Path:
    """Where the receipt of a file is kept."""
    return downloads / "recorded" / f"{archive.file}.json"
