"""Where datasets of a registry lie."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipn.data.description import read_classes
from clipn.data.readers import Image, read_dataset
from clipn.data.registry import registry_of


@dataclass(frozen=True)
class DatasetFolders:
    """Where datasets are read from.

    Attributes:
        registries: YAML files of their records.
        archives: folder with one folder of archives per dataset.
        datasets: folder with one folder per dataset, of its manifest and description.
        unpacked: copies by dataset, in place of the first archive.
    """

    registries: Sequence[Path]
    archives: Path
    datasets: Path
    unpacked: Mapping[str, Path] = field(default_factory=dict)

    def open(self, name: str) -> tuple[Path, Iterator[Image]]:
        """Manifest and images of a dataset.

        Raises:
            ClipnError: it is in none of the registries, or not where it should be.
        """
        registry = registry_of(name, self.registries)
        images = read_dataset(name, registry, self.archives / name, self.unpacked.get(name))
        return self.datasets / name / "manifest.parquet", images

    def by_output(self, names: Sequence[str], folder: Path) -> dict[Path, tuple[Path, Iterator[Image]]]:
        """Datasets by the files to write of them in a folder; errors as of `open`."""
        return {folder / f"{name}.safetensors": self.open(name) for name in names}

    def with_classes(self, names: Sequence[str]) -> tuple[dict[str, tuple[Path, Iterator[Image]]], list[str]]:
        """Datasets by name, and the class names of the first.

        Raises:
            ClipnError: as `open`, or the first has no class names.
        """
        return {name: self.open(name) for name in names}, read_classes(self.datasets / names[0] / "dataset.json")
