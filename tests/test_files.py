"""Files appear whole or not at all; hashes and JSON are what they say."""

import hashlib
import os
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.files import atomic, file_hash, read_json, require, require_replaceable, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["a.txt", "folder", "new"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a.txt").write_text("older")
    with pytest.raises(error), atomic(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert (tmp_path / "a.txt").read_text() == "older"
    assert names(tmp_path) == ["a.txt"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a.txt"):
        pass
    assert names(tmp_path) == []


def test_text_is_utf_8_with_line_feeds(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\n± 1\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\n\xc2\xb1 1\n"


def test_json_keeps_the_order_and_ends_in_a_line_feed(tmp_path: Path) -> None:
    value = {"z": 1, "a": ["é", None, 0.1], "m": {}}
    write_json(tmp_path / "a.json", value)
    content = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert content.endswith("}\n")
    assert content.index('"z"') < content.index('"a"') < content.index('"m"')
    assert "é" in content
    assert read_json(tmp_path / "a.json") == value


def test_nan_is_never_written(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"auroc": float("nan")})
    assert read_json(tmp_path / "a.json") == 1
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b"\xff\xfe", b"[" * 100_000])
def test_damaged_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ClipnError, match=r"a\.json: not valid JSON \(.*\); delete it and run again") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    for read in (require, read_json, file_hash):
        with pytest.raises(ClipnError, match="absent: no such file"):
            read(path)
    path.touch()
    assert require(path) == path


def test_pipes_and_devices_are_neither_read_nor_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null")):
        with pytest.raises(ClipnError, match=f"^{path}: is a folder, a pipe or a device; name a file$"):
            require(path)
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null"), Path("/dev/stdout")):
        with pytest.raises(ClipnError, match=f"^{path}: is a pipe or a device; name a file$"):
            require_replaceable(path)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("size", [0, 3_000_001])
def test_hashes(tmp_path: Path, algorithm: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "a.bin").write_bytes(content)
    assert file_hash(tmp_path / "a.bin", algorithm) == hashlib.new(algorithm, content).hexdigest()
