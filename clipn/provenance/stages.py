"""The stages of dvc.yaml: which files of a study belong together when results travel, and what DVC keeps of them."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from clipn.errors import ClipnError
from clipn.files import file_hash, named
from clipn.study.paths import study_folder
from clipn.study.report_paths import short_path
from clipn.yaml_models import parse_yaml

DVC = Path("dvc.yaml")
STUDY = "${study}"
RECORD_FILES = f"{study_folder('*')}/provenance/*.jsonl"


def home(study: str) -> str:
    """Folder of a study, with a slash."""
    return f"{study_folder(study)}/"


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: as `dvc repro` knows it.
        records: path of the file with the records of its outputs, itself one of them.
        outputs: its files and folders, relative to the project.
        copies: of files in these folders, at short paths that dvc.yaml does not name; they are not stored.
    """

    name: str
    records: str
    outputs: list[str]
    copies: list[str] = field(default_factory=list)

    @cached_property
    def folders(self) -> list[str]:
        """Its outputs that are folders: in dvc.yaml those without an ending."""
        # By their names and not on the disk, where they may be missing.
        return [path for path in self.outputs if not Path(path).suffix]

    def has(self, path: str) -> bool:
        """Whether a file is one of its outputs, or a copy of one."""
        in_folder = any(path.startswith(f"{folder}/") for folder in self.folders)
        return in_folder or path in self.outputs or path in self.copies


def load_stages(root: Path, study: str, made: Collection[str] = ()) -> list[Stage]:
    """The stages of this workflow for a study: those with a file of records.

    Args:
        root: folder of the project.
        study: name of the study.
        made: files of the study, among which the stages find their copies.

    Raises:
        ClipnError: dvc.yaml is missing or is no such file.
    """
    try:
        content = parse_yaml((root / DVC).read_text(encoding="utf-8"))
        outputs: dict[str, list[str]] = {}
        for name, stage in content["stages"].items():
            items = [item for kind in ("outs", "metrics", "plots") for item in stage.get(kind) or []]
            # An output with options, such as `persist`, is a mapping of one key, its path.
            paths = [next(iter(item)) if isinstance(item, dict) else item for item in items]
            outputs[name] = [path.replace(STUDY, study) for path in paths]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ClipnError(f"{DVC}: cannot be read ({error}); restore it with `git checkout {DVC}`") from error
    records = {name: f"{home(study)}provenance/{name}.jsonl" for name in outputs}
    stages = [Stage(name, records[name], paths) for name, paths in outputs.items() if records[name] in paths]
    copies = {path: short_path(path) for path in made if path.startswith(home(study))}
    known = {*made}
    unnamed = {path: copy for path, copy in copies.items() if copy in known and not any(s.has(copy) for s in stages)}
    for stage in stages:
        stage.copies.extend(copy for path, copy in unnamed.items() if stage.has(path))
    return stages


def damaged_objects(files: Sequence[Path]) -> list[str]:
    """Objects of DVC's cache that `dvc checkout` would take for some files, and that are not what their names say.

    Args:
        files: of one project, at least one.

    Returns:
        Their paths; none where DVC has no project, or no object of these files.
    """
    # The object of a folder lists what is in it.
    places = {place for file in files for place in (file.absolute(), *file.absolute().parents)}
    try:
        # Only now: a message alone needs this import, which takes long.
        from dvc.repo import Repo

        with Repo(files[0].parent) as repo:
            objects = {path for out in repo.index.outs for place, path in _objects(out) if place in places}
    except Exception:  # no DVC, no project of it, or a damaged one: the message then says less
        return []
    there = sorted(path for path in objects if path.is_file())
    return [os.path.relpath(path) for path in there if file_hash(path, "md5") != path.parent.name + path.stem]


def in_cache(damaged: Sequence[str]) -> str:
    """What a message says of damaged objects."""
    return f"DVC's cache is damaged itself and would give the same again: {named(damaged, 1)}"


def _objects(out: Any) -> Iterator[tuple[Path, Path]]:
    """An output of DVC with its object in the cache, and all files in it, if it is a folder."""
    place, known = Path(out.fs_path), out.hash_info
    if known:
        yield place, Path(out.cache.oid_to_path(known.value))
    for key, _, entry in (out.get_obj() or ()) if known and known.isdir else ():
        yield place.joinpath(*key), Path(out.cache.oid_to_path(entry.value))
