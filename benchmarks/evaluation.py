"""Seconds and peak memory of scoring and metrics at ImageNet's size, against a plain script on the same features.

Three runs are evaluated from cached features. The pipeline scores the baselines once and CLIPN's methods for every run,
as its workflow does; the plain script computes every method for every run. Every step has a process of its own. Its
seconds are those of the work, from files to figures; imports and the encoding of texts are part of neither side. Both
ways take turns, so that a busy machine slows both; what the pipeline does once is done at every turn, and its median
counts. At last one run is scored by all methods in one pass, and by one plain script per method, each of which reads
all files.
"""

import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer
from scipy.special import expit

from benchmarks.captions import Measurement, measured
from benchmarks.planted import ID, SCALE, Size
from clipn.files import read_json, write_json
from clipn.scores import RULES, SCORES

SIZE = Size(
    {ID: 50_000, "inaturalist": 10_000, "sun": 10_000, "places": 10_000, "textures": 5_640},
    classes=1000,
    negatives=10_000,
    width=512,
)
RUNS = 3
TAUGHT = tuple(name for name, score in SCORES.items() if score.needs_no)
BASELINES = tuple(name for name in SCORES if name not in TAUGHT)
Steps = dict[str, list[Measurement]]
MEASURES = ("auroc", "aupr_id", "aupr_ood", "fpr95")


class Job(NamedTuple):
    """What a process computes."""

    name: str
    run: int
    methods: Sequence[str]
    rules: Sequence[str]

    def file(self, folder: Path, ending: str) -> Path:
        """A file of its results."""
        return folder / f"{self.name}{ending}"


ONCE = Job("baselines", 0, BASELINES, ())
JOBS = [ONCE, *(Job(f"run {run}", run, TAUGHT, tuple(RULES)) for run in range(RUNS))]
PLAIN = [Job(f"plain run {run}", run, tuple(SCORES), tuple(RULES)) for run in range(RUNS)]
EVERY = Job("all methods", 0, tuple(SCORES), tuple(RULES))
SCRIPTS = [Job(f"plain {name} alone", 0, [name], ()) for name in SCORES]
SLIM = [Job(f"plain run {run} without baselines", run, TAUGHT, tuple(RULES)) for run in range(1, RUNS)]


def score(folder: Path, job: Job, threads: int) -> float:
    """Seconds of the pipeline's scoring."""
    from benchmarks.planted import scoring_inputs, towers
    from clipn.evaluation.scoring import Methods, score_pairs

    planted, methods = towers(folder, job.run), Methods(job.methods, job.rules)
    start = time.perf_counter()
    score_pairs(lambda _: planted, methods, SIZE.pairs, scoring_inputs(folder), job.file(folder, ".parquet"), threads)
    return time.perf_counter() - start


def evaluate(folder: Path, job: Job, resamples: int) -> float:
    """Seconds of the pipeline's metrics."""
    from clipn.evaluation import evaluate

    files = [job.file(folder, ending) for ending in (".parquet", ".json", " replicates.parquet")]
    start = time.perf_counter()
    evaluate.evaluate(
        files[0],
        SIZE.pairs,
        {"prompts": "planted", "variant": "none"},
        evaluate.MetricOptions(resamples=resamples),
        *files[1:],
    )
    return time.perf_counter() - start


def plain(folder: Path, job: Job) -> float:
    """Seconds of the plain script; keeping its figures for the comparison is not counted."""
    from benchmarks import plain_evaluation

    start = time.perf_counter()
    images, perturbed, local = plain_evaluation.read_images(folder, ID, SIZE.images)
    texts = plain_evaluation.read_texts(folder, ID, job.run, images[ID], SCALE)
    scores = {
        name: plain_evaluation.score(texts, images[name], perturbed[name], local[name], job.methods, job.rules)
        for name in images
    }
    metrics = plain_evaluation.evaluate(scores, ID, job.methods)
    seconds = time.perf_counter() - start
    tables = [pd.DataFrame(columns).assign(dataset=name) for name, columns in scores.items()]
    pd.concat(tables, ignore_index=True).to_parquet(job.file(folder, ".parquet"))
    write_json(job.file(folder, ".json"), metrics)
    return seconds


def largest_differences(folder: Path, run: int) -> tuple[float, float]:
    """Between the two ways, of any score of a run, probabilities as such, and of any metric.

    Raises:
        AssertionError: a prediction or a decision differs.
    """
    plainly, ours = PLAIN[run], [ONCE, JOBS[1 + run]]
    expected = pd.read_parquet(plainly.file(folder, ".parquet"))
    found = pd.concat([pd.read_parquet(job.file(folder, ".parquet")) for job in ours], axis=1)
    found = found.loc[:, ~found.columns.duplicated(keep="last")]
    same = ["dataset", "prediction", *(f"accepts_{rule}" for rule in RULES)]
    assert all((expected[name].to_numpy() == found[name].to_numpy()).all() for name in same)
    values = {name: expit(found[name]) if SCORES[name].log_odds else found[name] for name in SCORES}
    of_scores = max(float(np.abs(expected[name] - value).max()) for name, value in values.items())
    metrics = read_json(plainly.file(folder, ".json"))
    rows = [row for job in ours for row in read_json(job.file(folder, ".json"))["ood"]]
    assert len(rows) == len(SCORES) * (len(SIZE.images) - 1)
    return of_scores, max(
        abs(row[name] - metrics[row["ood"]][row["method"]][name]) for row in rows for name in MEASURES
    )


def main(
    threads: Annotated[int, typer.Option(help="of both ways")] = 2,
    resamples: Annotated[int, typer.Option(help="of the images, measured apart")] = 1000,
) -> None:
    """Print seconds and peak memory of every step, the ratio of both ways, and how far their figures differ."""
    os.environ |= {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured(_plant, folder)
        ours, theirs = _in_turns(folder, threads)
        differences = [largest_differences(folder, run) for run in range(RUNS)]
        slim = {job.name: [measured(plain, folder, job)] for job in SLIM}
        one_pass = {
            "scoring, all methods": [measured(score, folder, EVERY, threads)],
            "metrics, all methods": [measured(evaluate, folder, EVERY, 0)],
        }
        scripts = {job.name: [measured(plain, folder, job)] for job in SCRIPTS}
        bootstrap = {
            f"metrics, {resamples} resamples, {job.name}": [measured(evaluate, folder, job, resamples)] for job in JOBS
        }
    print(f"{sum(SIZE.images.values()):,} images, {SIZE.classes:,} classes, {len(SCORES)} methods, {RUNS} runs")
    pipeline, whole, rest, together, apart, _ = map(_table, (ours, theirs, slim, one_pass, scripts, bootstrap))
    once = whole / RUNS + rest
    print(f"pipeline {pipeline:.1f} s; plain {whole:.1f} s, {whole / pipeline:.1f}x")
    print(f"plain, baselines in one run only: {once:.1f} s, {once / pipeline:.1f}x")
    print(f"one run: one pass {together:.1f} s; a script per method {apart:.1f} s, {apart / together:.1f}x")
    print("largest difference of scores {:.1e}, of metrics {:.1e}".format(*np.max(differences, axis=0)))
    _describe_machine()


def _in_turns(folder: Path, threads: int) -> tuple[Steps, Steps]:
    """All steps of the pipeline, and of the plain script."""
    ours: Steps = defaultdict(list)
    theirs: Steps = {}
    for job, plainly in zip(JOBS[1:], PLAIN, strict=True):
        for own in (ONCE, job):
            ours[f"scoring, {own.name}"].append(measured(score, folder, own, threads))
            ours[f"metrics, {own.name}"].append(measured(evaluate, folder, own, 0))
        theirs[plainly.name] = [measured(plain, folder, plainly)]
    return ours, theirs


def _plant(folder: Path) -> float:
    from benchmarks.planted import plant

    plant(folder, SIZE, RUNS)
    return 0.0


def _table(steps: Steps) -> float:
    """Print a line per step, the median of its seconds and its highest peak; seconds of all."""
    medians = {name: statistics.median(took.seconds for took in times) for name, times in steps.items()}
    for name, seconds in medians.items():
        print(f"{name:40}{seconds:7.1f} s{max(took.peak for took in steps[name]) / 2**20:7.0f} MiB")
    return sum(medians.values())


def _describe_machine() -> None:
    from benchmarks import machine

    print(machine.description("cpu"))


if __name__ == "__main__":
    typer.run(main)
