"""What dvc.lock names of a study: the outputs of its stages, by content."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from clipn.errors import ClipnError
from clipn.study.paths import study_of
from clipn.yaml_models import parse_yaml

LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class LockedOutput:
    """An output of a stage as it was recorded.

    Attributes:
        stage: name of the stage.
        path: relative to the project.
        md5: of the file, by which DVC stores it; of a folder, that of the list of its files, with the ending `.dir`.
        size: bytes of all its files.
        files: how many these are.
    """

    stage: str
    path: str
    md5: str
    size: int
    files: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(".dir")


def locked_outputs(root: Path, study: str) -> list[LockedOutput]:
    """The outputs of all stages that were recorded of a study, in the order of the road.

    Args:
        root: the working directory.
        study: name of the study.

    Raises:
        ClipnError: dvc.lock is missing or damaged, or nothing in it is of this study.
    """
    path = root / LOCK
    if not path.exists():
        raise ClipnError(f"{LOCK}: no such file, so nothing is recorded; `dvc repro` writes it")
    try:
        stages = parse_yaml(path.read_text(encoding="utf-8"))["stages"]
        recorded = [
            LockedOutput(name, out["path"], out["md5"], out["size"], out.get("nfiles", 1))
            for name, stage in stages.items()
            for out in stage["outs"]
        ]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ClipnError(f"{LOCK}: cannot be read ({error}); restore it with `git checkout {LOCK}`") from error
    # A stage may have been recorded last while another study was active.
    study_of_stage = {out.stage: found[0] for out in recorded if (found := study_of(out.path))}
    own = [out for out in recorded if study_of_stage.get(out.stage) == study]
    if not own:
        others = ", ".join(sorted({*study_of_stage.values()})) or "no study"
        raise ClipnError(
            f"{LOCK}: is of {others} and not of {study}; check out the branch whose {LOCK} is of {study}, or record "
            f"it with `study: {study}` in config/config.yaml and `dvc repro`"
        )
    return own
