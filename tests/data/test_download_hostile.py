"""A server can neither fill the disk nor hold a fetch for ever, whatever it sends and however slowly."""

import re
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipn.data.download import fetch_archive, http, response
from tests.helpers.fetching import archive, assert_fetched, parts, refusal
from tests.helpers.hostile_server import OK, PAUSE, hostile
from tests.helpers.server import BODY, Response, Server

SIZE = len(BODY)
LIMIT = 1_000_000
BLOCK = b"\1" * 65_536
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + BLOCK + b"\r\n"


@pytest.fixture(autouse=True)
def small_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(response, "LARGEST", LIMIT)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a.tar.gz"


# Size


@pytest.mark.parametrize(
    ("first", "again"), [(CHUNKED, CHUNK), (OK + b"\r\n", BLOCK)], ids=["chunks", "until it closes"]
)
def test_a_body_without_end_is_refused_at_the_limit(output: Path, first: bytes, again: bytes) -> None:
    with hostile(first, again) as (address, server):
        message = refusal(archive(address), output)
    # How much has come by then is the size of a block, and depends on how fast it is sent.
    size = r"has [1-9],\d{3},\d{3} bytes or more, above 1,000,000"
    assert re.search(rf"{address}: {size}; if that is right, enter `bytes`; put it at", message)
    assert not parts()
    assert server.sent < 50 * LIMIT  # what lay in buffers


def test_an_announced_size_above_the_limit_is_refused_at_once(output: Path) -> None:
    with hostile(OK + b"Content-Length: 1000001\r\n\r\n", b"", pause=PAUSE) as (address, _):
        assert "has 1,000,001 bytes or more, above 1,000,000" in refusal(archive(address, published="md5"), output)
    assert not parts()


def test_a_rest_above_the_limit_is_refused(server: Server, output: Path) -> None:
    rest = Response(status=206, headers={"Content-Range": f"bytes 9-99/{LIMIT + 1}"})
    assert "has 1,000,001 bytes or more" in refusal(
        archive(server.at("/a", Response(cut=9, form="chunked"), rest)), output
    )
    assert not parts()


@pytest.mark.parametrize("header", ["bytes {}-9/99", "bytes 9-{}/99", "bytes 9-99/{}"])
def test_numbers_without_end_are_no_range(server: Server, output: Path, header: str) -> None:
    rest = Response(status=206, headers={"Content-Range": header.format("9" * 5000)})
    fetch_archive(archive(server.at("/a", Response(cut=9), rest, Response())), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=9-", None]


def test_a_length_without_end_is_none(server: Server, output: Path) -> None:
    address = server.at("/a", Response(headers={"Content-Length": "9" * 5000}))
    assert "neither the server nor the record says" in refusal(archive(address, published="nothing"), output)
    fetch_archive(archive(address), Path(), output)
    assert_fetched(output)


def test_the_record_raises_the_limit(server: Server, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "LARGEST", SIZE - 1)
    address = server.at("/a")
    assert "has 255,744 bytes or more, above 255,743" in refusal(archive(address), output)
    fetch_archive(archive(address, bytes=SIZE), Path(), output)
    assert_fetched(output)


@pytest.fixture
def small_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
def test_a_body_without_end_does_not_keep_the_disk_full(output: Path) -> None:
    with hostile(CHUNKED, CHUNK) as (address, _):
        message = refusal(archive(address), output)
    assert message.endswith(
        "not enough disk space for the bytes still to come (File too large); free some and run again"
    )
    assert not parts()


# Time


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "RESPONSE", 1.0)
    monkeypatch.setattr(http, "WINDOW", 0.3)
    monkeypatch.setattr(http, "ATTEMPTS", 1)


SILENT, SLOW = "no response within 1 seconds", "gave less than 10,000 bytes per second for 0 seconds"
ENDLESS = {
    "slow head": (b"HTTP/1.1 200 OK\r\nA: ", b"a", PAUSE, SILENT),
    "slow status": (b"", b"H", PAUSE, SILENT),
    "slow interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", PAUSE, SILENT),
    "fast interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0, SILENT),
    "slow body": (OK + b"Content-Length: 900000\r\n\r\n", b"1", PAUSE, SLOW),
    "slow chunks": (CHUNKED, b"1\r\n1\r\n", PAUSE, SLOW),
    "slow chunk size": (CHUNKED + b"1", b"0", PAUSE, SLOW),
    "slow chunk extension": (CHUNKED + b"1;", b"a", PAUSE, SLOW),
    "slow trailer": (CHUNKED + b"1\r\n1\r\n0\r\n", b"A: b\r\n", PAUSE, SLOW),
    "fast trailer": (CHUNKED + b"1\r\n1\r\n0\r\n", b"A: b\r\n", 0, SLOW),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", ENDLESS)
def test_a_server_that_never_ends_is_given_up(output: Path, case: str) -> None:
    first, again, pause, what = ENDLESS[case]
    with hostile(first, again, pause) as (address, _):
        assert f"{address}: {what}" in refusal(archive(address), output)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_ends_leaves_the_next_address_to_be_asked(server: Server, output: Path) -> None:
    first, again, pause, _ = ENDLESS["slow trailer"]
    with hostile(first, again, pause) as (address, _):
        fetch_archive(archive(address, server.at("/b")), Path(), output)
    assert_fetched(output)


def test_the_body_of_a_redirection_is_not_read(server: Server, output: Path) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {server.at('/b')}\r\n\r\n"
    with hostile(head.encode(), BLOCK) as (address, hostile_server):
        fetch_archive(archive(address), Path(), output)
    assert_fetched(output)
    assert hostile_server.sent < 50 * LIMIT
