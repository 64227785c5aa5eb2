"""The typed record of every dataset, caption source and word list: where its bytes come from, what they must be."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from clipn.data.archive_record import Archive as Archive
from clipn.data.archive_record import Count, expanded
from clipn.data.word_list import WordList
from clipn.text.wordlists import WORDNET
from clipn.yaml_models import Name, Record, RecordFile, Sha256, load_record_file, named

Reader = Literal["cifar", "cifar_train", "imagenet_val", "folders", "flat", "list", "webdataset"]
"""Layouts of a dataset."""
NAMELESS: tuple[Reader, ...] = ("flat", "list")
"""Those that hold no class names."""
ADDRESSED = ("cc3m", "cc12m", "datacomp")
"""Layouts of captions with the addresses of their images."""

OFFICIAL = "official"
"""Name of the unabridged image list of an OOD dataset; the images that a cleaning list keeps are `<list>_clean`."""

ClassName = Annotated[str, Field(pattern=r"\S")]
"""A visible one; names in turn have `, ` between them."""

DOWNLOADS = Path("downloads")
"""Where downloads lie (`clipn.data.store`), relative to the working directory; a person puts files there, too."""


def _is_none(value: object) -> bool:
    return value is None


def _identity(record: "Dataset | CaptionSource", *besides: str) -> str:
    """A record as JSON without words for people and addresses, and without the keys `besides`."""
    how = {"manual": True, "addresses": True}
    unread: dict[str, Any] = {"captions": how, "archives": {"__all__": how}}
    unread |= {"images": {"__all__": how}} if isinstance(record, CaptionSource) else {}
    # `first` shows in the images.
    planned = ("first", "captions_per_archive", "image_size")
    for key in (*planned, "layout", "class_source", "licence", "terms", "source", "note", *besides):
        unread[key] = True
    return record.model_dump_json(exclude=unread)


class Selection(Record):
    """Which images of an archive belong to the dataset; the default is all of them."""

    include: list[str] = Field(default=["*"], description="shell patterns on the path inside the archive")
    exclude: list[str] = Field(default=[], description="shell patterns that are left out")
    start: Count = Field(default=0, description="first image to take, in sorted order of paths")
    stop: Count | None = Field(default=None, description="image to stop before, in sorted order of paths")


class Shrink(Record):
    """How images are brought to the size and the wear of those of a smaller ID dataset before a model sees them."""

    size: int = Field(ge=1, le=1024, description="pixels of the shorter side; a square is cut from the middle")
    quality: int = Field(ge=1, le=95, description="of the JPEG that the square then goes through once")


class CleaningList(Record):
    """Images of a dataset that people looked at and found to show no ID class; a column of its own in results."""

    archive: Archive
    reader: Literal["ninco"] = Field(
        description="`ninco`: CSV index,image_location,decision; `o` is out-of-distribution"
    )
    images: Count | None = Field(default=None, description="number of annotated images that must result")
    source: str | None = Field(default=None, description="who made it")


class Dataset(Record):
    """One benchmark image set: archives to fetch, or a folder that is used in place."""

    title: str = Field(description="name as printed in tables and figures")
    archives: list[Archive] = Field(default=[], description="files to fetch; empty with `folder`")
    folder: str | None = Field(
        default=None, description="folder of images, or of WebDataset shards, relative to the registry; used in place"
    )
    reader: Reader = Field(description="layout of the archives or the folder")
    layout: str | None = Field(default=None, description="inner tree, for people")
    file_list: str | None = Field(
        default=None,
        description="text file, `path` or `path label` per line, one of `archives` or relative to the registry: what "
        "reader `list` reads; of `imagenet_val`, the images that are kept, by file name",
    )
    select: Selection = Selection()
    images: Count | None = Field(default=None, description="number of images that must result")
    names_sha256: Sha256 | None = Field(
        default=None, description="sha256 of the sorted relative names, one per line, each with LF"
    )
    classes: list[str] | Literal["imagenet"] | None = Field(
        default=None,
        description="class names in label order; `imagenet`: open_clip's list; empty: as the archive gives them",
    )
    class_source: str | None = Field(default=None, description="where the class names come from")
    # A record without the key has the identity that it had before there was one; so with `shrink`, and the `classes` of
    # captions.
    class_list: str | None = Field(
        default=None,
        exclude_if=_is_none,
        description="reader `imagenet_val`: text file, a class number per line, counted from 0 in the order of the "
        "WordNet ids, one of `archives` or relative to the registry: classes that are kept, and renumbered",
    )
    shrink: Shrink | None = Field(
        default=None,
        exclude_if=_is_none,
        description="shrinks images wherever they are decoded, so that OOD images of small ID images are as small",
    )
    cleaning: dict[Name, CleaningList] = Field(default={}, description="optional lists of looked-at images by name")
    licence: str | None = Field(default=None, description="licence; empty when none is stated")
    terms: str | None = Field(default=None, description="terms as stated by the source")
    source: str | None = Field(default=None, description="where the data or the values of this record come from")
    note: str | None = Field(default=None, description="what it is taken for, and is not")

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> "Dataset":
        if bool(self.archives) == (self.folder is not None):
            raise ValueError("give either `archives` or `folder`")
        if self.reader == "list" and self.file_list is None:
            raise ValueError("reader `list` needs `file_list`; name the list")
        if self.reader not in ("list", "imagenet_val") and self.file_list is not None:
            raise ValueError("`file_list` is for readers `list` and `imagenet_val`; leave it out, or change `reader`")
        if self.reader != "imagenet_val" and self.class_list is not None:
            raise ValueError("`class_list` is for reader `imagenet_val`; leave it out, or change `reader`")
        # A copy of somebody's stands for the first archive.
        if self.archives and self.archives[0].file in self.lists:
            raise ValueError("archives: name those of the images first, then lists")
        return self

    @property
    def lists(self) -> list[str]:
        """`file_list` and `class_list`, as far as there are any."""
        return [name for name in (self.file_list, self.class_list) if name is not None]

    @property
    def image_archives(self) -> list[Archive]:
        """Archives that are no lists."""
        return [archive for archive in self.archives if archive.file not in self.lists]

    @property
    def lists_in_place(self) -> list[str]:
        """Lists that are not fetched, as paths relative to the registry."""
        files = {archive.file for archive in self.archives}
        return [name for name in self.lists if name not in files]

    @property
    def identity(self) -> str:
        """What its images and their labels depend on, as JSON."""
        return _identity(self, "title", "images", "names_sha256", "classes", "cleaning")

    @property
    def expectation(self) -> str:
        """All that is verified of it and written down, as JSON."""
        return _identity(self, "cleaning")


class CaptionSource(Record):
    """Captions and where their images are: in archives, in a folder, or on the web."""

    title: str
    first: int | None = Field(default=None, ge=1, description="use only so many archives of `images`, the first ones")
    captions: Archive | None = Field(
        default=None, description="the caption file; empty when the images' archives hold it"
    )
    images: Annotated[list[Archive], BeforeValidator(expanded)] = Field(
        default=[],
        description="tar archives of the images; `{000..331}` in a name stands for many; empty: `folder`, or a crawl",
    )
    folder: str | None = Field(
        default=None, description="reader `table`: folder of images and their table, relative to the registry"
    )
    reader: Literal["cc3m", "cc12m", "datacomp", "flickr8k", "class_folders", "webdataset", "table"] = Field(
        description="layout of captions and images; `cc3m`: lines of caption TAB address, `cc12m`: address TAB "
        "caption, `datacomp`: Parquet with columns url and text"
    )
    select: Selection = Selection()
    classes: dict[str, ClassName] | Literal["imagenet"] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="reader `class_folders`: names by folder, or `imagenet`, open_clip's list for folders called by "
        "WordNet id; a folder without a name has that of `classes.tsv`; without a table, its own, `_` as spaces",
    )
    wider: Literal["imagenet"] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="`imagenet`: a second caption for each image in a folder called by WordNet id, with a wider name, "
        "such as dog for a golden retriever",
    )
    shrink: Shrink | None = Field(
        default=None,
        exclude_if=_is_none,
        description="shrinks the images that go into the shards, so that small images are known, too",
    )
    rows: Count | None = Field(default=None, description="number of captions that must result")
    trained_on: Count | None = Field(default=None, description="image-caption samples that the paper trained on")
    captions_per_archive: Count | None = Field(
        default=None, description="on average, for plans of a source whose `rows` are not known"
    )
    image_size: Count | None = Field(default=None, description="shorter side of the images, in pixels, for plans")
    licence: str | None = None
    terms: str | None = None
    source: str | None = None

    @field_validator("images")
    @classmethod
    def _first_ones(cls, images: list[Archive], info: ValidationInfo) -> list[Archive]:
        first = info.data.get("first")
        if first and first > len(images):
            raise ValueError(f"`first` is {first}, and there are {len(images)} archives; make it smaller")
        return images[:first]

    @model_validator(mode="after")
    def _has_images(self) -> "CaptionSource":
        if (self.reader == "table") != (self.folder is not None):
            raise ValueError("reader `table` and `folder` go together; give both or neither")
        if self.reader not in (*ADDRESSED, "table") and not self.images:
            addressed = ", ".join(f"`{reader}`" for reader in ADDRESSED)
            raise ValueError(f"images: name the archives; only readers {addressed} have addresses to crawl")
        if self.reader in ADDRESSED and self.captions is None:
            raise ValueError("captions: name the caption file")
        for key, value in (("classes", self.classes), ("wider", self.wider)):
            if value is not None and self.reader != "class_folders":
                raise ValueError(f"`{key}` names folders of reader `class_folders`; leave it out, or change `reader`")
        return self

    @property
    def identity(self) -> str:
        """What its captions and their images depend on, as JSON."""
        return _identity(self, "title", "trained_on")

    @property
    def expectation(self) -> str:
        """All that is verified of it and written down, as JSON."""
        return _identity(self)

    @property
    def expected(self) -> int | None:
        """Samples to plan for: those that the paper trained on where that is known, else all; None: unknown."""
        of_archives = self.captions_per_archive and self.captions_per_archive * len(self.images)
        return (self.first and of_archives) or self.trained_on or self.rows or of_archives

    @property
    def is_crawled(self) -> bool:
        """Whether the images must be fetched from the addresses in the caption file."""
        return not self.images and self.folder is None

    @property
    def archives(self) -> list[Archive]:
        """The caption file, if it is one of its own, and the images."""
        return [*([self.captions] if self.captions else []), *self.images]


class Registry(RecordFile):
    """All that a study may name."""

    datasets: dict[Name, Dataset] = Field(default={})
    captions: dict[Name, CaptionSource] = Field(default={})
    words: dict[Name, WordList] = Field(default={})

    @model_validator(mode="after")
    def _names_are_one_thing_each(self) -> "Registry":
        kinds = {"a dataset": {*self.datasets}, "a caption source": {*self.captions}, "a word list": {*self.words}}
        if WORDNET in self.words:
            raise ValueError(f"words: {WORDNET} is the system's copy, wherever a study says so; choose another name")
        for (one, names), (other, others) in combinations(kinds.items(), 2):
            for name in names & others:
                raise ValueError(f"{name} is {one} and {other}; name them apart")
        files: dict[str, Archive] = {}
        # All archives lie in one folder, under their own names.
        for name in (*self.records, *self.words):
            for archive in self.archives(name, self.cleaning_names):
                if files.setdefault(archive.file, archive) != archive:
                    raise ValueError(f"two records store different files as {archive.file!r}; name them apart")
        return self

    @property
    def records(self) -> dict[str, Dataset | CaptionSource]:
        """Datasets and caption sources by name."""
        return {**self.datasets, **self.captions}

    def record(self, name: str) -> Dataset | CaptionSource:
        """Raises ClipnError when there is neither a dataset nor a caption source of that name."""
        return named(self.records, name, "dataset or caption source", self._path)

    def dataset(self, name: str) -> Dataset:
        """Raises ClipnError when there is no dataset of that name."""
        return named(self.datasets, name, "dataset", self._path)

    def caption_sources(self, names: Sequence[str]) -> dict[str, CaptionSource]:
        """Raises ClipnError when there is no caption source of one of the names."""
        return {name: named(self.captions, name, "caption source", self._path) for name in names}

    def archives(self, name: str, cleaning: Sequence[str] = ()) -> list[Archive]:
        """Archives of a caption source or word list, or of a dataset and of those of its cleaning lists that are named.

        Raises:
            ClipnError: there is no record of that name.
        """
        if name in self.words:
            return [self.words[name].archive]
        record = self.record(name)
        lists = record.cleaning if isinstance(record, Dataset) else {}
        # A study names its cleaning lists once for all datasets; each takes those that it has.
        return [*record.archives, *(lists[key].archive for key in cleaning if key in lists)]

    def archive(self, name: str, file: str) -> Archive:
        """One archive by its file name; raises ClipnError when it is not in the record."""
        archives = self.archives(name, self.cleaning_names)
        return named({archive.file: archive for archive in archives}, file, f"archive of {name}", self._path)

    def require_cleaning(self, names: Sequence[str]) -> None:
        """Raises ClipnError when no dataset has a cleaning list of one of the names."""
        for name in names:
            named(dict.fromkeys(self.cleaning_names), name, "cleaning list", self._path)

    @property
    def cleaning_names(self) -> list[str]:
        """Names of all cleaning lists."""
        return sorted({key for dataset in self.datasets.values() for key in dataset.cleaning})


def load_registry(path: Path) -> Registry:
    """Read and check a registry of datasets, caption sources and word lists.

    Raises:
        ClipnError: the file is missing, is not YAML, or has a wrong record; the message names the key.
    """
    return load_record_file(path, Registry)


def registry_of(name: str, registries: Sequence[Path]) -> Path:
    """The first of some registries that has a record of this name; the last where none has, to say what it has."""
    return next((path for path in registries[:-1] if _has(path, name)), registries[-1])


def _has(path: Path, name: str) -> bool:
    registry = load_registry(path)
    return name in registry.records or name in registry.words
