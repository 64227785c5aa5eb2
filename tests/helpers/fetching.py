"""Records of the file that a server gives, and how a fetch may end."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from clipn.data.download import fetch_archive
from clipn.data.registry import DOWNLOADS, Archive
from clipn.data.store import part_path, stored_path
from clipn.errors import ClipnError
from tests.helpers.server import BODY

OUTPUT = Path("out/a.tar.gz")
"""In a test's own folder."""


def published_fields(body: bytes) -> dict[str, dict[str, str | int]]:
    """What a record may publish of `body`, by its name."""
    return {
        "sha256": {"sha256": hashlib.sha256(body).hexdigest()},
        "md5": {"md5": hashlib.md5(body).hexdigest()},
        "bytes": {"bytes": len(body)},
        "nothing": {},
    }


def archive(*addresses: str, published: str = "sha256", body: bytes = BODY, **fields: object) -> Archive:
    """The record of a file at `addresses`."""
    return Archive.model_validate(
        {"file": "a.tar.gz", "addresses": list(addresses), **published_fields(body)[published], **fields}
    )


def part_of(record: Archive) -> Path:
    """Where a fetch of a record that fails leaves what it got."""
    return part_path(record, DOWNLOADS)


def parts() -> list[Path]:
    """What fetches have left to go on from."""
    return list(DOWNLOADS.glob("parts/*"))


def stored(body: bytes = BODY, file: str = "a.tar.gz") -> Path:
    """Where a fetched file is kept."""
    return stored_path(file, hashlib.sha256(body).hexdigest(), DOWNLOADS)


def refusal(record: Archive, output: Path, **folders: Any) -> str:
    """The message of a fetch that fails: one line, and nothing is beside the output, where it could be taken for it."""
    with pytest.raises(ClipnError) as caught:
        fetch_archive(record, Path(), output, **folders)
    assert not list(output.parent.glob("*"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_fetched(output: Path, body: bytes = BODY) -> None:
    """The file is there, whole, and nothing is left over."""
    assert output.read_bytes() == body
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    assert not parts()
