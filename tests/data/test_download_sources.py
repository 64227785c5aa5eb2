"""Archives got by hand, in a mirror, without a published checksum, and several at once."""

import json
import re
from pathlib import Path
from threading import Thread

import pytest

from clipn.data.download import FetchJob, fetch_archive, fetch_archives
from clipn.data.verification.checks import Recorded, receipt
from clipn.errors import ClipnError
from tests.helpers.fetching import OUTPUT, archive, assert_fetched, published_fields, refusal, stored
from tests.helpers.server import BODY, FAR_TOO_LONG, Response, Server

PUBLISHED = published_fields(BODY)
SHA256 = str(PUBLISHED["sha256"]["sha256"])


@pytest.fixture(autouse=True)
def _downloads_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    path = tmp_path / "downloads" / "a.tar.gz"
    path.parent.mkdir()
    path.write_bytes(BODY)
    return path


def test_a_file_got_by_hand_is_taken_first_and_not_copied(tmp_path: Path, by_hand: Path) -> None:
    fetch_archive(archive(manual="register"), tmp_path, tmp_path / "out" / "a.tar.gz")
    assert by_hand.read_bytes() == BODY
    assert by_hand.samefile(tmp_path / "out" / "a.tar.gz")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tar.gz"]
    fetch_archive(archive(manual="register"), tmp_path, tmp_path / "out" / "a.tar.gz")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tar.gz"]


def test_a_file_got_by_hand_that_is_a_link_is_followed_and_never_touched(tmp_path: Path, by_hand: Path) -> None:
    shared = tmp_path / "shared.tar.gz"
    by_hand.rename(shared)
    by_hand.symlink_to(shared)
    before = shared.stat()
    fetch_archive(archive(manual="register"), tmp_path, tmp_path / "out" / "a.tar.gz")
    assert (tmp_path / "out" / "a.tar.gz").readlink() == shared
    assert (shared.stat().st_nlink, shared.stat().st_mtime_ns) == (1, before.st_mtime_ns)


def test_a_file_of_this_machine_is_not_taken_from_downloads(tmp_path: Path, by_hand: Path) -> None:
    by_hand.write_bytes(b"another file of the same name")
    (tmp_path / "a.tar.gz").write_bytes(BODY)
    fetch_archive(archive("a.tar.gz"), tmp_path, tmp_path / "out" / "a.tar.gz")
    assert (tmp_path / "out" / "a.tar.gz").read_bytes() == BODY


def test_what_is_there_and_right_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    address, output = server.at("/a"), tmp_path / "out" / "a.tar.gz"
    for _ in range(2):
        fetch_archive(archive(address), tmp_path, output)
    assert len(server.log) == 1
    output.write_bytes(BODY[:-1])
    fetch_archive(archive(address), tmp_path, output)
    assert output.read_bytes() == BODY


@pytest.mark.parametrize("published", ["sha256", "md5", "bytes"])
def test_a_wrong_file_got_by_hand_is_refused_and_kept(tmp_path: Path, by_hand: Path, published: str) -> None:
    by_hand.write_bytes(BODY[:-1] + (b"" if published == "bytes" else b"\0"))
    message = refusal(archive(published=published), OUTPUT)
    assert re.match(r"a\.tar\.gz: downloads/a\.tar\.gz: .*expected.*; put the right file there", message)
    assert by_hand.exists()


def test_a_fetched_file_that_is_not_the_right_one_any_more_is_to_be_deleted(tmp_path: Path, by_hand: Path) -> None:
    by_hand.write_bytes(BODY[::-1])
    with pytest.raises(ClipnError, match=r"^a\.tar\.gz: downloads/a\.tar\.gz: wrong .*; delete it and run again$"):
        fetch_archive(archive("a"), tmp_path, Path("downloads/a.tar.gz"))
    by_hand.unlink()
    Path("a").write_bytes(BODY)
    fetch_archive(archive("a"), tmp_path, Path("downloads/a.tar.gz"))
    assert by_hand.read_bytes() == BODY


def test_a_page_saved_by_hand_is_refused_whatever_the_record(tmp_path: Path, by_hand: Path) -> None:
    by_hand.write_bytes(b"<html>Log in")
    assert "downloads/a.tar.gz: is a web page" in refusal(archive(published="nothing"), OUTPUT)


def test_a_file_got_by_hand_ends_a_fetch_that_broke_off(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    record = archive(server.at("/a", Response(cut=9), Response(status=404)))
    refusal(record, OUTPUT)
    (tmp_path / "downloads" / "a.tar.gz").write_bytes(BODY)
    fetch_archive(record, tmp_path, OUTPUT)
    assert_fetched(OUTPUT)


@pytest.mark.parametrize("path", ["a.tar.gz", "sun/a.tar.gz"])
def test_a_file_of_a_mirror_is_used_in_place(tmp_path: Path, path: str) -> None:
    kept = tmp_path / "mirror" / path
    kept.parent.mkdir(parents=True)
    kept.write_bytes(BODY)
    output = tmp_path / "out" / "a.tar.gz"
    for _ in range(2):
        fetch_archive(archive(), tmp_path, output, mirror=Path("mirror"), name="sun")
        assert output.readlink() == kept
    assert [path.name for path in output.parent.iterdir()] == ["a.tar.gz"]


def test_a_mirror_may_be_where_the_files_go(tmp_path: Path) -> None:
    kept = tmp_path / "out" / "a.tar.gz"
    kept.parent.mkdir()
    kept.write_bytes(BODY)
    fetch_archive(archive(), tmp_path, kept, mirror=tmp_path, name="out")
    assert not kept.is_symlink()
    assert kept.read_bytes() == BODY


def test_a_mirror_without_the_file_is_passed_over(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    fetch_archive(archive(server.at("/a")), tmp_path, tmp_path / "a.tar.gz", mirror=tmp_path / "mirror")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY


def test_a_mirror_that_is_not_there_is_refused(tmp_path: Path) -> None:
    jobs = [FetchJob("sun", archive("a"), tmp_path, tmp_path / "out")]
    with pytest.raises(ClipnError, match=r"^nowhere: no such folder; correct the mirror or leave it out$"):
        fetch_archives(jobs, parallel=1, mirror=Path("nowhere"))


def test_a_wrong_file_of_a_mirror_is_refused_and_kept(server: Server, tmp_path: Path) -> None:
    kept = tmp_path / "mirror" / "a.tar.gz"
    kept.parent.mkdir()
    kept.write_bytes(BODY[::-1])
    with pytest.raises(ClipnError, match=r"mirror/a\.tar\.gz: wrong checksum.*repair the mirror or remove the file"):
        fetch_archive(archive(server.at("/a")), tmp_path, tmp_path / "a.tar.gz", mirror=kept.parent)
    assert kept.read_bytes() == BODY[::-1]
    assert not (tmp_path / "a.tar.gz").exists()


@pytest.mark.parametrize("published", ["bytes", "nothing"])
def test_without_a_published_checksum_the_first_download_is_recorded(
    server: Server, tmp_path: Path, published: str
) -> None:
    record = archive(server.at("/a", Response(), Response(), Response(BODY[::-1])), published=published)
    assert receipt(record, Path("downloads")) is None
    fetch_archive(record, tmp_path, tmp_path / "out" / "a.tar.gz")
    path = tmp_path / "downloads" / "recorded" / "a.tar.gz.json"
    assert json.loads(path.read_text()) == {
        "file": "a.tar.gz", "bytes": len(BODY), "sha256": SHA256, "address": record.addresses[0]
    }  # fmt: skip
    assert receipt(record, Path("downloads")) == Recorded(
        SHA256, record.addresses[0], Path("downloads/recorded/a.tar.gz.json")
    )

    stored().unlink()
    fetch_archive(record, tmp_path, tmp_path / "again")
    stored().unlink()
    (tmp_path / "out" / "a.tar.gz").unlink()
    message = refusal(record, OUTPUT)
    recorded = "downloads/recorded/a.tar.gz.json"
    assert f"differs from the first download (sha256 {SHA256} recorded in {recorded})" in message
    assert f"if the new one is right, delete {recorded}" in message

    path.unlink()
    fetch_archive(record, tmp_path, tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == BODY[::-1]


def test_a_published_checksum_needs_no_receipt(server: Server, tmp_path: Path) -> None:
    record = archive(server.at("/a"))
    fetch_archive(record, tmp_path, tmp_path / "out" / "a.tar.gz")
    assert receipt(record, Path("downloads")) is None
    assert not (tmp_path / "downloads" / "recorded").exists()


def test_a_checksum_that_is_published_later_outweighs_the_receipt(server: Server, tmp_path: Path) -> None:
    address = server.at("/a", Response(BODY[::-1]), Response())
    fetch_archive(archive(address, published="nothing"), tmp_path, OUTPUT)
    fetch_archive(archive(address, published="md5"), tmp_path, OUTPUT)
    assert_fetched(OUTPUT)


def test_a_damaged_receipt_is_named(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "downloads" / "recorded" / "a.tar.gz.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"file": "a.tar.gz"}')
    message = refusal(archive(server.at("/a"), published="nothing"), OUTPUT)
    assert message == "downloads/recorded/a.tar.gz.json: is no receipt; delete it and fetch a.tar.gz again"


def test_several_archives_are_all_tried(server: Server, tmp_path: Path) -> None:
    addresses = {name: server.at(f"/{name}") for name in "abc"} | {"d": f"{server.at('/e')}/nothing"}
    jobs = [
        FetchJob(
            "sun",
            archive(address, file=f"{name}.tar", sha256="0" * 64 if name == "b" else SHA256),
            tmp_path,
            tmp_path / name,
        )
        for name, address in addresses.items()
    ]
    with pytest.raises(ClipnError, match=r"^b\.tar: .*wrong checksum.*; d\.tar: .*HTTP 404.*[^\n]$"):
        fetch_archives(jobs, parallel=2)
    assert [name for name in addresses if (tmp_path / name).exists()] == ["a", "c"]


@pytest.mark.parametrize(("count", "rest"), [(3, ""), (4, "; and 1 more"), (33, "; and 30 more")])
def test_of_many_failures_three_are_named(tmp_path: Path, count: int, rest: str) -> None:
    jobs = [FetchJob("sun", archive(file=f"{number}.tar"), tmp_path, tmp_path / str(number)) for number in range(count)]
    with pytest.raises(ClipnError) as caught:
        fetch_archives(jobs, parallel=2)
    message = str(caught.value)
    assert re.findall(r"(\w+\.tar): may not be fetched", message) == ["0.tar", "1.tar", "2.tar"]
    assert message.endswith(f"put it at downloads/2.tar: give an address in the registry{rest}")


def test_archives_are_fetched_at_the_same_time(server: Server, tmp_path: Path) -> None:
    jobs = [
        FetchJob("sun", archive(server.at(f"/{name}", Response(stall=9)), file=name), tmp_path, tmp_path / name)
        for name in "ab"
    ]
    thread = Thread(target=fetch_archives, args=(jobs, 2))
    thread.start()
    assert all(server.stalled.acquire(timeout=FAR_TOO_LONG) for _ in jobs)
    server.released.set()
    thread.join(FAR_TOO_LONG)
    assert [(tmp_path / name).read_bytes() == BODY for name in "ab"] == [True, True]


def test_nothing_to_fetch() -> None:
    fetch_archives([], parallel=4)
