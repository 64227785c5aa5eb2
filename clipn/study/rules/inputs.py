"""Inputs that several rules share, by name."""

from clipn.study.paths import StudyPaths
from clipn.study.scorings import id_and_ood


def images_and_classes(paths: StudyPaths, id_dataset: str) -> dict[str, list[str]]:
    """What rules read that look at the images of an ID dataset and its OOD datasets under the classes of the first."""
    names = id_and_ood(paths.study, id_dataset)
    return {
        "registries": paths.generated_registries(*names),
        "indexed": [path(name) for name in names for path in (paths.manifest, paths.description)],
        "archives": paths.archives(*names),
    }
