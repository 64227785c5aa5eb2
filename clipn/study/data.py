"""Which data a study uses, and where they come from."""

from pathlib import Path

from clipn.data.registry import Archive, CaptionSource, Dataset, Registry, load_registry
from clipn.errors import ClipnError
from clipn.study.config import Study

SMALL = 64_000_000
"""Bytes of archives up to which a dataset is small."""

GENERATED_DATA = (
    "Images and captions are generated shapes in the formats of the datasets that are named: the numbers are real "
    "measurements, but say nothing about those of the paper."
)
"""Below every table of a study that uses what the demo generates."""

READ_FROM_GENERATED = (
    "What to read from this: every step from archives to figures runs, and gives the recorded numbers again. What it "
    "cannot show: which method is better on photographs. A few shapes and colours, and a small backbone that was "
    "trained briefly on them, favour other methods than photographs do."
)
"""On the page of such a study."""


class StudyData:
    """The records behind a study's datasets and caption sources.

    Attributes:
        base: folder that addresses and folders of the records start from.
        generated: archives of the datasets and caption sources that the demo generates; they have no record.

    Raises:
        ClipnError: the registry is missing or wrong, or has a name that is the demo's.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._registry = load_registry(Path(study.registry)) if study.registry else Registry()
        self.base = Path(study.registry or ".").parent
        self.generated = study.demo.archives if study.demo else {}
        for name in self.generated.keys() & {*self._registry.records, *self._registry.words}:
            raise ClipnError(f"{study.registry}: {name}: is the name of what the demo generates; choose another")

    @property
    def names(self) -> list[str]:
        """All datasets and caption sources that the study may name."""
        return [*self.generated, *self._registry.records]

    @property
    def word_lists(self) -> dict[str, str]:
        """File names of the word lists that the study may name."""
        return {name: words.archive.file for name, words in self._registry.words.items()}

    @property
    def used_word_lists(self) -> list[str]:
        """Those that it names."""
        named = {self._study.negative_words, *self._study.envisioned_words.values()}
        return [name for name in self.word_lists if name in named]

    def is_generated(self, name: str) -> bool:
        """Whether the demo generates a dataset or caption source."""
        return name in self.generated

    def record(self, name: str) -> Dataset | CaptionSource | None:
        """What the registry says; None of what is generated."""
        return self._registry.records.get(name)

    def files(self, name: str, cleaning: bool = False) -> list[str]:
        """File names of the archives to fetch; with `cleaning`, those of the switched-on lists, too."""
        record = self.record(name)
        if record is None:
            return list(self.generated[name])
        packed = record.archives[1:] if self.unpacked(name) else record.archives
        keys = self.cleaning(name) if cleaning else []
        lists = [record.cleaning[key].archive for key in keys] if isinstance(record, Dataset) else []
        return [archive.file for archive in (*packed, *lists)]

    def archive(self, name: str, file: str) -> Archive:
        """One archive of a record."""
        return self._registry.archive(name, file)

    def cleaning(self, name: str) -> list[str]:
        """Cleaning lists of a dataset that the study switches on."""
        record = self.record(name)
        return [key for key in self._study.cleaning if isinstance(record, Dataset) and key in record.cleaning]

    def expectation(self, name: str) -> list[str] | None:
        """What is proven of a record, and its switched-on cleaning lists; None where the registry is generated."""
        record = self.record(name)
        if record is None:
            return None
        lists = record.cleaning if isinstance(record, Dataset) else {}
        return [record.expectation, *(lists[key].model_dump_json() for key in self.cleaning(name))]

    def unpacked(self, name: str) -> Path | None:
        """Folder of the mirror that holds a dataset unpacked; None if it holds its archives, or nothing of it."""
        record = self.record(name)
        if self._study.mirror is None or not isinstance(record, Dataset) or not record.archives:
            return None
        mirror, folder = Path(self._study.mirror), Path(self._study.mirror) / name
        files = {archive.file for archive in self._registry.archives(name, self.cleaning(name))}
        packed = any((place / record.archives[0].file).exists() for place in (mirror, folder))
        if packed or not folder.is_dir():
            return None
        return folder if any(path.name not in files for path in folder.glob("[!.]*")) else None

    def is_small(self, dataset: str) -> bool:
        """Whether the images of a dataset are so few that to load a model takes longer than to encode them."""
        record = self.record(dataset)
        if record is None:
            return True
        sizes = [archive.bytes for archive in record.archives]
        in_place = record.folder is not None or self.unpacked(dataset) is not None
        return not in_place and sum(size if size is not None else SMALL + 1 for size in sizes) <= SMALL

    def has_class_folders(self, source: str) -> bool:
        """Whether the folder of an image is its class, in a caption source."""
        record = self.record(source)
        return isinstance(record, CaptionSource) and record.reader == "class_folders"

    @property
    def crawled(self) -> list[str]:
        """Caption sources whose images are fetched one by one from their addresses."""
        records = {name: self.record(name) for name in self._study.captions.sources}
        return [name for name, record in records.items() if isinstance(record, CaptionSource) and record.is_crawled]

    def in_place(self, name: str) -> list[Path]:
        """Folders and file lists outside the study that are read where they are."""
        record, unpacked = self.record(name), self.unpacked(name)
        lists = record.lists_in_place if isinstance(record, Dataset) else []
        named = [record.folder, *lists] if record else []
        own = [self.base / path for path in named if path is not None]
        return [*own, *([unpacked] if unpacked else [])]
