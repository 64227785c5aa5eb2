"""Seconds and results of `clipn` beside other packages of the field, on the same inputs in one run, as a table.

`clipn` runs on the kernels that give the same digits on every processor, its default; the others on the fastest that
their libraries find.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import machine, peers_metrics, peers_scoring, peers_zero_shot
from benchmarks.contest import Contender, Turn, contest
from benchmarks.page import publish
from benchmarks.planted import plant

PEERS = Path(".peers")
"""Where `make peers` puts the packages; whatever else they need is among our own requirements."""
TURNS, LONG_TURNS = 7, 3
HEADER = "| work | `clipn` | others | ratio | results |\n| --- | ---: | --- | ---: | --- |"


def metrics() -> Iterator[str]:
    """AUROC, AUPR and FPR95 of one pair, by four packages."""
    others = {name: Contender(peers_metrics.turn, (name,)) for name in peers_metrics.WAYS if name != "clipn"}
    turns = contest({"clipn": Contender(peers_metrics.turn, ("clipn",), "portable")} | others, TURNS)
    ours = turns.pop("clipn")
    work = "AUROC, AUPR, FPR95 of {:,} + {:,} scores".format(*peers_metrics.SIZES)
    for name, turn in turns.items():
        apart = peers_metrics.differences(turn.results)
        yield _row(work, ours, name, turn, ", ".join(f"{figure} {_apart(value)}" for figure, value in apart.items()))


def scoring(folder: Path, threads: int) -> Iterator[str]:
    """MSP, MaxLogit, Energy, MCM and GEN."""
    plant(folder, peers_scoring.SIZE, runs=1)
    arguments = folder, threads
    turns = contest(
        {
            "clipn": Contender(peers_scoring.clipn, arguments, "portable"),
            "pytorch-ood": Contender(peers_scoring.pytorch_ood, arguments),
        },
        TURNS,
    )
    ours, theirs = turns["clipn"], turns["pytorch-ood"]
    apart = {name: abs(ours.results[name] - theirs.results[name]) for name in peers_scoring.METHODS}
    others = max(value for name, value in apart.items() if name != "gen")
    distinct = "{:,} different scores, here {:,}".format(theirs.results["distinct"], ours.results["distinct"])
    images, classes = sum(peers_scoring.SIZE.images.values()), peers_scoring.SIZE.classes
    work = f"five scores of {images:,} images, {classes:,} classes, from features"
    results = f"AUROC {_apart(others)}, GEN's, whose probabilities it clamps, {_apart(apart['gen'])}; {distinct}"
    yield _row(work, ours, "pytorch-ood, float32", theirs, results)


def zero_shot(folder: Path, threads: int, images: int) -> Iterator[str]:
    """Classes of images, the first time, and again from cached features."""
    peers_zero_shot.prepare(folder, images)
    arguments = folder, threads
    turns = contest(
        {
            "CLIP_benchmark": Contender(peers_zero_shot.clip_benchmark, arguments),
            "first": Contender(peers_zero_shot.clipn, arguments, "portable"),
            "first, `arithmetic: fast`": Contender(peers_zero_shot.clipn, arguments),
            "again, from cached features": Contender(peers_zero_shot.clipn_again, arguments, "portable"),
        },
        LONG_TURNS,
    )
    theirs = turns.pop("CLIP_benchmark")
    for when, ours in turns.items():
        work = f"{peers_zero_shot.ARCHITECTURE} tells {images:,} images of 10 classes, 80 prompts each: {when}"
        rates = f"{images / ours.seconds:.0f} images/s, not {images / theirs.seconds:.0f}"
        yield _row(work, ours, "CLIP_benchmark", theirs, f"{_agreement(ours.results, theirs.results)}; {rates}")


def _agreement(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    same = np.count_nonzero(ours["predictions"] == theirs["predictions"])
    apart = np.abs(ours["logits"] - theirs["logits"]).max()
    return f"{same:,} predictions the same, logits {_apart(apart)}"


def _row(work: str, ours: Turn, name: str, theirs: Turn, results: str) -> str:
    ratio = theirs.seconds / ours.seconds
    return f"| {work} | {_duration(ours)} | {name}: {_duration(theirs)} | {ratio:.1f} x | {results} |"


def _duration(turn: Turn) -> str:
    return f"{1000 * turn.seconds:.1f} ms" if turn.seconds < 0.1 else f"{turn.seconds:.2f} s"


def _apart(difference: float) -> str:
    return f"to {difference:.0e}" if difference else "equal"


def main(
    threads: Annotated[int, typer.Option(help="of all packages")] = 2,
    images: Annotated[int, typer.Option(help="to be classified")] = 300,
    page: Annotated[Path | None, typer.Option(help="of the documentation, to write the table into")] = None,
) -> None:
    """Print a row for every package and work: seconds of both, their ratio, and how far the results differ."""
    if not (PEERS / "installed").exists():
        print(f"{PEERS}: no such packages, so nothing is compared with them; `make peers` installs them")
        return
    sys.path.append(str(PEERS.resolve()))  # a process starts with its parent's
    os.environ["TQDM_DISABLE"] = "1"
    with tempfile.TemporaryDirectory() as name:
        scored, classified = Path(name, "scored"), Path(name, "classified")
        rows = [*metrics(), *scoring(scored, threads), *zero_shot(classified, threads, images)]
    publish([HEADER, *rows, "", f"{machine.description('cpu')}; {threads} threads"], page, "peers")


if __name__ == "__main__":
    typer.run(main)
