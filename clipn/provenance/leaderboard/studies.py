"""What every study of a project measured, from which files, and which studies cannot be shown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from clipn.data.description import RESULTS as DATASET_FILES
from clipn.data.description import read_description
from clipn.errors import ClipnError
from clipn.provenance.stage_files import ancestors, study_records
from clipn.provenance.trace import TracedFile, trace_in
from clipn.report.escaping import csv_text
from clipn.report.leaderboard import Entry, ImageSet, Protocol, entries_of
from clipn.report.reading import read_table
from clipn.scores import SCORES
from clipn.study.names import Scoring
from clipn.study.paths import MIRROR, study_folder
from clipn.study.rules.parameters import Contents, recorded_values


@dataclass(frozen=True)
class TracedStudy:
    """A study that can be shown.

    Attributes:
        name: of the study.
        table: path of its metrics.
        files: the trace of that table.
        entries: what it measured, each under what it can be compared under.
        titles: printed names of its datasets.
        generated: image sets that the demo generated.
        page: its own page, if it is here.
    """

    name: str
    table: str
    files: Mapping[str, TracedFile]
    entries: Sequence[tuple[Protocol, Entry]]
    titles: Mapping[str, str]
    generated: AbstractSet[ImageSet]
    page: Path | None

    @cached_property
    def scorings(self) -> dict[str, dict[str, str | int]]:
        """What names each of the metrics behind the table, by path."""
        folder = f"{study_folder(self.name)}/metrics/"
        found = [path for path in self.files[self.table].inputs if path.startswith(folder) and path.endswith(".json")]
        return {path: Scoring.of(PurePath(path)).described for path in found}

    def metrics_of(self, entry: Entry) -> list[str]:
        """Paths of the metrics behind an entry, one per run.

        Those of a method with prompts of its own lie in one of the files of its backbone, which are all given then.
        """
        of_variant = {
            path: csv_text(str(names["prompts"]))
            for path, names in self.scorings.items()
            if (names["backbone"], names["variant"]) == (entry.backbone, entry.variant)
        }
        has_own = entry.method in SCORES and SCORES[entry.method].prompts is not None
        return [path for path, prompts in of_variant.items() if has_own or prompts == entry.prompts] or [*of_variant]


def read_studies(root: Path) -> tuple[list[TracedStudy], dict[str, str]]:
    """The studies in the project `root`, and why others cannot be shown, by name.

    Raises:
        ClipnError: there is no study.
    """
    folder = root / study_folder("")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not names:
        raise ClipnError(f"{folder}: holds no study; go to the project's folder, or make one: snakemake --cores 8 all")
    studies, left_out = [], {}
    for name in names:
        try:
            studies.append(read_study(name, root))
        except ClipnError as error:
            left_out[name] = str(error)
        # What another version wrote, or what is damaged, may hold anything; the other studies are shown all the same.
        except (OSError, ValueError, LookupError, TypeError) as error:
            left_out[name] = f"{study_folder(name)}: is damaged or of another version ({error!r}); make it again"
    return studies, left_out


def read_study(name: str, root: Path) -> TracedStudy:
    """A study of the project `root`.

    Raises:
        ClipnError: it is not finished, there is no record of how it was made, or its files are no longer those.
    """
    home = study_folder(name)
    path, page = f"{home}/tables/metrics.csv", root / home / "report.html"
    if not (root / path).is_file():
        raise ClipnError(f"not finished: {path} is not here; run `snakemake --cores 8 all --config study={name}`")
    files = trace_in(study_records(root, name), Path(path), root)
    if fault := next(_faults(files), None):
        raise ClipnError(f"{fault}; `clipn trace {path}` shows all, and `snakemake all --config study={name}` mends it")
    table = read_table(root / path)
    images = _image_sets(files)
    entries = list(entries_of(table, {found.name: found for found in images.values()}))
    if not entries:
        raise ClipnError(f"{path}: holds no number; run `snakemake --cores 8 all --config study={name}`")
    if others := {entry.study for _, entry in entries} - {name}:
        raise ClipnError(f"{path}: is of study {min(others)}; run `snakemake --cores 8 all --config study={name}`")
    records = {path: file.record for path, file in files.items() if file.record}
    origins = ((found, ancestors([manifest], records)) for manifest, found in images.items())
    generated = {found for found, sources in origins if any(f"/{MIRROR}/" in source for source in sources)}
    shown = page if page.is_file() else None
    study = TracedStudy(name, path, files, entries, _titles(files, root), generated, shown)
    if lost := next((entry for _, entry in entries if not study.metrics_of(entry)), None):
        raise ClipnError(
            f"{path}: no record says which metrics {lost.method} of {lost.backbone} is from; make it again"
        )
    return study


def _faults(files: Mapping[str, TracedFile]) -> Iterator[str]:
    """What no longer agrees, but for sources that are no longer here."""
    for path, file in files.items():
        yield from (f"{path}: {fault}" for fault in file.faults if file.sha256)
        yield from (f"{path}: was made from another {changed}" for changed in file.changed)


def _image_sets(files: Mapping[str, TracedFile]) -> dict[str, ImageSet]:
    """Image sets behind a table, by path of the manifest."""
    found = {}
    for path, file in files.items():
        manifest = PurePath(path)
        if manifest.name == DATASET_FILES[0] and file.record and file.sha256:
            name = manifest.parent.name
            contents = recorded_values(file.record.parameters, Contents)
            # The registry of generated data is an input of its job, and nothing there is shrunk.
            expected = contents.get(f"the record of {name} in the registry") or ["{}"]
            shrink = json.loads(expected[0]).get("shrink") or {}
            how = ", ".join(f"{key} {value}" for key, value in shrink.items())
            found[path] = ImageSet(name, file.sha256, f"shrunk to {how}" if how else "")
    return found


def _titles(files: Mapping[str, TracedFile], root: Path) -> dict[str, str]:
    titles = {}
    for path in files:
        if PurePath(path).name != DATASET_FILES[1]:
            continue
        # A name without a title is a name, too.
        with suppress(ClipnError):
            titles[PurePath(path).parent.name] = read_description(root / path).title
    return titles
