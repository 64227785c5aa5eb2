"""Archives come from the first address that gives them, and are what the record says."""

import re
from pathlib import Path

import pytest

from clipn.data.download import fetch_archive, http
from clipn.data.verification.checks import WEB_PAGE, Inspection
from clipn.errors import ClipnError
from tests.helpers.fetching import OUTPUT, archive, published_fields, refusal
from tests.helpers.server import BODY, Response, Server
from tests.helpers.tiny_dataset import write_files

PUBLISHED = published_fields(BODY)
SHA256 = str(PUBLISHED["sha256"]["sha256"])


@pytest.fixture(autouse=True)
def _downloads_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a test did not have to wait for."""
    noted: list[float] = []
    monkeypatch.setattr("time.sleep", noted.append)
    return noted


@pytest.mark.parametrize("published", list(PUBLISHED))
def test_a_file_that_is_what_the_record_says(server: Server, tmp_path: Path, published: str) -> None:
    record = archive(server.at("/a"), published=published)
    fetch_archive(record, tmp_path, tmp_path / "new" / "a.tar.gz")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.tar.gz"]
    assert (tmp_path / "new" / "a.tar.gz").read_bytes() == BODY


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    moved = Response(b"", 302, {"Location": server.at("/new/a")})
    fetch_archive(archive(server.at("/old/a", moved)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY
    assert server.requests == ["/old/a", "/new/a"]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_the_encoding_of_an_archive_is_kept(server: Server, tmp_path: Path, encoding: str) -> None:
    """Old servers send a .tar.gz as a gzip-encoded tar; the checksum is that of the stored file."""
    stored = Response(BODY, headers={"Content-Encoding": encoding})
    fetch_archive(archive(server.at("/a", stored)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY


PAGE = b"\xef\xbb\xbf\n <!DOCTYPE HTML><title>Log in</title>"
WRONG = {
    "checksum": (Response(BODY[::-1]), "wrong checksum: sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}"),
    "size": (Response(BODY[1:]), "has 255,743 bytes, expected 255,744"),
    "endless": (Response(BODY * 2, form="close"), "has more than the expected 255,744 bytes"),
    "page": (Response(PAGE, headers={"Content-Type": "text/html; charset=utf-8"}), "is a web page instead of a file"),
    "page in capitals": (Response(headers={"Content-Type": "Text/HTML"}), "is a web page instead of a file"),
    "page in disguise": (
        Response(PAGE, headers={"Content-Type": "application/gzip"}),
        "is a web page instead of a file",
    ),
    "page of no length": (Response(PAGE, form="chunked"), "is a web page instead of a file"),
    "not found": (Response(status=404), "HTTP 404"),
    "broken off": (Response(cut=0), "broke off after 0 of 255,744 bytes"),
    "redirected in circles": (Response(b"", 302, {"Location": "/bad"}), "redirects more than 10 times"),
    "redirected to nowhere": (Response(b"", 302, {"Location": "ftp://127.0.0.1/"}), "cannot be asked for .*ftp"),
}


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(("response", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_response_is_refused_and_the_next_address_tried(
    server: Server, tmp_path: Path, response: Response, reason: str
) -> None:
    bad, worse, good = server.at("/bad", response), server.at("/worse", response), server.at("/good")
    message = refusal(archive(bad, worse, bytes=len(BODY)), OUTPUT)
    assert message.startswith("a.tar.gz: ")
    assert re.search(rf"{re.escape(bad)}: .*{reason}.*; {re.escape(worse)}: .*{reason}", message)
    assert "put it at downloads/a.tar.gz or correct the registry" in message

    fetch_archive(archive(bad, good, bytes=len(BODY)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY


def test_a_server_in_trouble_is_asked_again(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    trouble = Response(status=500)
    fetch_archive(archive(server.at("/a", trouble, trouble, Response())), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY
    assert pauses == [1, 2]


def test_a_server_in_lasting_trouble_is_given_up(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    assert "HTTP 503" in refusal(archive(server.at("/a", Response(status=503))), OUTPUT)
    assert server.requests == ["/a"] * http.ATTEMPTS
    assert pauses == [1, 2, 4, 8]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_server_that_says_no_is_not_asked_again(
    server: Server, tmp_path: Path, pauses: list[float], status: int
) -> None:
    assert f"HTTP {status}" in refusal(archive(server.at("/a", Response(status=status))), OUTPUT)
    assert server.requests == ["/a"]
    assert pauses == []


def test_no_server(pauses: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Server() as closed:
        address = closed.at("/a")
    assert f"{address}: no response (Connection refused)" in refusal(archive(address), OUTPUT)
    assert pauses == [1, 2, 4, 8]
    said = [f"{address}: no response (Connection refused); again in {seconds:.0f} s" for seconds in pauses]
    assert capsys.readouterr().err.splitlines() == said


def test_a_failed_fetch_leaves_the_older_file_alone(server: Server, tmp_path: Path, pauses: list[float]) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"older")
    with pytest.raises(ClipnError):
        fetch_archive(archive(server.at("/a", Response(cut=5))), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == b"older"
    assert pauses


def test_a_page_is_known_by_its_first_bytes_however_they_come() -> None:
    inspection = Inspection(archive())
    for byte in PAGE[:-1]:
        inspection.update(bytes([byte]))
    assert inspection.early_error() == WEB_PAGE
    inspection.restart()
    inspection.update(BODY + PAGE)
    assert inspection.early_error() is None


def test_the_name_may_say_that_a_file_is_a_page(server: Server, tmp_path: Path) -> None:
    address = server.at("/a", Response(PAGE, headers={"Content-Type": "text/html"}))
    fetch_archive(archive(address, file="a.html", body=PAGE), tmp_path, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == PAGE


def test_a_body_whose_end_cannot_be_told_needs_a_size_or_a_checksum(server: Server, tmp_path: Path) -> None:
    address = server.at("/a", Response(form="close"))
    assert "enter `bytes` or a checksum" in refusal(archive(address, published="nothing"), OUTPUT)
    for published in ("sha256", "md5", "bytes"):
        fetch_archive(archive(address, published=published), tmp_path, tmp_path / published)
        assert (tmp_path / published).read_bytes() == BODY


@pytest.mark.parametrize("form", ["mirror/an archive.tar", "file://{base}/mirror/an%20archive.tar"])
def test_files_beside_the_registry_and_anywhere(tmp_path: Path, form: str) -> None:
    source = tmp_path / "mirror" / "an archive.tar"
    source.parent.mkdir()
    source.write_bytes(BODY)
    fetch_archive(archive(form.format(base=tmp_path)), tmp_path, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == BODY
    source.write_bytes(BODY[::-1])
    assert "wrong checksum" in refusal(archive(form.format(base=tmp_path)), OUTPUT)
    source.unlink()
    assert "no such file" in refusal(archive(form.format(base=tmp_path)), OUTPUT)


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    assert "cannot fetch by 'ftp'; use http, https, file or package" in refusal(archive("ftp://127.0.0.1/a"), OUTPUT)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of an installed package."""
    site = write_files(tmp_path / "site", {"clip_weights/a.bin": BODY, "clip_weights-1.2.dist-info/METADATA": METADATA})
    monkeypatch.syspath_prepend(site)
    return site / "clip_weights/a.bin"


METADATA = b"Metadata-Version: 2.1\nName: clip-weights\nVersion: 1.2\n"
PACKAGED = "package:clip-weights=={}/clip_weights/a.bin"


def test_a_file_of_an_installed_package(tmp_path: Path, package: Path) -> None:
    fetch_archive(archive(PACKAGED.format("1.2")), tmp_path, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    package.write_bytes(BODY[::-1])
    assert "wrong checksum" in refusal(archive(PACKAGED.format("1.2")), OUTPUT)
    package.unlink()
    assert "no such file" in refusal(archive(PACKAGED.format("1.2")), OUTPUT)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (PACKAGED.format("1.3"), "clip-weights 1.2 is installed; run `pip install clip-weights==1.3`"),
        ("package:no-such-weights==1/a", "is not installed; run `pip install no-such-weights==1`"),
        ("package:clip-weights/a.bin", "is not of the form package:NAME==VERSION/PATH"),
        ("package:", "is not of the form package:NAME==VERSION/PATH"),
    ],
)
def test_a_package_that_is_not_here(address: str, reason: str) -> None:
    assert f"{address}: {reason}; put it at downloads/a.tar.gz" in refusal(archive(address), OUTPUT)


def test_an_archive_to_be_fetched_by_hand(tmp_path: Path) -> None:
    message = refusal(archive(manual="register at image-net.org"), OUTPUT)
    assert "put it at downloads/a.tar.gz: register at image-net.org" in message
    assert "give an address in the registry" in refusal(archive(), OUTPUT)
