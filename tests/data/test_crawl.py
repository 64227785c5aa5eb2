"""The crawl is judged by what came, goes on where it was, and asks again only for what failed."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server, socket

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipn.data.crawl import process as crawl_process
from clipn.data.shards import read_samples
from clipn.data.shards.build import build_shards
from tests.helpers.crawl_work import CAME, FIRST_ROW, SOURCE, URLS, Work, work_in, write_captions
from tests.helpers.crawler import picture


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return work_in(tmp_path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl_process, "POLL_SECONDS", 0.02)


# What comes, and what is said of it


def test_images_that_came_are_found_by_their_rows(work: Work) -> None:
    work.crawl()
    assert work.images() == {number: picture(URLS[number]) for number in CAME}


def test_the_report(work: Work) -> None:
    report = work.crawl()
    assert len(report.pop("images_sha256")) == 64
    assert report == {
        "source": "cc3m",
        "rows": 7,
        "images": 5,
        "share": 0.714286,
        "rounds": [
            {"rows": 7, "images": 4, "failed_to_download": 2, "failed_to_resize": 1},
            {"rows": 3, "images": 1, "failed_to_download": 1, "failed_to_resize": 1},
        ],
        "failures": {"failed_to_download": 1, "failed_to_resize": 1},
        "errors": {"HTTP Error 404: Not Found": 1, "image decoding error": 1},
        "of_paper": {"trained_on": 20, "share": 0.25},
    }


def test_a_later_round_asks_only_for_what_failed(work: Work) -> None:
    work.crawl(rounds=3)
    assert work.fetched() == [list(range(7)), [1, 3, 4], [1, 4]]


def test_no_round_follows_when_all_came(tmp_path: Path) -> None:
    work = work_in(tmp_path, ["ok/0", "ok/1"])
    assert work.crawl(rounds=3)["share"] == 1.0
    assert work.fetched() == [[0, 1]]


def test_a_second_run_fetches_nothing(work: Work) -> None:
    first = work.crawl()
    assert work.crawl() == first
    assert len(work.fetched()) == 2


def test_more_rounds_can_follow_later(work: Work) -> None:
    work.crawl(rounds=1)
    assert work.crawl(rounds=2)["images"] == 5
    assert work.fetched() == [list(range(7)), [1, 3, 4]]


def test_no_machine_paths_in_the_report(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAWLER_FAULT", "kill")
    work.crawl(rounds=1, min_success=0)
    assert str(work.folder) not in work.report.read_text()


# What goes wrong


def test_all_failed_is_an_error_and_a_later_run_tries_again(tmp_path: Path) -> None:
    work = work_in(tmp_path, ["404/0", "odd/1", "404/2"])
    message = r"all 3 downloads failed, most often (2 times) 'HTTP Error 404: Not Found'; see to the connection"
    assert message in work.refusal(min_success=0)
    work.refusal()
    assert work.fetched() == [[0, 1, 2], [0, 1, 2]]


def test_too_few_images(work: Work) -> None:
    message = work.refusal(min_success=0.8)
    assert "cc3m: 5 of 7 images came (71.4%)" in message
    assert "1 failed_to_download, 1 failed_to_resize" in message
    assert work.crawl(min_success=0.7)["images"] == 5
    assert len(work.fetched()) == 2


def test_a_shard_without_statistics_is_fetched_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAWLER_FAULT", "kill:1")
    work.crawl()
    assert work.fetched() == [list(range(7)), [3, 4, 5, 6], [1, 3, 4]]
    assert sorted(work.images()) == CAME


@pytest.mark.parametrize("fault", ["lose_row", "lose_image", "cut_stats"])
def test_shards_that_are_not_whole_are_fetched_again(work: Work, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setenv("CRAWLER_FAULT", f"{fault}:1")
    work.crawl()
    assert work.fetched() == [list(range(7)), [3, 4, 5], [1, 3, 4]]
    assert sorted(work.images()) == CAME


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("lose_row", "00001.parquet: holds 2 rows, of 3"),
        ("lose_image", "00001.tar: holds 0 images, of 1"),
        ("cut_stats", "00001_stats.json: not valid JSON"),
    ],
)
def test_shards_that_stay_faulty_are_failures(
    work: Work, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str
) -> None:
    monkeypatch.setenv("CRAWLER_FAULT", f"{fault}:2")
    report = work.crawl(rounds=1, min_success=0)
    assert report["failures"] == {"unfinished": 3, "failed_to_download": 1}
    assert next(iter(report["errors"])).startswith(reason)
    assert work.crawl(rounds=1)["images"] == 4  # a later run tries the shard again


def test_rows_of_a_faulty_shard_have_a_later_round(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAWLER_FAULT", "lose_row:2")
    assert work.crawl()["images"] == 5
    assert work.fetched() == [list(range(7)), [3, 4, 5], [1, 3, 4, 5]]


def test_a_foreign_file_is_named(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAWLER_FAULT", "foreign")
    assert "round0/notes.json: img2dataset did not write this; move it elsewhere" in work.refusal()
    (work.folder / "round0" / "notes.json").unlink()
    monkeypatch.delenv("CRAWLER_FAULT")
    assert work.crawl()["images"] == 5


def test_a_crawler_that_breaks_down(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAWLER_FAULT", "fail")
    message = work.refusal()
    assert "img2dataset.log: img2dataset ended with status 1 (ModuleNotFoundError: No module named 'imghdr')" in message


def test_a_crawler_that_hangs_is_ended(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl_process, "STALL_SECONDS", 1.5)
    monkeypatch.setenv("CRAWLER_FAULT", "hang:1")
    assert work.crawl()["images"] == 5
    assert len(work.fetched()) == 3


def test_a_crawler_that_is_not_installed(work: Work) -> None:
    work.executable.unlink()
    assert work.refusal().endswith("img2dataset: img2dataset is not installed; run `make crawler`")


def test_a_source_without_addresses(tmp_path: Path) -> None:
    assert "captions.parquet: holds no address of 'cc3m'" in work_in(tmp_path, []).refusal()


def test_another_crawl_in_the_folder(work: Work) -> None:
    work.crawl()
    work.report.unlink()
    assert "round0.parquet: lists other addresses or sizes than asked for" in work.refusal(image_size=128)
    write_captions(work.captions, [*URLS[:-1], "ok/other"])
    assert "round0.parquet: lists other addresses" in work.refusal()


def test_other_captions_of_the_same_addresses_need_no_other_crawl(work: Work) -> None:
    work.crawl()
    table = pq.read_table(work.captions)
    changed = pa.array([f"{text}!" for text in table["caption"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("caption"), "caption", changed), work.captions)
    assert work.crawl()["images"] == 5
    assert len(work.fetched()) == 2


# Interruptions

RUN = """
import signal, sys
from pathlib import Path
from tests.helpers.crawl_work import Work

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
Work(*map(Path, sys.argv[1:])).crawl()
"""


@contextmanager
def interrupted(work: Work, number: signal.Signals, status: int) -> Iterator[socket]:
    """Signal a crawl in another process once its first shard is done; yields the connection to its crawler."""
    with create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        environment = {"CRAWLER_FAULT": "meet:1", "CRAWLER_PORT": str(server.getsockname()[1])}
        command = [sys.executable, "-c", RUN, *map(str, work)]
        with subprocess.Popen(command, cwd=Path(__file__).parents[2], env=os.environ | environment) as process:
            connection, _ = server.accept()
            process.send_signal(number)
            assert process.wait(30) == status
    with connection:
        connection.settimeout(30)
        yield connection


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_an_interruption_ends_the_crawler(work: Work, number: signal.Signals, status: int) -> None:
    with interrupted(work, number, status) as crawler_at_work:
        assert crawler_at_work.recv(1) == b""
    assert work.crawl()["images"] == 5
    assert work.fetched() == [list(range(7)), [3, 4, 5, 6], [1, 3, 4]]


def test_a_crawler_that_outlives_a_kill_is_waited_for(work: Work) -> None:
    with interrupted(work, signal.SIGKILL, -signal.SIGKILL) as crawler_at_work:
        with (work.folder / "lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        crawler_at_work.send(b".")
    assert work.crawl()["images"] == 5
    assert work.fetched() == [list(range(7)), [1, 3, 4]]


# Built into shards


def built(work: Work) -> Path:
    folder = work.captions.parent / "shards"
    build_shards(
        work.captions,
        {"cc3m": SOURCE, "flickr": SOURCE},
        {"cc3m": work.folder, "flickr": work.folder},
        [folder / "0.tar", folder / "1.tar"],
        folder / "index.parquet",
        folder / "statistics.json",
    )
    return folder


def test_two_crawls_of_the_same_images_give_the_same_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = work_in(tmp_path / "one"), work_in(tmp_path / "two")
    first = one.crawl()
    monkeypatch.setenv("CRAWLER_ORDER", "reversed")
    assert two.crawl(shard_size=2) == first
    shards, others = built(one), built(two)
    for path in shards.iterdir():
        assert path.read_bytes() == (others / path.name).read_bytes(), path.name


def test_shards_hold_the_captions_of_the_rows_that_were_crawled(work: Work) -> None:
    work.crawl()
    samples = list(read_samples([built(work) / "0.tar", built(work) / "1.tar"]))
    assert [(sample.image.content, sample.caption) for sample in samples] == [
        (picture(URLS[number]), f"caption {FIRST_ROW + number}") for number in CAME
    ]
