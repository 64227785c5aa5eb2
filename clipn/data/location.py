"""Where the images of a dataset, and the captions of a source, lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipn.data.registry import CaptionSource, Dataset
from clipn.errors import ClipnError


@dataclass(frozen=True)
class Location:
    """A dataset and the files that hold it.

    Attributes:
        record: the dataset.
        paths: archives or folders, in the order of `record.image_archives`; or the one folder of the record.
        file_list: text file of paths.
        class_list: text file of class numbers.
    """

    record: Dataset
    paths: list[Path]
    file_list: Path | None = None
    class_list: Path | None = None


def locate(record: Dataset, archives: Path, base: Path, unpacked: Path | None = None) -> Location:
    """Where the images of a dataset should lie.

    Args:
        record: the dataset.
        archives: folder of its archives.
        base: folder that the record's own folder and lists start from.
        unpacked: somebody's copy of the first archive, a folder or repacked, that stands for it.

    Raises:
        ClipnError: `unpacked` is given for a dataset without archives.
    """
    if unpacked is not None and not record.archives:
        raise ClipnError(f"{record.title}: has no archive that {unpacked} could stand for; leave it out")
    packed = [archives / archive.file for archive in record.image_archives]
    paths = [base / record.folder] if record.folder is not None else packed
    if unpacked is not None:
        paths[0] = unpacked

    def located(name: str | None) -> Path | None:
        return None if name is None else (base if name in record.lists_in_place else archives) / name

    return Location(record, paths, located(record.file_list), located(record.class_list))


def source_folders(
    sources: Mapping[str, CaptionSource], archives: Path, base: Path, crawl: Path | None = None
) -> dict[str, Path]:
    """The folder of each source: its own; else, for the images of a crawled one, its crawl; else that of its archives.

    Args:
        sources: records by name.
        archives: folder with one folder of archives per source.
        base: folder that a record's own folder starts from.
        crawl: folder with one crawl per source, if images are looked for; captions never come from there.
    """
    folders = {}
    for name, source in sources.items():
        if crawl is not None and source.is_crawled:
            folders[name] = crawl / name
        else:
            folders[name] = archives / name if source.folder is None else base / source.folder
    return folders


def is_here(record: Dataset | CaptionSource, archives: Path, base: Path) -> bool:
    """Whether all archives of a record, or its own folder, are here."""
    if record.folder is not None:
        return (base / record.folder).is_dir()
    return all((archives / archive.file).exists() for archive in record.archives)
