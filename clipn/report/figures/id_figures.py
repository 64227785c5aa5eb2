"""All figures of one ID dataset, from one look at the scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from matplotlib.figure import Figure

from clipn.data.description import Description
from clipn.data.manifest import read_manifest
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import Classifiers
from clipn.evaluation.similarity import similarity_table
from clipn.features.stored import read_image_features
from clipn.report.figures.calibration import calibration
from clipn.report.figures.context import FigureContext
from clipn.report.figures.gallery import METHOD, Albums, gallery
from clipn.report.figures.histograms import score_histograms
from clipn.report.figures.intervals import intervals
from clipn.report.figures.mistakes import mistakes
from clipn.report.figures.reliability import reliability
from clipn.report.figures.roc import roc_curves
from clipn.report.figures.saving import save
from clipn.report.figures.similarity import similarity
from clipn.report.reading import ScoredRun, read_descriptions, read_scores, read_table
from clipn.scores import PLAIN_CLIP
from clipn.study.names import Scoring


@dataclass(frozen=True)
class FigureFiles:
    """What figures are drawn from.

    Attributes:
        scores: of the runs that are shown.
        table: metrics.csv of the study.
        datasets: folder with one indexed dataset per folder.
        features: folder with a folder of image features per backbone.
        classifiers: folder with the classifiers of every backbone.
        albums: where images lie.
    """

    scores: Sequence[Path]
    table: Path
    datasets: Path
    features: Path
    classifiers: Path
    albums: Albums


@dataclass(frozen=True)
class Shown:
    """What figures show.

    Attributes:
        study: name of the study.
        id_dataset: identifier of the ID dataset.
        variants: in order, beside the methods on plain CLIP.
        prompts: name of the prompt pool.
        logit_scale: what multiplies cosines; None: the model's own.
    """

    study: str
    id_dataset: str
    variants: Sequence[str]
    prompts: str
    logit_scale: float | None


class _BackboneFigures:
    """The figures of one backbone, each a method."""

    def __init__(
        self, backbone: str, runs: Sequence[ScoredRun], described: Mapping[str, Description], files: FigureFiles,
        shown: Shown,
    ) -> None:  # fmt: skip
        self._runs = [run for run in runs if run.backbone == backbone]
        self._files, self._shown = files, shown
        self._classes = described[shown.id_dataset].classes
        titles = {name: description.title for name, description in described.items()}
        self._context = FigureContext(shown.study, shown.id_dataset, backbone, titles)

    def scores(self) -> Figure:
        return score_histograms(self._runs, self._context)

    def roc(self) -> Figure:
        return roc_curves(self._runs, self._context)

    def reliability(self) -> Figure:
        return reliability(self._runs, self._context)

    def intervals(self) -> Figure:
        return intervals(read_table(self._files.table), self._context, self._shown.variants, self._shown.prompts)

    def calibration(self) -> Figure:
        return calibration(self._runs, self._context)

    def similarity(self) -> Figure:
        run, shown = self._main_run, self._shown
        classifiers = Classifiers.read(self._files.classifiers / f"{run.backbone}.safetensors")
        name = Scoring(run.backbone, run.variant, run.prompts, run.seed)
        towers = classifiers.towers(name.run, run.prompts, shown.id_dataset, shown.logit_scale)
        features = read_image_features(self._files.features / run.backbone / f"{shown.id_dataset}.safetensors")
        labels = read_manifest(self._files.datasets / shown.id_dataset / "manifest.parquet")["label"].to_list()
        table = similarity_table(towers, self._classes, features, labels)
        return similarity(table, self._context, run.variant, len(self._classes))

    def mistakes(self) -> Figure:
        run = self._main_run
        found = gallery(run.scores, self._shown.id_dataset, self._classes, self._files.albums)
        return mistakes(found, self._context, run.variant, METHOD)

    @cached_property
    def _main_run(self) -> ScoredRun:
        """The first run with a "no" tower, which figures of a single run show."""
        for run in self._runs:
            if run.variant != PLAIN_CLIP:
                return run
        backbone = self._context.backbone
        raise ClipnError(f"--figure {backbone}: no run with a `no` tower is among the scores; name one, or other kinds")


KINDS: dict[str, Callable[[_BackboneFigures], Figure]] = {
    "scores": _BackboneFigures.scores,
    "roc": _BackboneFigures.roc,
    "intervals": _BackboneFigures.intervals,
    "calibration": _BackboneFigures.calibration,
    "similarity": _BackboneFigures.similarity,
    "reliability": _BackboneFigures.reliability,
    "mistakes": _BackboneFigures.mistakes,
}


def draw_id_figures(kinds: Mapping[str, Sequence[str]], files: FigureFiles, shown: Shown, output: Path) -> None:
    """Draw figures of an ID dataset and save each as `<output>/<ID>_<kind>_<backbone>`, PNG and PDF.

    Args:
        kinds: of every backbone's figures, keys of `KINDS`.
        files: what they are drawn from.
        shown: what they show.
        output: folder to write to.

    Raises:
        ClipnError: there is no such kind, the ID dataset is not indexed, or a file is missing or damaged.
    """
    figures = [(backbone, kind) for backbone, names in kinds.items() for kind in names]
    for _, kind in figures:
        if kind not in KINDS:
            raise ClipnError(f"--figure {kind!r}: choose one of {', '.join(KINDS)}")
    described = read_descriptions(files.datasets)
    if shown.id_dataset not in described:
        known = ", ".join(described)
        raise ClipnError(f"--id {shown.id_dataset!r}: {files.datasets} has no such dataset; name one of {known}")
    runs = read_scores(files.scores)
    for backbone, kind in figures:
        figure = KINDS[kind](_BackboneFigures(backbone, runs, described, files, shown))
        name = f"{shown.id_dataset}_{kind}_{backbone}"
        save(figure, output / f"{name}.png", output / f"{name}.pdf")
