"""A stand-in for img2dataset: the same options and output, no network, and faults when asked for.

An address says what becomes of it: `ok`, `404`, `odd` (cannot be resized), `flaky` (404 in the first round).
`$CRAWLER_FAULT` is a fault, or `fault:N` for the first N calls only; where it is one of a shard, of the second.
With the fault `meet` it waits at `$CRAWLER_PORT`. `$CRAWLER_ORDER=reversed` turns the order of the images.
"""

import json
import os
import signal
import socket
import sys
import tarfile
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

SCRIPT = """#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.helpers.crawler import main
main()
"""
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
"""An image; what follows it does not count."""
COLUMNS = {"row": pa.int64(), **dict.fromkeys(["url", "key", "status", "error_message", "sha256"], pa.string())}
FAILURES = {
    "404": ("failed_to_download", "HTTP Error 404: Not Found"),
    "flaky": ("failed_to_download", "HTTP Error 404: Not Found"),
    "odd": ("failed_to_resize", "image decoding error"),
}


def install(folder: Path) -> Path:
    """Write the stand-in's executable."""
    executable = folder / "img2dataset"
    executable.write_text(SCRIPT.format(python=sys.executable, root=str(Path(__file__).parents[2])))
    executable.chmod(0o755)
    # Else pyarrow imports pandas, which takes longer than all that a call does.
    (folder / "pandas.py").write_text("raise ImportError\n")
    return executable


def fetched(executable: Path) -> list[list[int]]:
    """Rows that every call so far asked the web for."""
    log = executable.with_name("calls")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


class Call(NamedTuple):
    """One call of the stand-in."""

    executable: Path
    options: dict[str, str]
    fault: str

    @property
    def folder(self) -> Path:
        return Path(self.options["output_folder"])

    def parts(self) -> list[tuple[int, list[dict[str, Any]]]]:
        """(number, rows) of the shards that have no statistics."""
        rows = pq.read_table(self.options["url_list"], columns=["url", "caption", "row"]).to_pylist()
        size = int(self.options["number_sample_per_shard"])
        parts = [(start // size, rows[start : start + size]) for start in range(0, len(rows), size)]
        return [part for part in parts if not (self.folder / f"{part[0]:05d}_stats.json").exists()]


def main() -> None:
    """Do what img2dataset does."""
    call = read_call()
    call.folder.mkdir(exist_ok=True)
    parts = call.parts()
    with call.executable.with_name("calls").open("a") as log:
        log.write(json.dumps([row["row"] for _, part in parts for row in part]) + "\n")
    if call.fault == "fail":
        fail()
    if call.fault == "foreign":
        (call.folder / "notes.json").write_text("{}")
    for number, part in parts:
        write_shard(call, number, part)
        if call.fault == "meet" and number == 0:
            meet()


def read_call() -> Call:
    executable = Path(sys.argv[0])
    fault, _, calls = os.environ.get("CRAWLER_FAULT", "").partition(":")
    if calls and len(fetched(executable)) >= int(calls):
        fault = ""
    return Call(executable, dict(argument[2:].split("=", 1) for argument in sys.argv[1:]), fault)


def fail() -> NoReturn:
    sys.stderr.write("ModuleNotFoundError: No module named 'imghdr'\n")
    sys.exit(1)


def meet() -> None:
    """Say that the first shard is done, and wait to be let on."""
    with socket.create_connection(("127.0.0.1", int(os.environ["CRAWLER_PORT"])), timeout=60) as connection:
        connection.recv(1)


def write_shard(call: Call, number: int, part: list[dict[str, Any]]) -> None:
    fault = call.fault if number == 1 else ""
    results = [result(call, number, index, row) for index, row in enumerate(part)]
    if os.environ.get("CRAWLER_ORDER") == "reversed":
        results.reverse()
    successes = [entry for entry in results if entry["status"] == "success"]
    stem = call.folder / f"{number:05d}"
    write_tar(Path(f"{stem}.tar"), successes[1:] if fault == "lose_image" else successes)
    if fault == "hang":
        signal.pause()
    if fault == "kill":
        sys.exit()
    table = pa.Table.from_pylist(results[1:] if fault == "lose_row" else results, pa.schema(COLUMNS))
    pq.write_table(table, f"{stem}.parquet")
    stats = json.dumps({"count": len(results), "successes": len(successes)})
    Path(f"{stem}_stats.json").write_text(stats[:9] if fault == "cut_stats" else stats)


def result(call: Call, number: int, index: int, row: dict[str, Any]) -> dict[str, Any]:
    kind, later = row["url"].split("/")[0], call.folder.name != "round0"
    status, error = ("success", None) if kind == "ok" or (kind == "flaky" and later) else FAILURES[kind]
    key = f"{number:05d}{index:04d}"
    return {**row, "key": key, "status": status, "error_message": error, "sha256": None if error else row["url"]}


def picture(url: str) -> bytes:
    """The image of an address, like no other."""
    return PIXEL + url.encode()


def write_tar(path: Path, successes: list[dict[str, Any]]) -> None:
    with tarfile.open(path, "w") as tar:
        for entry in successes:
            for suffix, content in (
                ("jpg", picture(entry["url"])),
                ("json", b"{}"),
                ("txt", entry["caption"].encode()),
            ):
                member = tarfile.TarInfo(f"{entry['key']}.{suffix}")
                member.size, member.mtime = len(content), path.stat().st_mtime
                tar.addfile(member, BytesIO(content))
