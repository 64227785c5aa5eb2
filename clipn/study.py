"""A study as its files describe it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clipn.config import Study
from clipn.data.registry import first_complaint, load_registry
from clipn.demo.mirror import ARCHIVES
from clipn.errors import ClipnError

STUDIES = Path("config/studies")


def study_file(name: str) -> str:
    """Path of a study's configuration.

    Raises:
        ClipnError: there is no such study; the message lists those there are.
    """
    path = STUDIES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in STUDIES.glob("*.yaml")))
        raise ClipnError(f"{path}: no such study; set `study` in config/config.yaml to one of {known}")
    return str(path)


def parse_study(config: Mapping[str, Any]) -> Study:
    """Check a study's configuration and that its registry knows what it names.

    Raises:
        ClipnError: the message names the file, the key and the reason.
    """
    path = STUDIES / f"{config.get('study')}.yaml"
    try:
        study = Study.model_validate(dict(config))
    except ValidationError as error:
        raise ClipnError(f"{path}: {first_complaint(error)}") from error
    for name, backbone in study.backbones.items():
        if backbone.architecture.endswith(".json") and not Path(backbone.architecture).is_file():
            raise ClipnError(f"{path}: backbones.{name}.architecture: no file {backbone.architecture}; correct it")
    files = archive_files(study)
    for key, names in (("captions.sources", study.captions.sources), ("pairs", study.datasets)):
        for name in names:
            if name not in files:
                raise ClipnError(f"{path}: {key}: {name!r} is not in the registry; it has {', '.join(files)}")
    return study


def archive_files(study: Study) -> dict[str, list[str]]:
    """File names of the archives of every dataset and caption source that the study may use."""
    if study.registry is None:
        return {name: list(files) for name, files in ARCHIVES.items()}
    registry = load_registry(Path(study.registry))
    names = [*registry.datasets, *registry.captions]
    return {name: [archive.file for archive in registry.archives(name)] for name in names}
