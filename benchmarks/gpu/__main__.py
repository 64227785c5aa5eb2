"""Check the pipeline on a GPU: every part in a process of its own with a time limit, one record of all of them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Literal
from xml.etree import ElementTree

import typer

PARTS = {"tests": 150, "speed": 240, "demo": 130}
"""Seconds that each may take; what it has measured by then is kept."""
TOTAL = 530
TESTS = "tests/gpu"
app = typer.Typer(add_completion=False)


@app.command()
def check(
    output: Annotated[Path, typer.Argument(help="JSON to write; a Markdown file is written beside it")],
    device: Literal["cpu", "cuda"] = "cuda",
    size: Annotated[str, typer.Option(help="full, or small: seconds on a CPU")] = "full",
    only: Annotated[list[str] | None, typer.Option(help="parts to run; repeat")] = None,
) -> None:
    """Run the tests that need a GPU, measure speed, and compare the demo's training with that of a CPU."""
    from benchmarks.gpu.tables import markdown
    from benchmarks.machine import description

    start = time.monotonic()
    command = f"python -m benchmarks.gpu {output.name} --device {device} --size {size}"
    record: dict[str, Any] = {"machine": description(device), "command": command, "parts": {}}
    record["shared_memory"] = shutil.disk_usage("/dev/shm").total  # noqa: S108 - through it, workers hand over images
    print(record["machine"], flush=True)
    for name in only or PARTS:
        limit = min(PARTS[name], TOTAL - (time.monotonic() - start))
        print(f"==> {time.monotonic() - start:.0f} s: {name}, at most {limit:.0f} s", flush=True)
        record["parts"][name] = _run(name, device, size, limit)
        record["seconds"] = time.monotonic() - start
        # After every part, so that whatever ends this process leaves what was measured.
        output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        output.with_suffix(".md").write_text(markdown(record), encoding="utf-8")
    print(output.with_suffix(".md").read_text(encoding="utf-8"))


@app.command()
def part(name: str, output: Path, device: str = "cuda", size: str = "full") -> None:
    """Measure one part and write its rows, a line of JSON each."""
    from benchmarks.gpu.measurement import SIZES, write_rows

    with tempfile.TemporaryDirectory() as folder:
        rows = {"speed": _speed, "demo": _demo}[name](Path(folder), SIZES[size], device)
        write_rows(rows, output)


def _speed(folder: Path, size: Any, device: str) -> Any:
    from benchmarks.gpu.encoding import ceilings, encoding
    from benchmarks.gpu.training import settings, training
    from benchmarks.training import Bench
    from clipn.compute import prepare_torch

    prepare_torch(device, threads=4)
    yield from ceilings(size, device)
    of_batch = settings(size, size.batch, "bf16")
    bench = Bench(folder, size.architecture, size.samples, of_batch, device, size.workers)
    yield from training(bench, size)
    yield from encoding(bench, size)


def _demo(folder: Path, size: Any, device: str) -> Any:
    from benchmarks.gpu.demo import demo

    yield from demo(folder, size, device)


def _run(name: str, device: str, size: str, limit: float) -> dict[str, Any]:
    """Rows of a part, how it ended and after how many seconds."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found"
        if name == "tests":
            # The fixtures that all tests share need Snakemake, which these tests do not.
            ended = _ended(["pytest", TESTS, "--noconftest", "-p", "no:cacheprovider", f"--junitxml={found}"], limit)
            rows = _tests(found)
        else:
            ended = _ended(["benchmarks.gpu", "part", name, str(found), "--device", device, "--size", size], limit)
            rows = (
                [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()] if found.exists() else []
            )
    if ended != "0" and not any("failed" in row for row in rows):
        rows.append({"name": name, "failed": f"ended: {ended}"})
    return {"ended": ended, "seconds": time.monotonic() - start, "rows": rows}


def _tests(report: Path) -> list[dict[str, Any]]:
    """A row for every test of pytest's report."""
    rows = []
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():  # noqa: S314
        row: dict[str, Any] = {"name": f"test {case.get('name')}", "measured_in": float(case.get("time", 0))}
        faults = [child.text or "" for child in case if child.tag in ("failure", "error")]
        skipped = [child.get("message") for child in case if child.tag == "skipped"]
        result = (
            {"failed": "\n".join(faults)} if faults else {"result": f"skipped: {skipped[0]}" if skipped else "passed"}
        )
        rows.append(row | result)
    return rows


def _ended(module: list[str], limit: float) -> str:
    """Run a module in a session of its own, all of which is ended at the limit; how it ended."""
    # Plugins of pytest that happen to be installed are none that these tests need.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    process = subprocess.Popen([sys.executable, "-m", *module], env=environment, start_new_session=True)  # noqa: S603
    try:
        return str(process.wait(limit))
    except subprocess.TimeoutExpired:
        return "time limit"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    app()
