"""Everything that may go wrong on the way ends with the right file or one clear line, and the next run goes on."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from benchmarks.faults import KINDS, OUTCOMES, survey
from clipn.data.download import fetch_archive, http
from tests.helpers.fetching import archive, assert_fetched, part_of, parts, refusal
from tests.helpers.server import BODY, Response, SecureServer, Server, running

OTHER = BODY[::-1]
SIZE = len(BODY)


@pytest.fixture(autouse=True)
def pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a test did not have to wait for; time stands still."""
    noted: list[float] = []
    monkeypatch.setattr(http, "clock", lambda: 0.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", noted.append)
    return noted


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a.tar.gz"


@pytest.mark.parametrize("form", ["length", "chunked", "close"])
@pytest.mark.parametrize("cut", [1, 255, 511, 512, 513, 65_536, SIZE - 1])
def test_a_connection_that_is_cut_goes_on_where_it_was(server: Server, output: Path, cut: int, form: str) -> None:
    address = server.at("/a", Response(cut=cut, form=form), Response())
    fetch_archive(archive(address, bytes=SIZE), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, f"bytes={cut}-"]
    assert server.sent == SIZE


@pytest.mark.parametrize("published", ["sha256", "md5", "bytes", "nothing"])
def test_no_byte_comes_twice_however_often_it_is_cut(server: Server, output: Path, published: str) -> None:
    cuts = range(10_000, SIZE, 10_000)
    address = server.at("/a", *(Response(cut=cut) for cut in cuts), Response())
    fetch_archive(archive(address, published=published), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, *(f"bytes={cut}-" for cut in cuts)]
    assert server.sent == SIZE


def test_a_server_without_ranges_starts_over(server: Server, output: Path) -> None:
    fetch_archive(archive(server.at("/a", Response(cut=9), Response(ranges=False))), Path(), output)
    assert_fetched(output)
    assert server.sent == 9 + SIZE


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server: Server, output: Path) -> None:
    address = server.at("/a", Response(cut=9, ranges=False))
    assert f"{address}: broke off after 9 of 255,744 bytes; run again to go on" in refusal(archive(address), output)
    assert len(server.log) == http.ATTEMPTS


def test_a_server_that_breaks_off_here_and_there_is_given_up(server: Server, output: Path) -> None:
    responses = [Response(cut=cut, ranges=False) for cut in (9, 5) * 9]
    assert "broke off" in refusal(archive(server.at("/a", *responses)), output)
    assert len(server.log) == http.ATTEMPTS


def test_the_next_run_goes_on(server: Server, output: Path) -> None:
    address = server.at("/a", Response(cut=100), Response(status=503))
    record = archive(address, published="nothing")
    assert "HTTP 503; run again to go on" in refusal(record, output)
    assert part_of(record).read_bytes() == BODY[:100]
    server.at("/a")
    fetch_archive(record, Path(), output)
    assert_fetched(output)
    assert server.ranges[-1] == "bytes=100-"


def test_what_is_complete_is_not_asked_for_again(server: Server, output: Path) -> None:
    address = server.at("/a", Response(cut=100), Response(status=404))
    refusal(archive(address), output)
    part_of(archive()).write_bytes(BODY)
    asked = len(server.log)
    fetch_archive(archive(address, bytes=SIZE), Path(), output)
    assert_fetched(output)
    assert len(server.log) == asked


@pytest.mark.parametrize(("left", "expected"), [(OTHER, [None]), (BODY + b"1", [f"bytes={SIZE + 1}-", None])])
def test_a_part_that_was_spoilt_is_fetched_as_a_whole(
    server: Server, output: Path, left: bytes, expected: list[str | None]
) -> None:
    address = server.at("/a", Response(cut=100), Response(status=404))
    refusal(archive(address), output)
    part_of(archive()).write_bytes(left)
    server.at("/a")
    server.log.clear()
    fetch_archive(archive(address, bytes=SIZE), Path(), output)
    assert_fetched(output)
    assert server.ranges == expected


@pytest.mark.parametrize("left", [b"", BODY[:9], BODY + b"1"])
def test_a_part_of_unknown_origin_is_dropped(server: Server, output: Path, left: bytes) -> None:
    part = part_of(archive())
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    part.with_suffix(".part.json").write_text("{")
    fetch_archive(archive(server.at("/a")), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None]


def test_a_resumed_file_that_is_wrong_is_fetched_once_more_as_a_whole(server: Server, output: Path) -> None:
    fetch_archive(archive(server.at("/a", Response(OTHER, cut=9, tag=None), Response(tag=None))), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=9-", None]


def test_a_file_that_stays_wrong_leaves_nothing_to_go_on_from(server: Server, output: Path) -> None:
    address = server.at("/a", Response(OTHER, cut=9), Response(OTHER))
    assert "wrong checksum" in refusal(archive(address), output)
    assert server.ranges == [None, "bytes=9-", None]
    assert not parts()


@pytest.mark.parametrize("published", ["sha256", "nothing"])
@pytest.mark.parametrize("checks_tag", [True, False])
def test_a_file_that_changed_in_between_starts_over(
    server: Server, output: Path, pauses: list[float], published: str, checks_tag: bool
) -> None:
    address = server.at("/a", Response(OTHER, cut=9), Response(checks_tag=checks_tag))
    fetch_archive(archive(address, published=published), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=9-", *([] if checks_tag else [None])]
    assert len(pauses) == len(server.ranges) - 1


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_checksum_only_a_named_version_is_gone_on_with(server: Server, output: Path, tag: str | None) -> None:
    fetch_archive(
        archive(server.at("/a", Response(cut=9, tag=tag), Response(tag=tag)), published="bytes"), Path(), output
    )
    assert_fetched(output)
    assert server.ranges == [None, None]


def test_a_time_of_change_names_a_version_too(server: Server, output: Path) -> None:
    dated = {"Last-Modified": "Fri, 20 Nov 2026 10:00:00 GMT"}
    responses = Response(cut=9, tag=None, headers=dated), Response(tag=None, headers=dated, checks_tag=False)
    fetch_archive(archive(server.at("/a", *responses), published="bytes"), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=9-"]


@pytest.mark.parametrize(("published", "expected"), [("sha256", "bytes=9-"), ("md5", "bytes=9-"), ("bytes", None)])
def test_only_a_checksum_lets_another_address_go_on(
    server: Server, output: Path, published: str, expected: str | None
) -> None:
    bad, good = server.at("/bad", Response(cut=9), Response(status=404)), server.at("/good")
    fetch_archive(archive(bad, good, published=published), Path(), output)
    assert_fetched(output)
    assert (server.requests[-1], server.ranges[-1]) == ("/good", expected)


@pytest.mark.parametrize("shift", [1, -1, SIZE])
def test_a_wrong_range_starts_over(server: Server, output: Path, shift: int) -> None:
    fetch_archive(archive(server.at("/a", Response(cut=9), Response(shift=shift)), published="bytes"), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=9-", None]


@pytest.mark.parametrize("form", ["length", "chunked"])
def test_a_response_that_hides_the_total_does_not_hide_a_cut(server: Server, output: Path, form: str) -> None:
    hidden = Response(headers={"Content-Range": "bytes 1000-1999/*"}, announced=1000, cut=2000)
    address = server.at("/a", Response(form=form, cut=1000), hidden, Response())
    fetch_archive(archive(address, published="nothing"), Path(), output)
    assert_fetched(output)


def test_a_part_that_nobody_asked_for_is_refused(server: Server, output: Path) -> None:
    headers = {"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}
    assert "HTTP 206 without a request" in refusal(
        archive(server.at("/a", Response(status=206, headers=headers))), output
    )


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_trouble_is_waited_for(server: Server, output: Path, pauses: list[float], status: int) -> None:
    trouble = Response(b"", status)
    fetch_archive(archive(server.at("/a", trouble, trouble, Response())), Path(), output)
    assert_fetched(output)
    assert pauses == [1, 2]


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("7", 7),
        ("180", 180),
        ("0", 1),
        (format_datetime(datetime.now(UTC) - timedelta(hours=9), usegmt=True), 1),
        ("soon", 1),
        ("Fri, 20 Nov 99999 10:00:00 GMT", 1),
        ("Fri, 20 Nov 9999999999999999999 10:00:00 GMT", 1),
        ("9" * 5000, 1),
    ],
    # Processes that share the tests must agree on their names, so that none tells the time.
    ids=["seconds", "the longest", "zero", "a past date", "no date", "year 99999", "a longer year", "5000 digits"],
)
def test_a_server_says_how_long_to_wait(
    server: Server, output: Path, pauses: list[float], asked: str, pause: float
) -> None:
    fetch_archive(archive(server.at("/a", Response(b"", 429, {"Retry-After": asked}), Response())), Path(), output)
    assert_fetched(output)
    assert pauses == [pause]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (lambda: "181", "181"),
        (lambda: "99999999", "99,999,999"),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(hours=9), usegmt=True), r"32,[34]\d\d"),
        (lambda: "Fri, 31 Dec 9999 10:00:00 GMT", r"[\d,]+"),
    ],
    ids=["a little more", "three years", "a date", "a far date"],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_too_long_is_not_waited_for(
    server: Server, output: Path, pauses: list[float], status: int, asked: Callable[[], str], seconds: str
) -> None:
    address = server.at("/a", Response(b"", status, {"Retry-After": asked()}))
    what = rf"^a\.tar\.gz: {address}: HTTP {status}, asks to wait {seconds} seconds; put it at"
    assert re.match(what, refusal(archive(address), output))
    fetch_archive(archive(address, server.at("/b")), Path(), output)
    assert_fetched(output)
    assert pauses == []


def test_all_that_a_server_asks_to_wait_is_bounded(
    server: Server, output: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "clock", lambda: sum(pauses))
    address = server.at("/a", Response(b"", 429, {"Retry-After": "70"}))
    assert "HTTP 429, asks to wait 70 seconds" in refusal(archive(address), output)
    assert pauses == [70, 70]


def test_a_server_that_falls_silent_is_asked_for_the_rest(
    server: Server, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.1))
    fetch_archive(archive(server.at("/a", Response(stall=9), Response())), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=9-"]


@pytest.fixture
def trickle(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[Response]]:
    """Responses that give nine bytes each and no more."""
    monkeypatch.setattr(http, "WINDOW", 0.1)
    monkeypatch.setattr(http, "clock", time.monotonic)
    return lambda number: [Response(stall=9 * one) for one in range(1, number + 1)]


Trickle = Callable[[int], list[Response]]


def test_a_trickle_is_cut_and_gone_on_from(server: Server, output: Path, trickle: Trickle) -> None:
    fetch_archive(archive(server.at("/a", *trickle(3), Response())), Path(), output)
    assert_fetched(output)
    assert server.ranges == [None, "bytes=9-", "bytes=18-", "bytes=27-"]
    assert server.sent == SIZE


def test_a_lasting_trickle_is_given_up_for_the_next_address(server: Server, output: Path, trickle: Trickle) -> None:
    fetch_archive(archive(server.at("/slow", *trickle(http.ATTEMPTS)), server.at("/fast")), Path(), output)
    assert_fetched(output)
    assert server.requests == ["/slow"] * http.ATTEMPTS + ["/fast"]
    assert server.sent == SIZE


@pytest.mark.parametrize("announced", [SIZE - 1, SIZE + 1])
def test_a_wrong_length_is_refused_before_the_body_is_read(server: Server, output: Path, announced: int) -> None:
    address = server.at("/a", Response(announced=announced))
    assert f"has {announced:,} bytes, expected {SIZE:,}" in refusal(archive(address, published="bytes"), output)
    assert not parts()


def test_a_body_without_end_is_given_up(server: Server, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.5))
    address = server.at("/a", Response(BODY * 2, form="close", stall=SIZE + 1))
    assert "has more than the expected 255,744 bytes" in refusal(archive(address, published="bytes"), output)
    assert len(server.log) == 1


def test_a_promise_of_too_many_bytes_is_a_cut(server: Server, output: Path) -> None:
    address = server.at("/a", Response(announced=SIZE + 1, ranges=False))
    assert "broke off after 255,744 of 255,745 bytes" in refusal(archive(address, published="nothing"), output)


@pytest.mark.parametrize("wrong", [OTHER, BODY[:-1] + b"\0", b"\1" + BODY[1:]])
@pytest.mark.parametrize("published", ["sha256", "md5"])
def test_wrong_bytes_are_refused(server: Server, output: Path, wrong: bytes, published: str) -> None:
    assert f"wrong checksum: {published} is" in refusal(
        archive(server.at("/a", Response(wrong)), published=published), output
    )
    assert not parts()


@pytest.mark.parametrize("page", [b"<html>", b"\r\n<!doctype html>", b"\xef\xbb\xbf <!DOCTYPE  HTML "])
@pytest.mark.parametrize("published", ["sha256", "bytes", "nothing"])
def test_a_page_is_named_as_one(server: Server, output: Path, page: bytes, published: str) -> None:
    response = Response(page + b"<p>Please log in", headers={"Content-Type": "application/octet-stream"})
    assert "is a web page instead of a file" in refusal(archive(server.at("/a", response), published=published), output)
    assert not parts()


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(
    tmp_path: Path, output: Path, pauses: list[float]
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the command openssl")
    pem = str(tmp_path / "server.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", pem, "-out", f"{pem}.crt"], check=True, capture_output=True)
    Path(pem).write_text(Path(pem).read_text() + Path(f"{pem}.crt").read_text())
    with running(SecureServer(pem)) as server:
        assert re.search(
            r"no secure connection \(.*certificate verify failed", refusal(archive(server.at("/a")), output)
        )
    assert pauses == []


def test_a_server_that_does_not_speak_tls_is_refused_at_once(server: Server, output: Path, pauses: list[float]) -> None:
    assert "no secure connection" in refusal(archive(server.at("/a").replace("http:", "https:")), output)
    assert pauses == []


def test_what_does_not_fit_on_the_disk_is_not_begun(
    server: Server, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SIZE - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(SIZE, 1, free))
    what = f"not enough disk space for the {SIZE:,} bytes still to come ({free:,} are free)"
    assert what in refusal(archive(server.at("/a"), published="nothing"), output)


def test_no_wrong_file_is_ever_accepted() -> None:
    found = survey(cases=40, seed=1)
    assert set(found) <= set(KINDS)
    assert sum(count for outcomes in found.values() for count in outcomes.values()) == 40
    assert sum(outcomes["wrong"] for outcomes in found.values()) == 0
    assert all(sum(outcomes[name] for outcomes in found.values()) for name in OUTCOMES[:2])
