"""The titles that figures share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clipn.report.formatting import dataset_title


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
