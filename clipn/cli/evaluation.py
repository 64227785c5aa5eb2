"""Commands from features to scores and metrics."""

from pathlib import Path
from typing import Annotated

import typer

from clipn.cli.options import (
    Datasets,
    Device,
    LogitScale,
    Output,
    PairsOption,
    PromptPool,
    Threads,
    parse_logit_scale,
    parse_pairs,
)


def score(
    datasets: Datasets,
    features: Annotated[Path, typer.Option(help="folder with the image features of one backbone")],
    pair: PairsOption,
    method: Annotated[list[str], typer.Option(help="method of docs/methods.md, e.g. atd; repeat")],
    output: Output,
    rule: Annotated[list[str] | None, typer.Option(help="threshold-free rule: ctw, atd, atd_original; repeat")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="a run's checkpoint")] = None,
    backbone: Annotated[Path | None, typer.Option(help="a backbone, for methods on plain CLIP")] = None,
    prompts: PromptPool = "clipn128",
    logit_scale: LogitScale = "100",
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Score all ID and OOD images of a run from cached features."""
    from clipn.evaluation.scoring import ScoringInputs, score_run

    score_run(
        ScoringInputs(datasets, features),
        parse_pairs(pair),
        method,
        rule or [],
        output,
        checkpoint=checkpoint,
        backbone=backbone,
        prompts=prompts,
        logit_scale=parse_logit_scale(logit_scale),
        device=device,
        threads=threads,
    )


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
    from clipn.evaluation.evaluate import MetricOptions
    from clipn.evaluation.evaluate import evaluate as evaluate_run

    run: dict[str, str | int] = {
        "study": study,
        "backbone": backbone,
        "variant": variant,
        "seed": seed,
        "prompts": prompts,
    }
    options = MetricOptions(convention or MetricOptions.conventions, resamples)
    evaluate_run(scores, parse_pairs(pair), run, options, output, replicates)
