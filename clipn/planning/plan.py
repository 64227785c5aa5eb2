"""What a study will take, before it runs: jobs, downloads, disk, and work for the GPU."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipn.data.download.local import find_in_mirror, is_served, local_file
from clipn.data.download.stored import stored_candidates
from clipn.data.registry import DOWNLOADS, Archive, CaptionSource
from clipn.data.verification.checks import receipt
from clipn.data.weights_registry import WEIGHTS
from clipn.planning.disk import DiskUsage, disk_usage
from clipn.planning.flops import measure
from clipn.planning.jobs import count_jobs
from clipn.planning.sizes import StudySizes
from clipn.planning.work import TOKENS, Work, work
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.loading import load_study
from clipn.study.weights import is_weight_file, weight_record, weight_sources

Way = Literal["linked", "copied", "fetched", "by hand", "nowhere"]
"""How a file comes: from a mirror or `downloads/`, where it is; from elsewhere on this machine; from the web; by a
person; or not at all."""


@dataclass(frozen=True)
class Download:
    """One file that a study needs from outside.

    Attributes:
        of: dataset, caption source or weights.
        file: its name.
        bytes: published size; None: unknown.
        way: how it comes.
        manual: how a person gets it.
    """

    of: str
    file: str
    bytes: int | None
    way: Way
    manual: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a study takes.

    Attributes:
        study: the study.
        jobs: jobs per rule.
        downloads: files from outside, each once.
        crawled: caption sources whose images are fetched one by one, with the number of their addresses.
        disk: what its files take.
        work: for the towers.
        unknown: sources, datasets and word lists of which the registry says no number; they count for nothing.
    """

    study: Study
    jobs: dict[str, int]
    downloads: list[Download]
    crawled: dict[str, int | None]
    disk: list[DiskUsage]
    work: list[Work]
    unknown: list[str]


def plan_study(name: str) -> Plan:
    """Read a study, ask Snakemake for its jobs, and work out the rest from its settings and the registries.

    Raises:
        ClipnError: there is no such study or it is wrong, Snakemake refuses it, or an architecture is unknown.
    """
    study = load_study(name)
    jobs = count_jobs(study.study)
    sizes, files, data = StudySizes(study), list(downloads(study)), StudyData(study)
    costs = {name: measure(backbone.architecture, TOKENS) for name, backbone in study.backbones.items()}
    # A file that is linked lies on this disk already, or on the one of the mirror.
    size = sum(file.bytes or 0 for file in files if file.way != "linked")
    records = {name: data.record(name) for name in data.crawled}
    return Plan(
        study=study,
        jobs=jobs,
        downloads=files,
        crawled={name: record.rows for name, record in records.items() if isinstance(record, CaptionSource)},
        disk=disk_usage(study, sizes, costs, size),
        work=work(study, sizes, costs),
        unknown=sizes.unknown,
    )


def downloads(study: Study) -> Iterator[Download]:
    """Archives and weights that a study needs from outside, each once; a generated study needs none."""
    data = StudyData(study)
    # Several datasets may name one file; the first of them speaks for all.
    found: dict[str, tuple[str, Archive, Path]] = {}
    for name in (name for name in (*study.captions.sources, *study.encoded_datasets) if not data.is_generated(name)):
        for file in data.files(name, cleaning=True):
            found.setdefault(file, (name, data.archive(name, file), data.base))
    for name in data.used_word_lists:
        found.setdefault(data.word_lists[name], (name, data.archive(name, data.word_lists[name]), data.base))
    for _, source, _ in weight_sources(study):
        if not is_weight_file(source):
            archive = weight_record(source).archive
            found.setdefault(archive.file, (source, archive, WEIGHTS.parent))
    for name, archive, base in found.values():
        yield Download(name, archive.file, archive.bytes, _way(study, name, archive, base), archive.manual)


def _way(study: Study, name: str, archive: Archive, base: Path) -> Way:
    # A file in the mirror or in downloads/ is linked, but one that the registry itself names here is copied.
    if study.mirror and find_in_mirror(Path(study.mirror), name, archive.file):
        return "linked"
    if local_file(archive, base):
        return "copied"
    if (DOWNLOADS / archive.file).exists() or stored_candidates(archive, receipt(archive, DOWNLOADS), DOWNLOADS):
        return "linked"
    if any(map(is_served, archive.addresses)):
        return "fetched"
    return "by hand" if archive.manual else "nowhere"
