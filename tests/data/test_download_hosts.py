"""A host that is silent is waited for once per command, and nothing but that host is given up."""

from pathlib import Path

import pytest

from clipn.data.download import FetchJob, fetch_archives, http
from clipn.errors import ClipnError
from tests.helpers.fetching import archive
from tests.helpers.server import BODY, Response, Server

IN_VAIN = http.ATTEMPTS - 1
"""Pauses for one archive that does not come."""


@pytest.fixture
def silent() -> str:
    """Address where nobody listens."""
    with Server() as closed:
        return closed.at("/")


@pytest.fixture(autouse=True)
def pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a test did not have to wait for; time stands still."""
    noted: list[float] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(http, "clock", lambda: 0.0)
    monkeypatch.setattr("time.sleep", noted.append)
    return noted


def fetch(**addresses: list[str]) -> str:
    """Fetch one file of each name after the other; returns the message of their failures."""
    jobs = [
        FetchJob("cc3m", archive(*urls, file=f"{name}.tar"), Path(), Path("out", name))
        for name, urls in addresses.items()
    ]
    try:
        fetch_archives(jobs, parallel=1)
    except ClipnError as error:
        return str(error)
    return ""


def test_a_silent_host_is_waited_for_once(silent: str, pauses: list[float]) -> None:
    message = fetch(a=[f"{silent}a"], b=[f"{silent}b"], c=[f"{silent}c"])
    assert len(pauses) == IN_VAIN
    host = silent.split("/")[2]
    assert f"a.tar: {silent}a: no response (Connection refused); put it at" in message
    assert f"b.tar: {silent}b: not asked, as {host} gave no response before; put it at" in message
    assert f"c.tar: {silent}c: not asked, as {host}" in message


def test_the_other_addresses_of_a_file_are_asked(server: Server, silent: str, pauses: list[float]) -> None:
    assert fetch(a=[f"{silent}a", server.at("/a")], b=[f"{silent}b", server.at("/b")]) == ""
    assert [Path("out", name).read_bytes() == BODY for name in "ab"] == [True, True]
    assert len(pauses) == IN_VAIN


def test_of_a_redirection_only_the_silent_end_is_given_up(server: Server, silent: str, pauses: list[float]) -> None:
    moved = Response(b"", 302, {"Location": silent})
    message = fetch(a=[server.at("/a", moved)], b=[server.at("/b", moved)], c=[server.at("/c")])
    assert "not asked" in message
    assert server.requests == ["/a"] * http.ATTEMPTS + ["/b", "/c"]
    assert Path("out/c").read_bytes() == BODY
    assert len(pauses) == IN_VAIN


@pytest.mark.parametrize("trouble", [Response(status=503), Response(cut=0)])
def test_a_host_in_trouble_is_asked_for_the_next_file(server: Server, trouble: Response) -> None:
    assert "a.tar: " in fetch(a=[server.at("/a", trouble)], b=[server.at("/b")])
    assert Path("out/b").read_bytes() == BODY


def test_the_next_command_asks_again(silent: str, pauses: list[float]) -> None:
    for _ in range(2):
        assert "no response" in fetch(a=[f"{silent}a"])
    assert len(pauses) == 2 * IN_VAIN
