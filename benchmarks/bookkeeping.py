"""What it costs to find out that there is nothing to do, and to know every file by its hash."""

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import typer

from clipn.files import file_hash
from tests.helpers.records import Made, home

REPEATS = 5
COMMANDS = {
    "no-op `snakemake all`": ["snakemake", "all"],
    "no-op `dvc repro`": ["dvc", "repro"],
    "`clipn why all`": ["clipn", "why", "all"],
    "plan of the study `paper`": ["snakemake", "-n", "all", "--config", "study=paper"],
}
RESULTS = 3_000
BYTES = 100_000
LARGE = 300_000_000
OUTPUTS = 10
SNAKEFILE = f"""
rule all:
    input: expand("{{number}}.txt", number=range({OUTPUTS}))
rule split:
    input: "large"
    output: expand("{{number}}.txt", number=range({OUTPUTS}))
    shell: "touch {{output}}"
"""
STAGES = f"""
stages:
  data: {{cmd: none, outs: [{home("demo")}/data, {home("demo")}/provenance/data.jsonl]}}
"""


def commands() -> None:
    """Commands in the working directory, where everything is made; medians."""
    for name, command in COMMANDS.items():
        seconds = [_run(command, Path()) for _ in range(REPEATS)]
        typer.echo(f"{name}: {median(seconds):.2f} s (median of {REPEATS}; {min(seconds):.2f} to {max(seconds):.2f})")


def many_results(root: Path) -> None:
    """The check of many results: the first, when all are hashed; and again, when nothing has changed."""
    made, content = Made(root), "x" * BYTES
    made.write("dvc.yaml", STAGES)
    paths = [made.source(f"{home('demo')}/data/0", content)]
    for number in range(1, RESULTS):
        inputs = paths[max(0, number // 2 - 2) : number // 2 + 1] or paths[:1]
        paths.append(made.make(f"{home('demo')}/data/{number}", "some_rule", *inputs, content=content))

    def checked() -> None:
        made.check(expected=paths[1:])

    first, again = _seconds(checked), median(_seconds(checked) for _ in range(REPEATS))
    plain = _seconds(lambda: [file_hash(root / path) for path in paths])
    size = f"{RESULTS:,} results of {BYTES / 1e6:.1f} MB"
    typer.echo(f"check of {size}: first {first:.2f} s, again {again:.2f} s; to hash them all: {plain:.2f} s")


def large_input(root: Path) -> None:
    """A run of a job with several outputs and a large input, where Snakemake hashes it and as it is run here."""
    (root / "Snakefile").write_text(SNAKEFILE)
    with (root / "large").open("wb") as stream:
        stream.truncate(LARGE)
    for name, options in {"hashed by Snakemake": ["--max-checksum-file-size", "1TB"], "not hashed": []}.items():
        command = ["snakemake", "--cores", "1", "--forceall", *options]
        seconds = _run(command, root)
        typer.echo(f"{OUTPUTS} outputs of an input of {LARGE / 1e6:.0f} MB, {name}: {seconds:.1f} s")
    typer.echo(f"the check hashes it once: {_seconds(lambda: file_hash(root / 'large')):.1f} s")


def _run(command: list[str], folder: Path) -> float:
    return _seconds(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True))  # noqa: S603


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    """Measure all of it."""
    # Torch, which this imports, must not come before the tests' helpers, which hold its kernels.
    from benchmarks.machine import description

    typer.echo(description("cpu"))
    commands()
    for measure in (many_results, large_input):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder))


if __name__ == "__main__":
    typer.run(main)
