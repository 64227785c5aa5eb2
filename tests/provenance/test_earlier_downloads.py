"""A download that an earlier version left at an output gets a second name in the store before a run may delete it."""

import os
from pathlib import Path
from typing import Any

import pytest

from clipn.study.snakemake import Mode
from tests.helpers.records import ARCHIVE, CODE, WORDS, Made, error_of, home, sha256

WEIGHTS = f"{home('demo')}/weights/sun.tar"
STORED = f"downloads/sha256/{sha256('bytes')}/sun.tar"


@pytest.fixture
def made(made: Made) -> Made:
    """A project whose archive and weight file were fetched by an earlier version."""
    made.make(ARCHIVE, "fetch_archive", content="bytes", params=[f"'{CODE}'"])
    return made


def downloads(made: Made) -> list[str]:
    return [str(path.relative_to(made.root)) for path in (made.root / "downloads").rglob("*") if path.is_file()]


def test_it_survives_its_output(made: Made) -> None:
    made.check()
    assert (made.root / STORED).samefile(made.root / ARCHIVE)
    made.check()
    (made.root / ARCHIVE).unlink()
    assert (made.root / STORED).read_text() == "bytes"


def test_weights_do_too(made: Made) -> None:
    made.make(WEIGHTS, "fetch_weights", content="weights", params=[f"'{CODE}'"])
    made.check()
    assert sorted(downloads(made)) == sorted([STORED, f"downloads/sha256/{sha256('weights')}/sun.tar"])


def test_nothing_is_written_where_somebody_only_asks(made: Made) -> None:
    made.check(mode=Mode.DRY_RUN)
    assert not downloads(made)


@pytest.mark.parametrize(
    ("inputs", "params"), [([WORDS], [f"'{CODE}'"]), ([], ["'--archives x'"])], ids=["copied from an input", "of now"]
)
def test_no_other_archive_is_kept(made: Made, inputs: list[str], params: list[str]) -> None:
    made.make(ARCHIVE, "fetch_archive", *inputs, content="bytes", params=params)
    made.check()
    assert not downloads(made)


def test_a_link_is_no_download(made: Made) -> None:
    mirrored = made.root / made.source("mirror/sun.tar", "bytes")
    (made.root / ARCHIVE).unlink()
    (made.root / ARCHIVE).symlink_to(mirrored)
    os.utime(made.root / ARCHIVE, (made.clock - 10, made.clock - 10), follow_symlinks=False)
    made.check(mode=Mode.ACCEPT)
    assert not downloads(made)


def test_where_there_are_no_hard_links_a_person_is_asked_to_move_it(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    remedy = "move it to downloads/sun.tar, and the study's other downloads beside it"
    said = f"{ARCHIVE}: a re-run would delete it ({made.root / STORED}: Invalid cross-device link); {remedy}"
    assert error_of(made) == said
