"""The command line: one subcommand per step; each parses, calls and prints, and imports only what it needs."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from clipn import progress
from clipn.captions_cli import captions, crawl, shards
from clipn.data_cli import data_app
from clipn.errors import ClipnError
from clipn.features_cli import features_app
from clipn.options import (
    BackboneFile,
    Device,
    Output,
    PairsOption,
    ShardIndex,
    Shards,
    Threads,
    Workers,
    options_from,
    parse_logit_scale,
    parse_pairs,
)
from clipn.report.cli import app as report_app
from clipn.settings import BackboneTraining, Demo, Variant
from clipn.study_cli import study_app, trace
from clipn.weights_cli import backbone_app, checkpoint_app, weights_app
from clipn.why_cli import accept, why

app = typer.Typer(
    name="clipn",
    help="Zero-shot out-of-distribution detection by teaching CLIP to say no: the steps of the pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(backbone_app, name="backbone")
app.add_typer(checkpoint_app, name="checkpoint")
app.add_typer(features_app, name="features")
app.add_typer(report_app, name="report")
app.add_typer(study_app, name="study")
for command in (captions, crawl, shards, trace, why, accept):
    app.command()(command)

SPIN_COUNT = "10000"
"""How long torch's threads wait busily for each other; the default makes them many times slower on a shared CPU."""


@app.callback()
def settings_of_all(
    context: typer.Context,
    log: Annotated[Path | None, typer.Option(help="also write messages here, as jobs of a workflow do")] = None,
) -> None:
    """Zero-shot out-of-distribution detection by teaching CLIP to say no: the steps of the pipeline."""
    progress.hidden = os.environ.get("RANK", "0") != "0"
    if log is not None and not progress.hidden:
        progress.lines_only = True
        context.with_resource(_logged(log))


@app.command()
@options_from(Demo)
def demo(folder: Annotated[Path, typer.Argument(help="mirror to fill")], settings: Demo) -> None:
    """Generate the demo's nine datasets and captions in the official archive formats."""
    from clipn.demo.mirror import build_mirror

    build_mirror(folder, settings.seed, settings.captions, settings.images)


@backbone_app.command("train")
@options_from(BackboneTraining)
def train_backbone(
    name: Annotated[str, typer.Argument(help="name of the backbone in the study")],
    shards: Shards,
    index: ShardIndex,
    architecture: Annotated[str, typer.Option(help="open_clip name or JSON file")],
    output: Output,
    history: Annotated[Path, typer.Option(help="CSV to write: one row per step")],
    settings: BackboneTraining,
    device: Device = "cpu",
) -> None:
    """Train a small CLIP from scratch on shards."""
    from clipn.backbone_training import train_backbone as train
    from clipn.compute import prepare_torch
    from clipn.data.shards import count_samples, read_samples

    prepare_torch(device, settings.threads)
    train(name, read_samples(shards), count_samples(index), settings, output, history, architecture, device)


@app.command()
@options_from(Variant)
def train(
    backbone: BackboneFile,
    index: ShardIndex,
    name: Annotated[str, typer.Option(help="name of the run, for the checkpoint's header")],
    seed: Annotated[int, typer.Option(help="fixes the order of samples and every draw")],
    output: Output,
    history: Annotated[Path, typer.Option(help="CSV to write: one row per step")],
    settings: Variant,
    shards: Annotated[list[Path] | None, typer.Argument(help="tar files, for online crops")] = None,
    captions: Annotated[Path | None, typer.Option(help="caption features, for learnable prompts")] = None,
    images: Annotated[Path | None, typer.Option(help="features of the captions' images, unless online")] = None,
    work: Annotated[Path, typer.Option(help="folder for the state of unfinished trainings")] = Path("work/train"),
    curves: Annotated[Path | None, typer.Option(help="folder for TensorBoard, where it is installed")] = None,
    workers: Workers = 4,
    device: Device = "cpu",
) -> None:
    """Teach the "no" text tower; run it again to go on after an interruption. Options default to the authors' values.

    Several processes: torchrun --nproc-per-node N --no-python clipn train ... --processes N
    """
    from clipn.compute import prepare_torch
    from clipn.train import TrainingFiles
    from clipn.train import train as train_run

    prepare_torch(device, settings.threads)
    files = TrainingFiles(backbone, index, captions, images, shards or [])
    train_run(files, settings, seed, output, history, {"run": name}, work, device, curves, workers)


@app.command()
def score(
    datasets: Annotated[Path, typer.Option(help="folder with one indexed dataset per folder")],
    features: Annotated[Path, typer.Option(help="folder with the image features of one backbone")],
    pair: PairsOption,
    method: Annotated[list[str], typer.Option(help="method of docs/methods.md, e.g. atd; repeat")],
    output: Output,
    rule: Annotated[list[str] | None, typer.Option(help="threshold-free rule: ctw, atd, atd_original; repeat")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="a run's checkpoint")] = None,
    backbone: Annotated[Path | None, typer.Option(help="a backbone, for methods on plain CLIP")] = None,
    prompts: Annotated[str, typer.Option(help="prompt pool, or a .txt file with a template per line")] = "clipn128",
    logit_scale: Annotated[str, typer.Option(help="what multiplies cosines; `checkpoint`: its own")] = "100",
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Score all ID and OOD images of a run from cached features."""
    from clipn.compute import prepare_torch
    from clipn.scoring import Places, Wanted, load_model, score_run

    prepare_torch(device, threads)
    wanted = Wanted(method, rule or [])
    model = load_model(checkpoint, backbone, wanted, device)
    places, scale = Places(datasets, features), parse_logit_scale(logit_scale)
    score_run(model, wanted, parse_pairs(pair), places, prompts, scale, output, threads)


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(help="scores of a run")],
    pair: PairsOption,
    study: Annotated[str, typer.Option(help="name of the study, for the tables")],
    backbone: Annotated[str, typer.Option(help="name of the backbone")],
    variant: Annotated[str, typer.Option(help="name of the variant; `none` for methods on plain CLIP")],
    seed: Annotated[int, typer.Option(help="of the run")],
    prompts: Annotated[str, typer.Option(help="name of the prompt pool the scores were made with")],
    output: Output,
    replicates: Annotated[Path, typer.Option(help="Parquet to write: the metrics of every resample")],
    convention: Annotated[
        list[str] | None, typer.Option(help="reading of FPR95: clipn (default), mcm, first, openood, dice; repeat")
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="of the images, for the intervals")] = 1000,
) -> None:
    """AUROC, AUPR, FPR95, ID accuracy and threshold-free decisions of a run."""
    from clipn.evaluate import Reading
    from clipn.evaluate import evaluate as evaluate_run
    from clipn.metrics import CONVENTION

    run: dict[str, str | int] = {
        "study": study,
        "backbone": backbone,
        "variant": variant,
        "seed": seed,
        "prompts": prompts,
    }
    reading = Reading(convention or [CONVENTION], resamples)
    evaluate_run(scores, parse_pairs(pair), run, reading, output, replicates)


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Copy standard error and whatever ends the command to a log file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log:
        log.write(f"{' '.join(sys.argv)}\n")
        terminal, sys.stderr = sys.stderr, _Tee(sys.stderr, log)
        try:
            yield
        except ClipnError as error:
            log.write(f"error: {error}\n")
            raise
        except Exception:
            traceback.print_exc(file=log)
            raise
        finally:
            sys.stderr = terminal


class _Tee:
    """Writes to two streams."""

    def __init__(self, *streams: IO[str]) -> None:
        self.streams = streams

    def write(self, text: str) -> None:
        for stream in self.streams:
            stream.write(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()


def main() -> None:
    """Run the command line; a person's mistake is one line and exit status 1."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    try:
        app()
    except ClipnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.status)
    except OSError as error:
        print(f"error: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
