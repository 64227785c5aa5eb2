"""Commands from features to scores and metrics."""

from pathlib import Path, PurePath
from typing import Annotated

import typer

from clipn.cli.options import (
    ClassifiersFolder,
    Datasets,
    FeaturesFolder,
    LogitScale,
    Output,
    PairsOption,
    parse_lists,
    parse_logit_scale,
    parse_named,
    parse_pairs,
    parse_shots,
    positive,
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
    fits: Annotated[
        list[str] | None,
        typer.Option("--fit", help="BACKBONE/VARIANT/seedK:ID,ID of classifiers that `clipn fit` made; repeat"),
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option("--network", help="ID:NAME of the network that is averaged with the probe of `clipn fit-probe`"),
    ] = None,
    logit_scale: LogitScale = "100",
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="batches scored at a time")] = 1,
) -> None:
    """Score all ID and OOD images of runs, and of plain CLIP, from cached features and classifiers."""
    from clipn.evaluation.scoring import Methods, RunScoring, ScoringInputs, score_runs
    from clipn.features.stored import NETWORKS
    from clipn.scores import COOKED, FITTED, PLAIN_CLIP
    from clipn.study.names import SEED, RunName, Scoring

    of_runs, pairs, written = rule or [], parse_pairs(pair), []
    fitted = parse_lists("--fit", fits or [], "BACKBONE/VARIANT/seedK:ID,ID")
    network_of = parse_named("--network", networks or [], "ID:NAME")
    for text, methods in parse_lists("SCORINGS", scorings, "BACKBONE/VARIANT/PROMPTS/seedK:METHOD,METHOD").items():
        name = Scoring.of(PurePath(text))
        chosen = Methods(methods, () if name.run == PLAIN_CLIP else of_runs)
        names = fitted.get(str(RunName(name.backbone, name.variant, name.seed)), [])
        if name.is_fitted != bool(names) or not {*names} <= pairs.keys():
            kinds = " and ".join(f"{prefix}..." for prefix in FITTED)
            raise ClipnError(f"SCORINGS {text!r}: {kinds} and no other need --fit, with ID datasets of --pair")
        is_cooked = name.variant.startswith(COOKED)
        if is_cooked and not {*names} <= network_of.keys():
            raise ClipnError(f"SCORINGS {text!r}: {COOKED}... averages three classifiers; give every ID a --network")
        folder = features / name.backbone / ("probes" if is_cooked else "discriminants")
        files = {id_dataset: folder / id_dataset / f"{SEED}{name.seed}.safetensors" for id_dataset in names}
        logits = {id_dataset: features / NETWORKS / network_of[id_dataset] for id_dataset in names if is_cooked}
        result = output / f"{name}.parquet"
        written.append(RunScoring(name.backbone, name.run, name.prompts, chosen, result, files, logits))
    scale = parse_logit_scale(logit_scale)
    score_runs(ScoringInputs(datasets, features), classifiers, written, pairs, scale, threads)


IDDataset = Annotated[str, typer.Argument(help="ID dataset")]
TrainingSet = Annotated[str, typer.Option(help="dataset of its training images, with the same classes")]
OfBackbone = Annotated[Path, typer.Option(help="folder with the image features of a backbone")]
Shots = Annotated[str, typer.Option(help="training images of every class, or `all`")]
ChoiceSeed = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="of the choice of images")]


def fit(
    id_dataset: IDDataset,
    train: TrainingSet,
    datasets: Datasets,
    features: OfBackbone,
    output: Output,
    shots: Shots = "all",
    seed: ChoiceSeed = 1,
    alpha: Annotated[
        float, typer.Option(callback=positive, help="weight of the fitted logits beside the zero-shot ones")
    ] = 1.0,
) -> None:
    """Fit a classifier (GDA) of an ID dataset on cached features of its training images."""
    from clipn.evaluation.fitted.discriminant import write_discriminant
    from clipn.evaluation.fitted.images import TrainingImages

    # One image of a class has no covariance.
    images = TrainingImages(train, parse_shots(shots, 2), seed)
    write_discriminant(id_dataset, images, alpha, datasets, features, output)


def fit_probe(
    id_dataset: IDDataset,
    train: TrainingSet,
    datasets: Datasets,
    features: OfBackbone,
    output: Output,
    shots: Shots = "all",
    seed: ChoiceSeed = 1,
) -> None:
    """Fit a linear probe of an ID dataset on cached features of its training images, for COOkeD."""
    from clipn.evaluation.fitted.images import TrainingImages
    from clipn.evaluation.fitted.probe import write_probe

    write_probe(id_dataset, TrainingImages(train, parse_shots(shots, 1), seed), datasets, features, output)


def import_probe(
    weights: Annotated[Path, typer.Argument(help=".safetensors, or .ckpt, .pt, .pth or .bin with nothing but tensors")],
    id_dataset: Annotated[str, typer.Option(help="ID dataset whose classes it tells apart, in its order")],
    datasets: Datasets,
    features: OfBackbone,
    output: Output,
) -> None:
    """Bring a linear probe that others trained on image features to the form of `clipn fit-probe`."""
    from clipn.evaluation.fitted.imported_probe import convert_probe

    convert_probe(weights, id_dataset, datasets, features, output)


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
    logit_scale: Annotated[float, typer.Option(callback=positive, help="what multiplies cosines")] = 100.0,
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="streams worked on at a time")] = 1,
) -> None:
    """AUROC and FPR95 of methods that adapt on the test stream: ID and OOD images of a pair, shuffled together."""
    from clipn.evaluation.streams import StreamOptions, measure_streams
    from clipn.scores import PLAIN_CLIP
    from clipn.scores.neglabel import PROMPTS
    from clipn.study.names import Scoring

    named = {
        output / f"{name}.json": (features / name, {"study": study, **Scoring(name, PLAIN_CLIP, PROMPTS, 0).described})
        for name in backbones
    }
    measure_streams(named, parse_pairs(pair), StreamOptions(method, order_seed, batch, logit_scale), threads)
