"""What img2dataset wrote, checked file by file: its exit status is 0 whatever became of the images."""

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
        """Read every shard that was not whole so far.

        Raises:
            ClipnError: the folder holds a file that img2dataset did not write.
        """
        own = {path.name for number in range(len(self.parts)) for path in _paths(self.folder, number)}
        # `_tmp` is img2dataset's own, for the lists of its workers.
        for name in sorted(path.name for path in self.folder.glob("*")):
            if name not in own | {"_tmp"}:
                raise ClipnError(f"{self.folder / name}: img2dataset did not write this; move it elsewhere")
        remaining = [number for number in range(len(self.parts)) if number not in self.shards]
        self.faults = {}
        for number in tracked(remaining, len(remaining), f"judge {self.folder.name}", "shards"):
            try:
                self.shards[number] = read_shard(self.folder, number, self.parts[number])
            except ClipnError as fault:
                # It becomes part of the report, which holds no path of this machine.
                self.faults[number] = str(fault).replace(f"{self.folder}/", "")

    def forget_faulty(self) -> None:
        """Remove the files of shards that are not whole, so that img2dataset fetches them again."""
        # It passes over a shard that has its statistics.
        for number in self.faults:
            for path in _paths(self.folder, number):
                path.unlink(missing_ok=True)

    def outcome(self) -> Shard:
        """Images and failures of the whole round."""
        shards = list(self.shards.values())
        for number, fault in self.faults.items():
            rows = self.parts[number]
            failures = [rows, [UNFINISHED] * len(rows), [fault] * len(rows)]
            shards.append(Shard(IMAGE_COLUMNS.empty_table(), pa.table(failures, schema=FAILURE_COLUMNS)))
        images, failures = (pa.concat_tables(tables) for tables in zip(*shards, strict=True))
        return Shard(images, failures)


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
    try:
        columns = ["row", "key", "status", "error_message", "sha256"]
        # The threads of img2dataset finish in any order.
        outcomes = pq.read_table(require(table), columns=columns).sort_by("row")
    except (pa.ArrowException, OSError) as error:
        raise ClipnError(f"{table}: not Parquet ({type(error).__name__})") from error
    if not len(outcomes) == counts["count"] == len(rows):
        raise ClipnError(f"{table}: holds {len(outcomes)} rows, of {len(rows)}")
    if not pc.all(pc.is_in(outcomes["row"], value_set=rows)).as_py():
        raise ClipnError(f"{table}: holds rows of another list")
    successes = outcomes.filter(pc.field("status") == "success")
    keys = successes["key"].to_pylist()
    members = {PurePosixPath(name).stem: span for name, *span in member_offsets(archive) if name.endswith(".jpg")}
    if len(members) != counts["successes"] or members.keys() != set(keys):
        raise ClipnError(f"{archive}: holds {len(members)} images, of {counts['successes']}")
    offsets, sizes = [members[key][0] for key in keys], [members[key][1] for key in keys]
    file = f"{folder.name}/{archive.name}"
    images = [successes["row"], [file] * len(keys), offsets, sizes, successes["sha256"]]
    failures = outcomes.filter(pc.field("status") != "success").select(["row", "status", "error_message"])
    return Shard(pa.table(images, schema=IMAGE_COLUMNS), pa.table(failures.columns, schema=FAILURE_COLUMNS))


def _paths(folder: Path, number: int) -> list[Path]:
    return [folder / f"{number:05d}{suffix}" for suffix in SUFFIXES]
