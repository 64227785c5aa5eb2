"""Commands from features to scores and metrics."""

from pathlib import Path, PurePath
from typing import Annotated

import typer

from clipn.cli.options import (
    ClassifiersFolder,
    Datasets,
    FeaturesFolder,
    LogitScale,
    PairsOption,
    parse_lists,
    parse_logit_scale,
    parse_pairs,
)
from clipn.errors import ClipnError
from clipn.yaml_models import LARGEST_SEED, MOST_RESAMPLES, MOST_THREADS


def score(
    scorings: Annotated[
        list[str],
        typer.Argument(help="BACKBONE/VARIANT/PROMPTS/seedK:METHOD,METHOD, with methods of docs/methods.md, e.g. atd"),
    ],
    datasets: Datasets,
    features: FeaturesFolder,
    classifiers: ClassifiersFolder,
    pair: PairsOption,
    output: Annotated[Path, typer.Option(help="folder to write to, a file per scoring")],
    rule: Annotated[
        list[str] | None, typer.Option(help="threshold-free rule of the runs: ctw, atd, atd_original; repeat")
    ] = None,
    logit_scale: LogitScale = "100",
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="batches scored at a time")] = 1,
) -> None:
    """Score all ID and OOD images of runs, and of plain CLIP, from cached features and classifiers."""
    from clipn.evaluation.scoring import Methods, RunScoring, ScoringInputs, score_runs
    from clipn.study.names import Scoring

    of_runs, written = rule or [], []
    for text, methods in parse_lists("SCORINGS", scorings, "BACKBONE/VARIANT/PROMPTS/seedK:METHOD,METHOD").items():
        name = Scoring.of(PurePath(text))
        chosen = Methods(methods, () if name.is_plain else of_runs)
        written.append(RunScoring(name.backbone, name.run, name.prompts, chosen, output / f"{name}.parquet"))
    scale = parse_logit_scale(logit_scale)
    score_runs(ScoringInputs(datasets, features), classifiers, written, parse_pairs(pair), scale, threads)


def evaluate(
    scores: Annotated[list[Path], typer.Argument(help="scores of runs: .../BACKBONE/VARIANT/PROMPTS/seedK.parquet")],
    pair: PairsOption,
    study: Annotated[str, typer.Option(help="name of the study, for the tables")],
    output: Annotated[Path, typer.Option(help="folder to write to: of every run the metrics, and of its resamples")],
    convention: Annotated[
        list[str] | None, typer.Option(help="reading of FPR95: clipn (default), mcm, first, openood, dice; repeat")
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, max=MOST_RESAMPLES, help="of the images, for the intervals")] = 1000,
) -> None:
    """AUROC, AUPR, FPR95, ID accuracy and threshold-free decisions of runs."""
    from clipn.evaluation.evaluate import MetricOptions, evaluate_runs
    from clipn.study.names import Scoring

    names = [Scoring.of(path) for path in scores]
    runs = {
        output / str(name): (path, {"study": study, **name.described}) for path, name in zip(scores, names, strict=True)
    }
    options = MetricOptions(convention or MetricOptions.conventions, resamples)
    evaluate_runs(runs, parse_pairs(pair), options)


def evaluate_streams(
    backbones: Annotated[list[str], typer.Argument(help="names of backbones")],
    features: FeaturesFolder,
    pair: PairsOption,
    method: Annotated[list[str], typer.Option(help="method of docs/methods.md that adapts, e.g. adaneg; repeat")],
    order_seed: Annotated[list[int], typer.Option(min=0, max=LARGEST_SEED, help="of an order of the images; repeat")],
    study: Annotated[str, typer.Option(help="name of the study, for the table")],
    output: Annotated[Path, typer.Option(help="folder to write to: of every backbone the metrics")],
    batch: Annotated[int, typer.Option(min=1, help="images that come at once")] = 128,
    logit_scale: Annotated[str, typer.Option(help="what multiplies cosines, a number")] = "100",
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="streams worked on at a time")] = 1,
) -> None:
    """AUROC and FPR95 of methods that adapt on the test stream: ID and OOD images of a pair, shuffled together."""
    from clipn.adaptation import PROMPTS
    from clipn.evaluation.streams import StreamOptions, measure_streams
    from clipn.scores import PLAIN_CLIP
    from clipn.study.names import Scoring

    scale = parse_logit_scale(logit_scale)
    if scale is None:
        raise ClipnError("--logit-scale checkpoint: is known to classifiers, which no stream reads; give a number")
    named = {
        output / f"{name}.json": (features / name, {"study": study, **Scoring(name, PLAIN_CLIP, PROMPTS, 0).described})
        for name in backbones
    }
    measure_streams(named, parse_pairs(pair), StreamOptions(method, order_seed, batch, scale), threads)
