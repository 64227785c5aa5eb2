"""Tar archives: order, bytes, and every refusal."""

import gzip
import os
import random
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pytest

from clipn.data.archives import member_names, member_offsets, members, read_members, write_archive
from clipn.errors import ClipnError
from tests.helpers.tiny_dataset import zipped


def special_member(path: Path, name: str, kind: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "target"
        tar.addfile(member)
    return path


def headers_only(path: Path, sizes: Iterable[int], kind: bytes = tarfile.REGTYPE) -> Path:
    """An archive of headers that promise `sizes` bytes, and of nothing else."""
    content = b""
    for number, size in enumerate(sizes):
        member = tarfile.TarInfo(f"{number}.jpg")
        member.size, member.type = size, kind
        content += member.tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_round_trip_keeps_order_and_bytes(tmp_path: Path, name: str) -> None:
    files = [("b/2.txt", b"two"), ("a/1.txt", b"one" * 99_999), ("a/.hidden", b""), (".dir/3.txt", b"three")]
    write_archive(tmp_path / name, files)
    first = (tmp_path / name).read_bytes()
    assert member_names(tmp_path / name) == ["b/2.txt", "a/1.txt"]
    assert list(read_members(tmp_path / name, lambda path: path.startswith("a"))) == [files[1]]
    write_archive(tmp_path / name, iter(files))
    assert (tmp_path / name).read_bytes() == first


def test_offsets_are_where_the_bytes_lie(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar", [("1.bin", b"one"), (".2.bin", b"hidden"), ("3.bin", b"three")])
    content = (tmp_path / "a.tar").read_bytes()
    offsets = list(member_offsets(tmp_path / "a.tar"))
    assert [(name, content[offset : offset + size]) for name, offset, size in offsets] == [
        ("1.bin", b"one"),
        ("3.bin", b"three"),
    ]


def test_compressed_archives_have_no_offsets(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar.gz", [("1.bin", b"one")])
    with pytest.raises(ClipnError, match=r"a\.tar\.gz: is compressed, .*; unpack it to \.tar"):
        list(member_offsets(tmp_path / "a.tar.gz"))


def test_written_members_carry_no_owner_or_time(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar.gz", [("x", b"1")])
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        member = tar.getmember("x")
    assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)
    assert (tmp_path / "a.tar.gz").read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_archives_that_are_joined_are_refused(tmp_path: Path, name: str) -> None:
    write_archive(tmp_path / name, [("1.jpg", b"one")])
    assert member_names(tmp_path / name) == ["1.jpg"]
    with (tmp_path / name).open("ab") as stream:
        write_archive(tmp_path / f"2{name}", [("2.jpg", b"two")])
        stream.write((tmp_path / f"2{name}").read_bytes())
    for read in (member_names, lambda path: list(read_members(path, str.isascii))):
        with pytest.raises(ClipnError, match=rf"{name}: goes on behind its end; unpack it with `tar -xif`, and pack"):
            read(tmp_path / name)


@pytest.mark.parametrize(("mode", "program"), [("w:xz", "xz"), ("w:bz2", "bzip2")])
def test_other_compressions_are_named(tmp_path: Path, mode: Literal["w:xz", "w:bz2"], program: str) -> None:
    with tarfile.open(tmp_path / "a.tar", mode) as tar:
        tar.addfile(tarfile.TarInfo("1.jpg"))
    with pytest.raises(ClipnError, match=rf"a\.tar: is packed by {program}, which is not read; repack it as \.tar, "):
        member_names(tmp_path / "a.tar")


def test_missing_archives_are_refused(tmp_path: Path) -> None:
    for read in (member_names, lambda path: list(member_offsets(path))):
        with pytest.raises(ClipnError, match=r"a\.tar: no such file"):
            read(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.jpg", "a/../../up.jpg", ".hidden/../../up.jpg"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipnError, match=r"bad\.tar: member .* leaves"):
        member_names(special_member(tmp_path / "bad.tar", name, tarfile.REGTYPE))


@pytest.mark.parametrize("name", ["two\nlines.jpg", "latin-1 \udce9.jpg"])
def test_names_that_no_line_can_hold_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipnError, match=r"is not a line of UTF-8; rename it") as error:
        member_names(special_member(tmp_path / "bad.tar", name, tarfile.REGTYPE))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(ClipnError, match=r"bad\.tar: member 'x\.jpg' is a link or a device"):
        list(read_members(special_member(tmp_path / "bad.tar", "x.jpg", kind), lambda path: True))


# Damage


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.7, 0.95])
def test_truncated_archives_are_refused(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    write_archive(path, ((f"{number}.bin", os.urandom(3000)) for number in range(9)))
    end = path.stat().st_size if name.endswith("gz") else 9 * (512 + 3072)
    os.truncate(path, int(share * end))
    with pytest.raises(ClipnError, match=f"{name}: damaged or not a tar archive .* delete it and fetch it again"):
        list(read_members(path, lambda path: True))
    with pytest.raises(ClipnError):
        member_names(path)


def test_a_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar", [("1.bin", bytes(512)), ("2.bin", bytes(512))])
    os.truncate(tmp_path / "a.tar", 1024)
    with pytest.raises(ClipnError, match="damaged"):
        member_names(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path, name: str) -> None:
    write_archive(tmp_path / "a.tar", [("1.bin", b"1"), ("2.bin", b"2")])
    content = bytearray((tmp_path / "a.tar").read_bytes())
    content[1024 + 5] ^= 1
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(ClipnError, match=f"{name}: damaged"):
        member_names(tmp_path / name)


def test_a_wrong_gzip_checksum_and_a_web_page_are_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar.gz", [("1.bin", b"1")])
    content = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(content[:-8] + bytes(4) + content[-4:])
    (tmp_path / "b.tar").write_bytes(b"<html>" + bytes(5000))
    (tmp_path / "c.tar.gz").write_bytes(gzip.compress(b"<html>" * 500))
    for name in ["a.tar.gz", "b.tar", "c.tar.gz"]:
        with pytest.raises(ClipnError, match=f"{name}: damaged"):
            member_names(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_random_damage_is_an_error_of_one_line_or_harmless(tmp_path: Path, name: str) -> None:
    files = {f"folder/{number}.bin": bytes([number]) * 700 for number in range(5)}
    if name.endswith(".zip"):
        zipped(tmp_path / name, files)
    else:
        write_archive(tmp_path / name, files.items())
    whole, draw = (tmp_path / name).read_bytes(), random.Random(0)
    errors = []
    for _ in range(300):
        start, damage = draw.randrange(len(whole)), draw.randbytes(draw.randrange(1, 9))
        (tmp_path / name).write_bytes(whole[:start] + damage + whole[start + len(damage) :])
        errors += [error_of(tmp_path / name)]
    assert errors.count("") < 250
    assert not any("\n" in text for text in errors)


def error_of(archive: Path) -> str:
    try:
        list(read_members(archive, lambda path: True))
    except ClipnError as error:
        return str(error)
    return ""


# Bombs


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("size", [members.LARGEST + 1, 1 << 62, -1024])
def test_members_of_impossible_size_are_refused_unread(tmp_path: Path, name: str, size: int) -> None:
    with pytest.raises(ClipnError, match=f"{name}: member '0.jpg' of {size:,} bytes is no image"):
        list(read_members(headers_only(tmp_path / name, [size]), lambda path: True))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [1 << 40, -1024])
def test_headers_of_impossible_size_are_refused_unread(tmp_path: Path, kind: bytes, size: int) -> None:
    with pytest.raises(ClipnError, match=f"damaged or not a tar archive .a header of {size:,} bytes"):
        member_names(headers_only(tmp_path / "a.tar", [size], kind))


def test_sparse_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"member '0\.jpg' is a link or a device"):
        member_names(headers_only(tmp_path / "a.tar", [0], tarfile.GNUTYPE_SPARSE))


@pytest.mark.parametrize("is_read", [True, False])
def test_a_gzip_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_read: bool
) -> None:
    monkeypatch.setattr(members, "EXPANSION_FLOOR", 1 << 20)
    write_archive(tmp_path / "a.tar.gz", [("zeros.jpg", bytes(32 << 20))])
    with pytest.raises(ClipnError, match=r"a\.tar\.gz: .* compressed bytes expand to [1-9],\d{3},\d{3} or more"):
        list(read_members(tmp_path / "a.tar.gz", lambda path: is_read))


def test_a_gzip_bomb_behind_the_last_member_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "EXPANSION_FLOOR", 1 << 20)
    write_archive(tmp_path / "a.tar.gz", [("1.jpg", b"1")])
    with (tmp_path / "a.tar.gz").open("ab") as stream:
        stream.write(gzip.compress(bytes(8 << 20)))
    with pytest.raises(ClipnError, match="expand to"):
        member_names(tmp_path / "a.tar.gz")


def test_well_compressed_text_below_the_floor_is_no_bomb(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar.gz", [("labels.txt", b"0\n" * 500_000)])
    assert member_names(tmp_path / "a.tar.gz") == ["labels.txt"]
