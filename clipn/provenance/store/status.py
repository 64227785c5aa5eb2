"""What of a study is here and what is in a remote, as people read it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from clipn.data.overview import human_bytes, plain_table
from clipn.files import named
from clipn.provenance.stages import load_stages
from clipn.provenance.store.locked import locked_outputs
from clipn.provenance.store.lookup import StoredFile, look_up
from clipn.provenance.store.parts import Part, parts, pulls
from clipn.study.loading import load_study
from clipn.study.names import family

NUMBERS = ("files", "size", "here", "in the store", "nowhere")
NAMED = 3
"""Files that a line names."""


@dataclass(frozen=True)
class StoreStatus:
    """What is known of a study's files.

    Attributes:
        study: name of the study.
        active: name of the study that DVC's commands are about.
        remote: name of the remote; None: the default one.
        parts: its files.
    """

    study: str
    active: str
    remote: str | None
    parts: Sequence[Part]


def store_status(study: str | None, remote: str | None, root: Path) -> StoreStatus:
    """Look up a study's files.

    Args:
        study: its name; None: the active one.
        remote: name of a remote of DVC; None: the default one.
        root: the working directory.

    Raises:
        ClipnError: nothing is recorded of the study, or the remote cannot be read.
    """
    asked, active = load_study(study), load_study()
    name = asked.study
    files = look_up(locked_outputs(root, name), root, remote)
    backbones = {each for backbone in asked.backbones for each in (backbone, family(backbone))}
    return StoreStatus(name, active.study, remote, parts(files, load_stages(root, name), name, backbones))


def table(status: StoreStatus) -> Table:
    """A row per part, and per backbone below it, with the total at the end."""
    rows = []
    for part in status.parts:
        rows.append(_row(part.name, part.files))
        rows.extend(_row(f"  {backbone.name}", backbone.files) for backbone in part.backbones)
    shown = plain_table((f"study {status.study}", *NUMBERS), rows, right=NUMBERS)
    shown.add_section()
    shown.add_row(*_row("in all", [file for part in status.parts for file in part.files]))
    return shown


def _row(name: str, files: Sequence[StoredFile]) -> list[str]:
    here, stored = (file.files for file in files if file.is_here), (file.files for file in files if file.is_stored)
    nowhere = (file.files for file in files if not file.is_here and not file.is_stored)
    numbers = (f"{sum(each):,}" for each in (here, stored, nowhere))
    return [name, f"{sum(file.files for file in files):,}", _size(files), *numbers]


def _size(files: Sequence[StoredFile]) -> str:
    unknown = sum(file.files for file in files if file.size is None)
    return human_bytes(sum(file.size or 0 for file in files)) + (f" + {unknown} unknown" if unknown else "")


def lines(status: StoreStatus) -> Iterator[str]:
    """What to type for what is missing, and what to know before."""
    files = [file for part in status.parts for file in part.files]
    store = f"remote {status.remote}" if status.remote else "the default remote"
    if not any(file.is_stored for file in files):
        yield f"{store}: holds nothing of this study; if it is the right one, `dvc push` sends what was recorded here"
    if changed := [file.path for file in files if file.in_place and not file.is_here]:
        yield f"{named(changed, NAMED)}: here, but not as recorded; `dvc repro` records what was made since"
    wanted = pulls(status.parts)
    if wanted and status.active != status.study:
        yield f"config/config.yaml: names {status.active}; set `study: {status.study}` there before you pull"
    option = f" --remote {status.remote}" if status.remote else ""
    for targets, missing in wanted:
        fetched = human_bytes(sum(file.size or 0 for file in missing if not file.is_here))
        yield f"dvc pull {' '.join(targets)}{option}  # files: {len(missing):,}, to fetch: {fetched}"
