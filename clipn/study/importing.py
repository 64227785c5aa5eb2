"""Enter the scores of others into a study's file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipn.data.insertion import insert_record, locked
from clipn.data.manifest import read_manifest
from clipn.data.score_files import read_scores_of
from clipn.errors import ClipnError
from clipn.study.data import StudyData
from clipn.study.loading import load_study, study_file
from clipn.study.paths import StudyPaths


def enter_scores(
    study: str | None, name: str, settings: Mapping[str, str], id_dataset: str, files: Mapping[str, str]
) -> Path:
    """Write `imported.<name>` into a study, after all of its files were checked that can be.

    Args:
        study: name of the study; None: the active one.
        name: of the method.
        settings: `backbone`, `higher` and `column`.
        id_dataset: whose classes the images were scored under.
        files: by dataset.

    Returns:
        The study's file, whose comments and order stay as they are.

    Raises:
        ClipnError: the study does not have what is named, or a file has other images than its dataset.
    """
    loaded = load_study(study)
    paths = StudyPaths(loaded, StudyData(loaded))
    for dataset, file in files.items():
        manifest = Path(paths.manifest(dataset))
        # Where the dataset was not verified yet, the workflow will look.
        if manifest.is_file():
            read_scores_of(read_manifest(manifest)["path"].tolist(), Path(file), settings["column"])
        elif not Path(file).is_file():
            raise ClipnError(f"{file}: no such file; correct the path of {dataset}")
    path = Path(study_file(loaded.study))
    with locked(path) as written:
        insert_record(written, "imported", name, _entry(loaded.study, path, name, settings, {id_dataset: dict(files)}))
    return path


def _entry(
    study: str, path: Path, name: str, settings: Mapping[str, str], files: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """The scores of a method, over those that the study has of it."""
    if (before := load_study(study).imported.get(name)) and before.files.keys() - files.keys():
        for key, value in settings.items():
            if (there := getattr(before, key)) != value:
                # One entry has one sign for all of its files.
                raise ClipnError(f"{path}: imported.{name}.{key}: is {there}; say {there}, too, or use another name")
    # Over what is there, so that scores of another ID dataset stay; the names may be none of the study's.
    return load_study(study, {"imported": {name: {**settings, "files": files}}}).imported[name].model_dump()
