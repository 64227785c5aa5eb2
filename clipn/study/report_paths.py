"""Where those files of a study lie that people look at: tables, figures and the page."""

from pathlib import PurePath

from clipn.study.config import ID_DATASETS

RESULTS = "results"
OWN_TABLES = "own_id"
"""Folder, among the tables, of those of other ID datasets than the paper's: DVC stores them as a whole."""
PRINTED = ("csv", "md", "tex")
"""Endings of a table that has printed forms."""
OVERALL_TABLES = {
    "id_accuracy": PRINTED,
    "decisions": PRINTED,
    "metrics": ("csv",),
    "differences": PRINTED,
    "ablations": PRINTED,
}
"""Tables over all ID datasets that are made from the metrics alone, with their endings."""
TEST_TIME = "test_time"
"""Table of the methods that adapt on the test stream; a header alone in a study without any."""


def short_path(path: str) -> str:
    """Where people find a copy of a file of the active study, which lies in its folder."""
    parts = PurePath(path).parts[3:]
    return "/".join([RESULTS, *(part for part in parts if part != OWN_TABLES)])


class ReportPaths:
    """Paths of what people look at.

    Attributes:
        folder: of a study's own files.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @property
    def tables_folder(self) -> str:
        """Folder of the tables."""
        return f"{self.folder}/tables"

    def table(self, name: str, ending: str = "csv") -> str:
        """A table."""
        return f"{self.tables_folder}/{name}.{ending}"

    def ood_table(self, id_dataset: str, ending: str = "csv") -> str:
        """Table of an ID dataset; a wildcard stands for one of the study's own."""
        return self.table(f"{'' if id_dataset in ID_DATASETS else f'{OWN_TABLES}/'}{id_dataset}_ood", ending)

    @property
    def figures_folder(self) -> str:
        """Folder of the figures."""
        return f"{self.folder}/figures"

    def figure(self, name: str, ending: str = "png") -> str:
        """A figure."""
        return f"{self.figures_folder}/{name}.{ending}"

    @property
    def page(self) -> str:
        """The HTML page."""
        return f"{self.folder}/report.html"

    def summary(self, id_dataset: str) -> str:
        """Averages of an ID dataset, for `dvc metrics`."""
        return f"{self.folder}/summary/{id_dataset}.json"
