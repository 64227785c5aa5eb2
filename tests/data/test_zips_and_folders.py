"""Zip archives and plain folders read like tars, and every refusal."""

import os
import stat
import zipfile
from pathlib import Path

import pytest

from clipn.data.archives import member_names, member_offsets, members, read_members
from clipn.errors import ClipnError
from tests.helpers.tiny_dataset import write_files, zipped

FILES = {"b/2.jpg": b"two" * 999, "a/1.jpg": b"one", "a-b.jpg": b"", "a/.hidden": b"", ".dir/3.jpg": b"", "e.txt": b"5"}


def one_entry(path: Path, name: str = "x.jpg", attributes: int = 0, flags: int = 0) -> Path:
    """A zip whose directory says such things of its only entry."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"content")
        archive.infolist()[0].external_attr = attributes
        archive.infolist()[0].flag_bits |= flags
    return path


def everything(archive: Path) -> list[tuple[str, bytes]]:
    return list(read_members(archive, lambda name: True))


# Zip


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_reads_in_its_own_order(tmp_path: Path, method: int) -> None:
    archive = zipped(tmp_path / "a.zip", FILES, method)
    visible = [(name, content) for name, content in FILES.items() if "." not in (name[0], name[2])]
    assert everything(archive) == visible
    assert member_names(archive) == [name for name, _ in visible]
    assert list(read_members(archive, "a/1.jpg".__eq__)) == [("a/1.jpg", b"one")]


@pytest.mark.parametrize(("system", "name"), [(0, "cat/1.jpg"), (3, "cat\\1.jpg")])
def test_backslashes_of_windows_are_slashes(tmp_path: Path, system: int, name: str) -> None:
    entry = zipfile.ZipInfo("cat\\1.jpg")
    entry.create_system = system
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, b"cat")
    assert everything(tmp_path / "a.zip") == [(name, b"cat")]


def test_an_empty_zip_has_no_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    assert member_names(tmp_path / "a.zip") == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.jpg", "a/../../up.jpg"])
def test_zipped_paths_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipnError, match=r"a\.zip: member .* leaves"):
        member_names(one_entry(tmp_path / "a.zip", name))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_zipped_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(ClipnError, match=r"a\.zip: member 'x\.jpg' is a link or a device"):
        member_names(one_entry(tmp_path / "a.zip", attributes=(kind | 0o777) << 16))


def test_zips_with_a_password_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"a\.zip: member 'x\.jpg' has a password; repack"):
        member_names(one_entry(tmp_path / "a.zip", flags=0x1))


def test_zips_of_another_compression_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"member 'b/2\.jpg' is not deflated; repack the archive as \.tar"):
        member_names(zipped(tmp_path / "a.zip", FILES, zipfile.ZIP_BZIP2))


def test_zips_have_no_offsets(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match="is compressed"):
        list(member_offsets(zipped(tmp_path / "a.zip", FILES)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_zips_are_refused(tmp_path: Path, share: float) -> None:
    archive = zipped(tmp_path / "a.zip", FILES)
    os.truncate(archive, int(share * archive.stat().st_size))
    with pytest.raises(ClipnError, match=r"a\.zip: damaged or not a zip archive .*; delete it and fetch it again"):
        member_names(archive)


def test_a_changed_byte_in_a_zip_is_noticed(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"x.jpg": b"content"}, zipfile.ZIP_STORED)
    archive.write_bytes(archive.read_bytes().replace(b"content", b"c0ntent"))
    with pytest.raises(ClipnError, match=r"damaged or not a zip archive .*CRC"):
        everything(archive)


def test_zip_bombs_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "EXPANSION_FLOOR", 1 << 20)
    with pytest.raises(ClipnError, match=r"a\.zip: .* compressed bytes expand to 4,194,304 or more"):
        member_names(zipped(tmp_path / "a.zip", {"zeros.jpg": bytes(4 << 20)}))
    monkeypatch.setattr(members, "LARGEST", 1 << 10)
    with pytest.raises(ClipnError, match=r"member 'zeros\.jpg' of 2,048 bytes is no image"):
        member_names(zipped(tmp_path / "b.zip", {"zeros.jpg": bytes(2 << 10)}))


@pytest.mark.parametrize("claimed", [10, 1 << 13])
def test_zips_that_lie_about_a_size_are_refused(tmp_path: Path, claimed: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.jpg", bytes(1 << 12))
        archive.infolist()[0].file_size = claimed
    with pytest.raises(ClipnError, match=r"a\.zip: damaged or not a zip archive"):
        everything(tmp_path / "a.zip")


# Folders


def test_a_folder_reads_sorted_by_path(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "f", FILES)
    assert everything(folder) == [(name, FILES[name]) for name in ("a-b.jpg", "a/1.jpg", "b/2.jpg", "e.txt")]
    assert member_names(folder) == ["a-b.jpg", "a/1.jpg", "b/2.jpg", "e.txt"]


def test_links_within_a_folder_are_files(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "f", {"a/1.jpg": b"one"})
    (folder / "2.jpg").symlink_to("a/1.jpg")
    (tmp_path / "link").symlink_to("f")
    assert everything(tmp_path / "link") == [("2.jpg", b"one"), ("a/1.jpg", b"one")]


@pytest.mark.parametrize("target", ["../out.jpg", "/etc/passwd", "absent.jpg", "a", ".."])
def test_links_to_anything_else_are_refused(tmp_path: Path, target: str) -> None:
    write_files(tmp_path, {"f/a/1.jpg": b"one", "out.jpg": b"out"})
    (tmp_path / "f" / "x.jpg").symlink_to(target)
    with pytest.raises(ClipnError, match=r"x\.jpg: is neither a file nor a link to a file of .*; put a copy"):
        member_names(tmp_path / "f")


def test_pipes_in_a_folder_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(ClipnError, match="is neither a file"):
        member_names(tmp_path)


def test_too_large_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    large = write_files(tmp_path / "f", {"x.jpg": b""})
    os.truncate(large / "x.jpg", members.LARGEST + 1)
    with pytest.raises(ClipnError, match=r"f: member 'x\.jpg' of 1,073,741,825 bytes is no image"):
        member_names(large)


def test_a_file_that_goes_away_is_one_clear_error(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "f", {"1.jpg": b"", "2.jpg": b""})
    files = read_members(folder, lambda name: True)
    next(files)
    (folder / "2.jpg").unlink()
    with pytest.raises(ClipnError, match="f: cannot be read"):
        next(files)
