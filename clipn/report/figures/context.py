"""The titles that figures share, and the step that draws a figure from scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from clipn.report.figures.saving import save
from clipn.report.formatting import dataset_title
from clipn.report.reading import ScoredRun, read_scores, read_titles


@dataclass(frozen=True)
class FigureContext:
    """Which part of a study a figure shows, and how it calls it.

    Attributes:
        study: name of the study.
        id_dataset: identifier of the ID dataset.
        backbone: name of the backbone.
        titles: printed names of datasets; an identifier without one stays as it is.
    """

    study: str
    id_dataset: str
    backbone: str
    titles: Mapping[str, str] = field(default_factory=dict)

    def title(self, dataset: str) -> str:
        """Printed name of a dataset or of the average over OOD sets."""
        return dataset_title(dataset, self.titles)

    @property
    def id_title(self) -> str:
        """Printed name of the ID dataset."""
        return self.title(self.id_dataset)

    def heading(self, what: str, *notes: str) -> str:
        """Title of a figure: what it shows for which ID dataset, then study, backbone and `notes` on a second line."""
        return (
            f"{what}, ID: {self.id_title}\n{', '.join([f'study: {self.study}', f'backbone: {self.backbone}', *notes])}"
        )


def draw_from_scores(
    figure_of: Callable[[Sequence[ScoredRun], FigureContext], Figure],
    scores: Sequence[Path],
    id_dataset: str,
    backbone: str,
    study: str,
    datasets: Path,
    png: Path,
    pdf: Path,
) -> None:
    """Draw a figure of the scores of some runs and save it.

    Args:
        figure_of: a pure function, e.g. `clipn.report.figures.roc.roc_curves`.
        scores: Parquet of the runs.
        id_dataset: identifier of the ID dataset.
        backbone: whose runs are shown.
        study: name of the study.
        datasets: folder with one indexed dataset per folder, for their printed names.
        png: file to write.
        pdf: file to write.
    """
    context = FigureContext(study, id_dataset, backbone, read_titles(datasets))
    save(figure_of(read_scores(scores), context), png, pdf)
