"""What a second user pays for a table when results are in a remote: a folder, and an S3 server on the loopback address.

It needs a checkout in which `dvc repro` has recorded everything, committed; for S3 the packages `dvc-s3` and
`moto[server]`, which are in no extra of this project.
"""

import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer

from benchmarks.machine import description
from clipn.files import file_hash

STUDY = "results/studies/demo"
TABLE = "results/tables/imagenet_ood.csv"
RECORDS = [f"{STUDY}/provenance/{stage}.jsonl" for stage in ("data", "features")]
PULLED = {
    "features and classifiers": [*RECORDS, *(f"{STUDY}/{name}" for name in ("datasets", "features", "classifiers"))],
    "metrics": [*RECORDS, f"{STUDY}/datasets", f"{STUDY}/metrics"],
    "the table": ["imagenet_ood"],
    "everything": [],
}
"""What is pulled before the table is asked for."""
BUCKET = "clipn"


@dataclass(frozen=True)
class Remote:
    """A remote of DVC.

    Attributes:
        url: where it is.
        settings: of DVC, beside its address.
        environment: variables that hold credentials.
    """

    url: str
    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def s3_server() -> Iterator[Remote]:
    """An empty bucket of a server that keeps it in memory."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line per request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ |= keys
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        yield Remote(f"s3://{BUCKET}/dvc", {"endpointurl": endpoint}, keys)
    finally:
        server.stop()


class Clone:
    """A clone of a checkout that knows a remote."""

    def __init__(self, checkout: Path, folder: Path, remote: Remote) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", checkout, folder], check=True)  # noqa: S603, S607
        self.environment = os.environ | remote.environment | {"PYTHONPATH": str(folder)}
        self.dvc("remote", "add", "--local", "--force", "--default", "measured", remote.url)
        for key, value in remote.settings.items():
            self.dvc("remote", "modify", "--local", "measured", key, value)

    def dvc(self, *arguments: str) -> float:
        """Run DVC; returns its seconds."""
        return self._seconds("-m", "dvc", *arguments)

    def status(self) -> float:
        """Run `clipn store status`; returns its seconds."""
        return self._seconds("-c", "from clipn.cli.main import main; main()", "store", "status")

    def make(self, target: str) -> float:
        """Run Snakemake; returns its seconds."""
        return self._seconds("-m", "snakemake", "--cores", "2", target)

    def _seconds(self, *arguments: str) -> float:
        # Of this Python, whose environment may be the only one that has the packages for S3.
        command = [sys.executable, *arguments]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return time.perf_counter() - start

    @property
    def fetched(self) -> int:
        """Bytes in its cache of DVC."""
        return sum(file.stat().st_size for file in (self.folder / ".dvc/cache").rglob("*") if file.is_file())


def measure(kind: str, remote: Remote, checkout: Path, folder: Path) -> None:
    """Push everything, and see in fresh clones what a status, pulls and the table take.

    Args:
        kind: of the remote.
        remote: an empty one.
        checkout: where everything is recorded.
        folder: for the clones.
    """
    first = Clone(checkout, folder / "first", remote)
    first.dvc("cache", "dir", "--local", str(checkout / ".dvc/cache"))
    typer.echo(f"{kind}: push of everything {first.dvc('push'):.1f} s")
    for name, targets in PULLED.items():
        clone = Clone(checkout, folder / name.replace(" ", "_"), remote)
        status = clone.status()
        pull = clone.dvc("pull", *targets)
        fetched = clone.fetched / 1e6
        table = clone.make(TABLE)
        verdict = "same" if file_hash(clone.folder / TABLE) == file_hash(checkout / TABLE) else "OTHER"
        pulled = f"status {status:.1f} s, pull {pull:.1f} s and {fetched:.2f} MB"
        typer.echo(f"{kind}, {name}: {pulled}, then the table {table:.1f} s, {verdict} bytes")


def main(checkout: Path) -> None:
    """Measure with a folder and, where its packages are, with S3."""
    checkout = checkout.resolve()
    typer.echo(description("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        measure("folder", Remote(str(Path(folder) / "remote")), checkout, Path(folder))
    if not all(importlib.util.find_spec(name) for name in ("moto", "dvc_s3")):
        typer.echo('S3: not measured; pip install dvc-s3 "moto[server]"')
        return
    with tempfile.TemporaryDirectory() as folder, s3_server() as remote:
        measure("S3", remote, checkout, Path(folder))


if __name__ == "__main__":
    typer.run(main)
