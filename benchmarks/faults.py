"""Random faults of a server on loopback: how many fetches end with the right file, a refusal, or a wrong file."""

# First, as it holds the kernels of NumPy, which must not be imported before.
import tests  # noqa: F401, I001

import io
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import typer
from numpy.random import Generator, default_rng

from clipn.data.download import fetch_archive, http
from clipn.errors import ClipnError
from tests.helpers.fetching import archive
from tests.helpers.server import Response, Server, running

LARGEST = 300_000
PAGE = b"<!DOCTYPE html><html><title>Log in</title>"
OUTCOMES = ("right", "refused", "wrong")
CHECKSUMS = ("sha256", "md5")
SIZES = (*CHECKSUMS, "bytes")
ALL = (*SIZES, "nothing")


class Kind(NamedTuple):
    """One kind of fault: the responses of a server that holds a body, and the records by which it can be noticed."""

    responses: Callable[[Generator, bytes], list[Response]]
    noticed_by: tuple[str, ...]


def _position(rng: Generator, body: bytes) -> int:
    return int(rng.integers(len(body)))


def _cuts(rng: Generator, body: bytes, *, ranges: bool) -> list[Response]:
    forms = rng.choice(["length", "chunked", "close"], size=rng.integers(1, 4))
    return [Response(body, cut=_position(rng, body), form=form, ranges=ranges) for form in forms]


def _flipped(rng: Generator, body: bytes) -> bytes:
    position = _position(rng, body)
    return body[:position] + bytes([body[position] ^ int(rng.integers(1, 256))]) + body[position + 1 :]


def _changed(rng: Generator, body: bytes) -> list[Response]:
    old, checks_tag = rng.bytes(len(body)), bool(rng.integers(2))
    return [Response(old, cut=_position(rng, body)), Response(body, checks_tag=checks_tag)]


def _flipped_and_cut(rng: Generator, body: bytes) -> list[Response]:
    wrong = Response(_flipped(rng, body), cut=_position(rng, body), tag='"same"')
    return [wrong, Response(body, tag='"same"')]


def _long_promise(rng: Generator, body: bytes) -> list[Response]:
    position = _position(rng, body)
    return [Response(body[:position], announced=len(body), tag='"same"'), Response(body, tag='"same"')]


KINDS = {
    "cut": Kind(lambda rng, body: [*_cuts(rng, body, ranges=True), Response(body)], ALL),
    "cut, no ranges": Kind(lambda rng, body: [*_cuts(rng, body, ranges=False), Response(body, ranges=False)], ALL),
    "cut, always": Kind(lambda rng, body: _cuts(rng, body, ranges=False), ALL),
    "cut, wrong range": Kind(lambda rng, body: [*_cuts(rng, body, ranges=True), Response(body, shift=1)], ALL),
    "cut, file changed": Kind(_changed, ALL),
    "cut, true length": Kind(_long_promise, ALL),
    "cut, byte flipped": Kind(_flipped_and_cut, CHECKSUMS),
    "shorter, own length": Kind(lambda rng, body: [Response(body[: _position(rng, body)])], SIZES),
    "bytes appended": Kind(lambda rng, body: [Response(body + rng.bytes(1 + _position(rng, body)))], SIZES),
    "byte flipped": Kind(lambda rng, body: [Response(_flipped(rng, body))], CHECKSUMS),
    "another file": Kind(lambda rng, body: [Response(rng.bytes(len(body)))], CHECKSUMS),
    "web page": Kind(lambda rng, _: [Response(PAGE, headers={"Content-Type": "application/octet-stream"})], ALL),
}


def survey(cases: int, seed: int) -> dict[str, Counter[str]]:
    """Outcomes of `cases` fetches, the kinds of faults in turn; the same seed gives the same faults."""
    rng = default_rng(seed)
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in list(KINDS)[:cases]}
    with _without_waiting(), running(Server()) as server, tempfile.TemporaryDirectory() as folder:
        for case in range(cases):
            name = list(KINDS)[case % len(KINDS)]
            outcomes[name][_outcome(KINDS[name], rng, server, Path(folder) / str(case))] += 1
    return outcomes


@contextmanager
def _without_waiting() -> Iterator[None]:
    with mock.patch.object(http, "FIRST_PAUSE", 0.0), redirect_stderr(io.StringIO()):
        yield


def _outcome(kind: Kind, rng: Generator, server: Server, folder: Path) -> str:
    """Of one fetch of a random file; half of the records have a second address, without faults."""
    body = rng.bytes(int(rng.integers(1, LARGEST)))
    addresses = [server.at("/faulty", *kind.responses(rng, body)), server.at("/good", Response(body))]
    record = archive(*addresses[: rng.integers(1, 3)], published=str(rng.choice(kind.noticed_by)), body=body)
    output = folder / record.file
    try:
        fetch_archive(record, folder, output, folder / "downloads")
    except ClipnError:
        return "wrong" if output.exists() else "refused"
    return "right" if output.read_bytes() == body else "wrong"


def main(cases: int = 200, seed: int = 0) -> None:
    """Print the outcomes by kind; exit with 1 when a wrong file was accepted."""
    found = survey(cases, seed)
    print(f"{'fault':<20} {'right file':>10} {'refused':>8} {'WRONG ACCEPTED':>15}")
    for name, outcomes in (*found.items(), ("all", sum(found.values(), Counter()))):
        print(f"{name:<20} {outcomes['right']:>10} {outcomes['refused']:>8} {outcomes['wrong']:>15}")
    sys.exit(any(outcomes["wrong"] for outcomes in found.values()))


if __name__ == "__main__":
    typer.run(main)
