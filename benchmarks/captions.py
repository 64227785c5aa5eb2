"""Captions per second and peak memory of the pipeline's preparation against the plain way, on one generated file.

Every measurement has a process of its own; the pipeline's time includes its imports, the plain way's does not.
"""

import gzip
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

PHRASE_WORDS = (2, 5)
PHRASES = 3
"""Phrases of a generated caption."""
QUOTED = 0.001
"""Share of the captions that start with a quotation mark that none closes."""
FUZZED = 100_000


class Measurement(NamedTuple):
    """Seconds that some work took, and the bytes of memory that its process needed at most."""

    seconds: float
    peak: int


def pipeline(captions: Path, output: Path) -> float:
    """Seconds of `prepare_captions`, imports included."""
    start = time.perf_counter()
    from clipn.data.captions import prepare_captions
    from clipn.data.registry import Archive, CaptionSource
    from clipn.data.settings import CaptionPreparation

    source = CaptionSource(title="CC3M", reader="cc3m", captions=Archive(file=captions.name))
    statistics = output.with_suffix(".json")
    prepare_captions({"cc3m": source}, {"cc3m": captions.parent}, CaptionPreparation(), output, statistics)
    return time.perf_counter() - start


def plain_way(captions: Path, rows: int, output: Path) -> float:
    """Seconds of the plain way on the first `rows` rows, without imports."""
    from benchmarks import plain_captions

    start = time.perf_counter()
    plain_captions.prepare(captions, rows, output)
    return time.perf_counter() - start


def measured(work: Callable[..., float], *arguments: object) -> Measurement:
    """Run `work`, which returns its seconds, in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, work, *arguments))
    process.start()
    sender.close()
    result: Measurement = receiver.recv()
    process.join()
    return result


def _report(sender: Connection, work: Callable[..., float], *arguments: object) -> None:
    seconds = work(*arguments)
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    sender.send(Measurement(seconds, 1024 * int(peak[1])))


def main(
    captions: Annotated[
        Path, typer.Argument(exists=True, help="real captions, `caption TAB address`, compressed with gzip")
    ],
    rows: Annotated[int, typer.Option(help="captions to generate")] = 3_300_000,
    sample: Annotated[int, typer.Option(help="captions that the plain way gets")] = 100_000,
) -> None:
    """Print rows per second and peak memory of both ways, whether they agree, and whether tokens are open_clip's."""
    real = _lines(captions)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, quarter = folder / "whole.tsv.gz", folder / "quarter.tsv.gz"
        distinct = _generate(real, rows, whole, quarter)
        print(f"{rows:,} captions of phrases of {len(real):,} real ones, {distinct / rows:.1%} distinct")
        ours, plain = folder / "ours.parquet", folder / "plain.parquet"
        few = measured(pipeline, quarter, ours)
        many = measured(pipeline, whole, ours)
        plainly = measured(plain_way, whole, sample, plain)
        for what, number, took in (
            ("pipeline", rows // 4, few), ("pipeline", rows, many), ("plain way", sample, plainly)
        ):  # fmt: skip
            rate, peak = number / took.seconds, took.peak / 2**20
            print(f"{what}, {number:,} rows: {took.seconds:.1f} s, {rate:,.0f} rows/s, peak {peak:,.0f} MiB")
        print(f"{rows / many.seconds / (sample / plainly.seconds):.1f}x the rows/s of the plain way")
        print(f"captions and tokens of both ways: {_agreement(ours, plain)}")
    _compare_tokens([line.split("\t")[0] for line in real])


def _lines(captions: Path) -> list[str]:
    with gzip.open(captions, "rt", encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\r\n") for line in lines]


def _generate(real: list[str], rows: int, whole: Path, quarter: Path) -> int:
    """Write two caption files, the second with the first quarter of the rows; the number of distinct captions."""
    seen = set()
    with gzip.open(whole, "wb", compresslevel=1) as all_lines, gzip.open(quarter, "wb", compresslevel=1) as few_lines:
        for row, (caption, url) in enumerate(_recombined(real, rows)):
            line = f"{caption}\t{url}?{row}\n".encode()
            seen.add(hash(caption))
            all_lines.write(line)
            if row < rows // 4:
                few_lines.write(line)
    return len(seen)


def _recombined(real: list[str], rows: int) -> Iterator[tuple[str, str]]:
    rng = np.random.default_rng(0)
    captions, addresses = zip(*(line.split("\t") for line in real), strict=True)
    phrases = [phrase for caption in captions for phrase in _phrases(caption.split(" "), rng)]
    chosen, quoted = rng.integers(len(phrases), size=(rows, PHRASES)), rng.random(rows) < QUOTED
    for numbers, is_quoted, address in zip(chosen, quoted, rng.integers(len(addresses), size=rows), strict=True):
        yield '"' * int(is_quoted) + " ".join(phrases[number] for number in numbers), addresses[address]


def _phrases(words: list[str], rng: np.random.Generator) -> Iterator[str]:
    start = 0
    while start < len(words):
        stop = start + int(rng.integers(*PHRASE_WORDS, endpoint=True))
        yield " ".join(words[start:stop])
        start = stop


def _agreement(ours: Path, plain: Path) -> str:
    """Whether the rows of `plain` are the first of `ours`."""
    import pyarrow.parquet as pq

    expected = pq.read_table(plain).to_pylist()
    found = pq.read_table(ours, columns=["caption", "url", "tokens"])[: len(expected)].to_pylist()
    return _shares(zip(found, expected, strict=True))


def _compare_tokens(real: list[str]) -> None:
    import open_clip

    from benchmarks import machine
    from benchmarks.fuzz import fuzzed
    from clipn.text.tokenizer import tokenize

    encode = open_clip.SimpleTokenizer().encode
    for what, texts in (("real captions", real), ("fuzzed texts", list(fuzzed(FUZZED, seed=0)))):
        tokens = tokenize(texts).to_pylist()
        print(f"open_clip's tokens, {what}: {_shares(zip(tokens, map(encode, texts), strict=True))}")
    print(machine.description("cpu"))


def _shares(pairs: Iterable[tuple[object, object]]) -> str:
    same = [one == other for one, other in pairs]
    return f"{sum(same):,} of {len(same):,} the same"


if __name__ == "__main__":
    typer.run(main)
