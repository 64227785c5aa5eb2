"""What img2dataset wrote, judged by itself: its exit status is 0 whatever became of the images."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipn.data.archives import member_offsets
from clipn.errors import ClipnError
from clipn.files import read_json, require
from clipn.progress import tracked

IMAGES = "images.parquet"
"""Where a finished crawl says where its images lie: the columns of `IMAGE_COLUMNS`, sorted by row."""

IMAGE_COLUMNS = pa.schema(
    {"row": pa.int64(), "file": pa.string(), "offset": pa.int64(), "size": pa.int64(), "sha256": pa.string()}
)
"""row: of the caption in its source; file: relative to the crawl's folder; sha256: of the bytes the server gave."""

FAILURE_COLUMNS = pa.schema({"row": pa.int64(), "kind": pa.string(), "error": pa.string()})
UNFINISHED = "unfinished"
"""Kind of failure of all rows of a shard that is not whole; the others are img2dataset's own words."""

SUFFIXES = (".tar", ".parquet", "_stats.json")


class Shard(NamedTuple):
    """What became of the rows of a shard: tables of `IMAGE_COLUMNS` and `FAILURE_COLUMNS`."""

    images: pa.Table
    failures: pa.Table


class Round:
    """One pass of img2dataset over a list of rows, in a folder of its own.

    Args:
        folder: where img2dataset writes.
        rows: int64, the rows in the order of the list.
        shard_size: rows per shard.

    Attributes:
        shards: those found whole, by number.
        faults: why the others are not.
    """

    def __init__(self, folder: Path, rows: pa.ChunkedArray, shard_size: int) -> None:
        self.folder = folder
        self.parts = [rows.slice(start, shard_size) for start in range(0, len(rows), shard_size)]
        self.shards: dict[int, Shard] = {}
        self.faults: dict[int, str] = {}

    def judge(self) -> None:
        """Look at every shard that was not whole so far.

        Raises:
            ClipnError: the folder holds a file that img2dataset did not write.
        """
        self._refuse_foreign_files()
        remaining = [number for number in range(len(self.parts)) if number not in self.shards]
        self.faults = {}
        for number in tracked(remaining, len(remaining), f"judge {self.folder.name}", "shards"):
            try:
                self.shards[number] = read_shard(self.folder, number, self.parts[number])
            except ClipnError as fault:
                self.faults[number] = str(fault).replace(f"{self.folder}/", "")

    def forget_faulty(self) -> None:
        """Remove the files of shards that are not whole, so that img2dataset writes them anew."""
        for number in self.faults:
            for path in _paths(self.folder, number):
                path.unlink(missing_ok=True)

    def outcome(self) -> Shard:
        """Images and failures of the whole round."""
        shards = [*self.shards.values(), *self._unfinished()]
        images, failures = (pa.concat_tables(tables) for tables in zip(*shards, strict=True))
        return Shard(images, failures)

    def _unfinished(self) -> Iterator[Shard]:
        for number, fault in self.faults.items():
            rows = self.parts[number]
            failures = [rows, [UNFINISHED] * len(rows), [fault] * len(rows)]
            yield Shard(IMAGE_COLUMNS.empty_table(), pa.table(failures, schema=FAILURE_COLUMNS))

    def _refuse_foreign_files(self) -> None:
        own = {path.name for number in range(len(self.parts)) for path in _paths(self.folder, number)}
        present = sorted(path.name for path in self.folder.iterdir()) if self.folder.is_dir() else []
        for name in present:
            if name not in own | {"_tmp"}:
                raise ClipnError(f"{self.folder / name}: img2dataset did not write this; move it elsewhere")


def read_shard(folder: Path, number: int, rows: pa.ChunkedArray) -> Shard:
    """Read one shard of a round.

    Args:
        folder: of the round, which is named in `file` of the images.
        number: of the shard.
        rows: the rows that it was asked for.

    Raises:
        ClipnError: the shard is not whole: it was not finished, lost rows, or holds other images than it says.
    """
    archive, table, stats = _paths(folder, number)
    if not stats.is_file():
        raise ClipnError(f"{archive}: was not finished")
    counts = read_json(stats)
    outcomes = _outcomes(table)
    if not len(outcomes) == counts["count"] == len(rows):
        raise ClipnError(f"{table}: holds {len(outcomes)} rows, of {len(rows)}")
    if not pc.all(pc.is_in(outcomes["row"], value_set=rows)).as_py():
        raise ClipnError(f"{table}: holds rows of another list")
    successes = outcomes.filter(pc.field("status") == "success")
    places = {PurePosixPath(name).stem: place for name, *place in member_offsets(archive) if name.endswith(".jpg")}
    if len(places) != counts["successes"] or places.keys() != set(successes["key"].to_pylist()):
        raise ClipnError(f"{archive}: holds {len(places)} images, of {counts['successes']}")
    return Shard(_images(archive, successes, places), _failures(outcomes.filter(pc.field("status") != "success")))


def _paths(folder: Path, number: int) -> list[Path]:
    return [folder / f"{number:05d}{suffix}" for suffix in SUFFIXES]


def _outcomes(path: Path) -> pa.Table:
    try:
        return pq.read_table(require(path), columns=["row", "key", "status", "error_message", "sha256"]).sort_by("row")
    except (pa.ArrowException, OSError) as error:
        raise ClipnError(f"{path}: not Parquet ({type(error).__name__})") from error


def _images(archive: Path, successes: pa.Table, places: dict[str, list[int]]) -> pa.Table:
    found = [places[key] for key in successes["key"].to_pylist()]
    file = f"{archive.parent.name}/{archive.name}"
    columns = [
        successes["row"], [file] * len(found), [offset for offset, _ in found], [size for _, size in found],
        successes["sha256"],
    ]  # fmt: skip
    return pa.table(columns, schema=IMAGE_COLUMNS)


def _failures(failures: pa.Table) -> pa.Table:
    return pa.table([failures["row"], failures["status"], failures["error_message"]], schema=FAILURE_COLUMNS)
