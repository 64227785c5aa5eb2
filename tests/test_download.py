"""Downloads from a server on loopback: what is proven, what is tried next, what is refused."""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clipn.data import download
from clipn.data.download import fetch_archive
from clipn.data.registry import Archive
from clipn.errors import ClipnError

BODY = bytes(range(256)) * 999
PROOFS: dict[str, dict[str, str | int]] = {
    "sha256": {"sha256": hashlib.sha256(BODY).hexdigest()},
    "md5": {"md5": hashlib.md5(BODY).hexdigest()},
    "bytes": {"bytes": len(BODY)},
    "nothing": {},
}
FAR_TOO_LONG = 20.0


@dataclass
class Answer:
    """What the server says to one request; `missing` bytes are promised and not sent."""

    body: bytes = BODY
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    stall: bool = False


class Server(ThreadingHTTPServer):
    """Gives the answers of a path in turn, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[str] = []
        self.closing = threading.Event()

    def at(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers or [Answer()])
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        answers = self.server.answers.get(self.path, [Answer(status=404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body) + answer.missing))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        if answer.stall:
            self.wfile.flush()
            self.server.closing.wait(FAR_TOO_LONG)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join(FAR_TOO_LONG)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a test did not have to wait for."""
    noted: list[float] = []
    monkeypatch.setattr("time.sleep", noted.append)
    return noted


def archive(*addresses: str, proof: str = "sha256", **fields: object) -> Archive:
    return Archive.model_validate({"file": "a.tar.gz", "addresses": list(addresses), **PROOFS[proof], **fields})


def refusal(record: Archive, folder: Path) -> str:
    """The complaint of a fetch that fails and leaves nothing behind."""
    with pytest.raises(ClipnError) as caught:
        fetch_archive(record, folder, folder / "out" / record.file)
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("proof", list(PROOFS))
def test_a_file_that_is_what_the_record_says(server: Server, tmp_path: Path, proof: str) -> None:
    record = archive(server.at("/a"), proof=proof)
    fetch_archive(record, tmp_path, tmp_path / "new" / "a.tar.gz")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.tar.gz"]
    assert (tmp_path / "new" / "a.tar.gz").read_bytes() == BODY


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    moved = Answer(b"", 302, {"Location": server.at("/new/a")})
    fetch_archive(archive(server.at("/old/a", moved)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY
    assert server.requests == ["/old/a", "/new/a"]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_the_encoding_of_an_archive_is_kept(server: Server, tmp_path: Path, encoding: str) -> None:
    """Old servers send a .tar.gz as a gzip-encoded tar; the checksum is that of the stored file."""
    stored = Answer(BODY, headers={"Content-Encoding": encoding})
    fetch_archive(archive(server.at("/a", stored)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY


WRONG = {
    "checksum": (Answer(BODY[::-1]), "wrong checksum: sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}"),
    "size": (Answer(BODY[1:]), "has 255,743 bytes, expected 255,744"),
    "page": (Answer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "a web page instead of a file"),
    "page in capitals": (Answer(b"<html>", headers={"Content-Type": "Text/HTML"}), "a web page instead of a file"),
    "not found": (Answer(status=404), "HTTP 404"),
    "broken off": (Answer(missing=5), "broke off"),
    "redirected in circles": (Answer(b"", 302, {"Location": "/bad"}), "TooManyRedirects"),
}


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(("answer", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_refused_and_the_next_address_tried(
    server: Server, tmp_path: Path, answer: Answer, reason: str
) -> None:
    bad, worse, good = server.at("/bad", answer), server.at("/worse", answer), server.at("/good")
    complaint = refusal(archive(bad, worse, bytes=len(BODY)), tmp_path)
    assert complaint.startswith("a.tar.gz: ")
    assert re.search(rf"{re.escape(bad)}: .*{reason}.*; {re.escape(worse)}: .*{reason}", complaint)
    assert "put it at downloads/a.tar.gz or correct the registry" in complaint

    fetch_archive(archive(bad, good, bytes=len(BODY)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY


def test_a_server_in_trouble_is_asked_again(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    trouble = Answer(status=500)
    fetch_archive(archive(server.at("/a", trouble, trouble, Answer())), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY
    assert pauses == [1, 2]


def test_a_server_in_lasting_trouble_is_given_up(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    assert "HTTP 503" in refusal(archive(server.at("/a", Answer(status=503))), tmp_path)
    assert server.requests == ["/a"] * 3
    assert pauses == [1, 2]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_server_that_says_no_is_not_asked_again(
    server: Server, tmp_path: Path, pauses: list[float], status: int
) -> None:
    assert f"HTTP {status}" in refusal(archive(server.at("/a", Answer(status=status))), tmp_path)
    assert server.requests == ["/a"]
    assert pauses == []


def test_no_server(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    with Server() as closed:
        address = closed.at("/a")
    assert f"{address}: ConnectionError" in refusal(archive(address), tmp_path)
    assert pauses == [1, 2]


def test_a_server_that_falls_silent(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", (1, 0.1))
    assert "broke off" in refusal(archive(server.at("/a", Answer(missing=5, stall=True))), tmp_path)


def test_a_failed_fetch_leaves_the_older_file_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"older")
    with pytest.raises(ClipnError):
        fetch_archive(archive(server.at("/a", Answer(missing=5))), tmp_path, tmp_path / "a.tar.gz")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.tar.gz": b"older"}


@pytest.mark.parametrize("form", ["mirror/an archive.tar", "file://{base}/mirror/an%20archive.tar"])
def test_files_beside_the_registry_and_anywhere(tmp_path: Path, form: str) -> None:
    source = tmp_path / "mirror" / "an archive.tar"
    source.parent.mkdir()
    source.write_bytes(BODY)
    fetch_archive(archive(form.format(base=tmp_path)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY
    source.unlink()
    assert "no such file" in refusal(archive(form.format(base=tmp_path)), tmp_path)


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    assert "cannot fetch by 'ftp'; use http, https or file" in refusal(archive("ftp://127.0.0.1/a"), tmp_path)


def test_an_archive_to_be_fetched_by_hand(tmp_path: Path) -> None:
    complaint = refusal(archive(manual="register at image-net.org"), tmp_path)
    assert "put it at downloads/a.tar.gz: register at image-net.org" in complaint
    assert "give an address in the registry" in refusal(archive(), tmp_path)


def test_a_file_got_by_hand_is_taken_first(server: Server, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.tar.gz").write_bytes(BODY)
    record = archive(proof="sha256", manual="register")
    fetch_archive(record, tmp_path, tmp_path / "out" / "a.tar.gz", tmp_path / "downloads")
    assert (tmp_path / "out" / "a.tar.gz").read_bytes() == BODY
    assert (tmp_path / "downloads" / "a.tar.gz").read_bytes() == BODY


@pytest.mark.parametrize("proof", ["sha256", "md5", "bytes"])
def test_a_wrong_file_got_by_hand_is_refused_and_kept(tmp_path: Path, proof: str) -> None:
    path = tmp_path / "downloads" / "a.tar.gz"
    path.parent.mkdir()
    path.write_bytes(BODY[:-1] + (b"" if proof == "bytes" else b"\0"))
    with pytest.raises(ClipnError, match=r"a\.tar\.gz: .*expected"):
        fetch_archive(archive(proof=proof), tmp_path, tmp_path / "out" / "a.tar.gz", path.parent)
    assert path.exists()
    assert not (tmp_path / "out" / "a.tar.gz").exists()
