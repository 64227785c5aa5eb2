"""What was fetched once is found again: a deleted output costs a look, and no request."""

import shutil
from pathlib import Path

import pytest

from clipn.cli import main as cli
from clipn.data.download import fetch_archive
from clipn.data.registry import Archive
from tests.helpers.fetching import OUTPUT, archive, assert_fetched, part_of, parts, published_fields, refusal, stored
from tests.helpers.server import BODY, Response, Server, running

OTHER = BODY[::-1]
RECORDS = ["sha256", "md5", "bytes", "nothing"]
"""What a record publishes: of the last two the receipt of the first download tells."""


@pytest.fixture(autouse=True)
def _downloads_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def closed() -> str:
    """Address where nobody listens."""
    with Server() as server:
        return server.at("/")


def fetch_again(record: Archive, output: Path = OUTPUT) -> None:
    """Delete the output, as Snakemake does, and fetch once more."""
    output.unlink()
    fetch_archive(record, Path(), output)


@pytest.mark.parametrize("published", RECORDS)
def test_a_deleted_output_comes_back_without_a_server(published: str) -> None:
    with running(Server()) as server:
        record = archive(server.at("/a"), published=published)
        fetch_archive(record, Path(), OUTPUT)
    fetch_again(record)
    assert_fetched(OUTPUT)
    assert OUTPUT.resolve() == stored().resolve()
    assert len(server.log) == 1


def test_the_output_is_a_link_that_moves_with_the_project(server: Server, tmp_path: Path) -> None:
    fetch_archive(archive(server.at("/a")), Path(), tmp_path / "project" / OUTPUT, tmp_path / "project" / "downloads")
    (tmp_path / "project").rename(tmp_path / "moved")
    assert not (tmp_path / "moved" / OUTPUT).readlink().is_absolute()
    assert (tmp_path / "moved" / OUTPUT).read_bytes() == BODY


def test_the_command_of_the_rule(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("config").mkdir()
    fields = archive(server.at("/a"), manual="ask").model_dump_json(exclude_none=True)
    Path("config/own.yaml").write_text(f"datasets: {{sun: {{title: S, reader: flat, archives: [{fields}]}}}}")
    Path("config/weights.yaml").write_text(f"checkpoints: {{c: {{title: C, architecture: A, archive: {fields}}}}}")
    commands = (
        "data fetch sun --file a.tar.gz --registry config/own.yaml --archives out",
        "weights fetch c --registry config/weights.yaml --output out/a.tar.gz",
    )
    for command in commands:
        monkeypatch.setattr("sys.argv", ["clipn", *command.split()])
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.main()
        assert_fetched(OUTPUT)
        OUTPUT.unlink()
    assert len(server.log) == 1


@pytest.mark.parametrize("published", RECORDS)
def test_another_folder_is_served_by_the_same_download(server: Server, published: str) -> None:
    record = archive(server.at("/a"), published=published)
    for output in (OUTPUT, Path("study/b.tar.gz"), Path("downloads/a.tar.gz")):
        fetch_archive(record, Path(), output)
        assert output.read_bytes() == BODY
    assert len(server.log) == 1


def test_in_downloads_the_output_is_the_file_itself_and_found_there(server: Server) -> None:
    record, by_hand = archive(server.at("/a")), Path("downloads/a.tar.gz")
    fetch_archive(record, Path(), by_hand)
    assert not by_hand.is_symlink()
    assert not Path("downloads/sha256").exists()
    fetch_archive(record, Path(), OUTPUT)
    assert OUTPUT.samefile(by_hand)
    assert len(server.log) == 1


# Wrong files, and others of the same name


@pytest.mark.parametrize("published", RECORDS)
@pytest.mark.parametrize("damaged", [OTHER, BODY[:-1], b""])
def test_a_damaged_file_is_named_and_fetched_anew(
    server: Server, capsys: pytest.CaptureFixture[str], published: str, damaged: bytes
) -> None:
    record = archive(server.at("/a"), published=published)
    fetch_archive(record, Path(), OUTPUT)
    stored().write_bytes(damaged)
    fetch_again(record)
    assert_fetched(OUTPUT)
    assert len(server.log) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.endswith("passed over")]
    assert said.startswith(f"{stored()}: ")


def test_a_damaged_file_that_nobody_gives_again_is_refused_and_kept(closed: str) -> None:
    stored().parent.mkdir(parents=True)
    stored().write_bytes(OTHER)
    assert "no response" in refusal(archive(closed), OUTPUT)
    assert stored().read_bytes() == OTHER


@pytest.mark.parametrize("published", ["sha256", "md5"])
def test_two_records_of_one_name_keep_their_files(
    server: Server, capsys: pytest.CaptureFixture[str], published: str
) -> None:
    records = {
        body: archive(server.at(f"/{body[0]}", Response(body)), published=published, body=body)
        for body in (BODY, OTHER)
    }
    for _ in range(2):
        for body, record in records.items():
            fetch_archive(record, Path(), OUTPUT)
            assert_fetched(OUTPUT, body)
    assert [stored(body).read_bytes() == body for body in records] == [True, True]
    assert len(server.log) == 2
    # Each is sound, so there is nothing to say of it.
    assert "passed over" not in capsys.readouterr().err


def test_what_a_record_without_a_checksum_means_is_not_guessed_from_its_name(server: Server) -> None:
    fetch_archive(archive(server.at("/a")), Path(), OUTPUT)
    OUTPUT.unlink()
    fetch_archive(archive(server.at("/b", Response(OTHER)), published="nothing"), Path(), OUTPUT)
    assert_fetched(OUTPUT, OTHER)


def test_without_its_receipt_a_file_is_fetched_anew(server: Server) -> None:
    record = archive(server.at("/a", Response(), Response(OTHER)), published="nothing")
    fetch_archive(record, Path(), OUTPUT)
    shutil.rmtree("downloads/recorded")
    fetch_again(record)
    assert_fetched(OUTPUT, OTHER)


# Edits of the record


@pytest.mark.parametrize("published", RECORDS)
def test_another_address_a_mirror_or_a_checksum_fetches_nothing(server: Server, closed: str, published: str) -> None:
    address = server.at("/a")
    fetch_archive(archive(address, published=published), Path(), OUTPUT)
    Path("mirror").mkdir()
    fetch_archive(archive(address, published=published), Path(), OUTPUT, mirror=Path("mirror"))
    fetch_again(archive(closed, address, published=published))
    for fields in (*published_fields(BODY).values(), {"bytes": len(BODY), "md5": published_fields(BODY)["md5"]["md5"]}):
        fetch_again(archive(address, published=published, **fields))
        assert_fetched(OUTPUT)
    assert len(server.log) == 1


def test_a_file_that_moved_without_a_checksum_must_be_the_same(server: Server) -> None:
    fetch_archive(archive(server.at("/a"), published="nothing"), Path(), OUTPUT)
    fetch_again(archive(server.at("/moved"), published="nothing"))
    assert server.requests == ["/a", "/moved"]
    OUTPUT.unlink()
    other = archive(server.at("/other", Response(OTHER)), published="nothing")
    assert "differs from the first download" in refusal(other, OUTPUT)
    assert stored().read_bytes() == BODY


def test_a_file_address_is_copied_and_not_stored() -> None:
    Path("origin.tar.gz").write_bytes(BODY)
    fetch_archive(archive("origin.tar.gz"), Path(), OUTPUT)
    assert_fetched(OUTPUT)
    assert not OUTPUT.is_symlink()
    assert not stored().exists()


# What broke off


@pytest.mark.parametrize("published", RECORDS)
def test_the_part_survives_its_output(server: Server, published: str) -> None:
    record = archive(server.at("/a", Response(cut=100), Response(b"", 404)), published=published)
    refusal(record, OUTPUT)
    shutil.rmtree(OUTPUT.parent, ignore_errors=True)
    server.at("/a")
    fetch_archive(record, Path(), OUTPUT)
    assert_fetched(OUTPUT)
    assert server.ranges[-1] == "bytes=100-"
    assert server.sent == len(BODY)


def test_a_whole_part_needs_no_server(server: Server, closed: str) -> None:
    refusal(archive(server.at("/a", Response(cut=100), Response(status=404)), bytes=len(BODY)), OUTPUT)
    part_of(archive()).write_bytes(BODY)
    fetch_archive(archive(closed, bytes=len(BODY)), Path(), OUTPUT)
    assert_fetched(OUTPUT)


@pytest.mark.parametrize("published", RECORDS)
def test_a_kill_at_the_last_moment_loses_nothing(monkeypatch: pytest.MonkeyPatch, published: str) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with running(Server()) as server, monkeypatch.context() as killing:
        record = archive(server.at("/a"), published=published)
        killing.setattr("clipn.data.download.keep", kill)
        with pytest.raises(KeyboardInterrupt):
            fetch_archive(record, Path(), OUTPUT)
    fetch_archive(record, Path(), OUTPUT)
    assert_fetched(OUTPUT)
    assert len(server.log) == 1


def test_parts_of_one_name_do_not_disturb_each_other(server: Server) -> None:
    gone = Response(status=404)
    refusal(archive(server.at("/a", Response(cut=100), gone)), OUTPUT)
    refusal(archive(server.at("/b", Response(OTHER, cut=200), gone), body=OTHER), OUTPUT)
    assert len([path for path in parts() if path.suffix == ".part"]) == 2
    for path, body, kept in (("/a", BODY, 100), ("/b", OTHER, 200)):
        fetch_archive(archive(server.at(path, Response(body)), body=body), Path(), OUTPUT)
        assert OUTPUT.read_bytes() == body
        assert server.ranges[-1] == f"bytes={kept}-"
    assert not parts()
