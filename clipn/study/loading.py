"""A study as its files describe it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clipn.data.description import NO_CLASSES, naming_classes
from clipn.data.registry import NAMELESS, Dataset
from clipn.data.weights_registry import WEIGHTS, WeightFile, load_weights
from clipn.errors import ClipnError
from clipn.files import WEIGHT_SUFFIXES, read_mapping
from clipn.model.vision import require_patches
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.runs import run_names
from clipn.study.scorings import imported_files, own_features
from clipn.study.weights import is_weight_file, weight_sources
from clipn.text.open_clip_files import open_clip_file
from clipn.text.wordlists import WORDNET
from clipn.yaml_models import first_error, read_yaml

STUDIES = Path("config/studies")
CONFIG = Path("config/config.yaml")
TEMPLATE = "__use_yte__"
"""Key with which Snakemake takes a file for a template, and evaluates what stands in it."""
EXTENDED = {"extends", "variants", "runs", "ablations", "imported", "rules", "conventions", "resamples"}
"""What a study that extends another may say; all else decides about files that both share."""


def study_file(name: str, named_by: str = f"`study` in {CONFIG}") -> str:
    """Path of a study's configuration.

    Args:
        name: of the study.
        named_by: what a person corrects if there is none.

    Raises:
        ClipnError: there is no such study; the message lists those there are.
    """
    # Somebody may give the file, which is called like the study.
    path = STUDIES / f"{name.removeprefix(f'{STUDIES}/').removesuffix('.yaml')}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in STUDIES.glob("*.yaml")))
        if not known:
            raise ClipnError(f"{path}: no such study, nor any other; go to the project's folder")
        raise ClipnError(f"{path}: no such study; set {named_by} to one of {known}")
    return str(path)


def require_readable(files: Iterable[Path]) -> None:
    """Raises ClipnError: a file that Snakemake reads by itself is no YAML, has a key twice, or is a template."""
    for file in files:
        _mapping(file)


def study_files(name: str, named_by: str = f"`study` in {CONFIG}") -> list[str]:
    """Paths of a study's configuration, each over the one before: that of the study it extends, and its own.

    Args:
        name: of the study.
        named_by: what a person corrects if there is none.

    Raises:
        ClipnError: there is no such study, it extends one that extends another, or it sets again what both share.
    """
    path = study_file(name, named_by)
    own = _mapping(Path(path))
    extended = own.get("extends")
    if extended is None:
        return [path]
    base = study_file(str(extended), f"`extends` in {path}")
    if _mapping(Path(base)).get("extends"):
        raise ClipnError(f"{path}: extends: {extended} extends a study itself; extend that one")
    if others := [key for key in own if key not in EXTENDED]:
        raise ClipnError(f"{path}: {others[0]}: is that of {extended}, which this study extends; leave it out")
    if taken := _variants(path) & _variants(base):
        raise ClipnError(f"{path}: variants.{min(taken)}: {extended} has a variant of this name; choose another")
    return [base, path]


def load_study(name: str | None = None, changes: Mapping[str, Any] | None = None) -> Study:
    """A study as Snakemake reads it: its own file over `config/config.yaml`, which names the one that is active.

    Args:
        name: of the study; None: the active one.
        changes: laid over its files.

    Raises:
        ClipnError: there is no such study, or it is wrong.
    """
    config = _mapping(CONFIG) if CONFIG.is_file() else {}
    named_by = "its name" if name else f"`study` in {CONFIG}"
    name = name or config.get("study")
    if name is None:
        raise ClipnError(f"{CONFIG}: names no study; write `study: demo` there, or name one")
    files = study_files(name, named_by)
    for file in files:
        config = merged(config, _mapping(Path(file)))
    # The last file is the study's own, and called like it, even where somebody gave the file for the name.
    return parse_study({**merged(config, changes or {}), "study": Path(files[-1]).stem})


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One configuration over another, as Snakemake lays them: mappings are merged, all else is replaced."""
    both = {key: merged(below[key], value) for key, value in above.items() if _both_mappings(below.get(key), value)}
    return {**below, **above, **both}


def _both_mappings(one: object, other: object) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)


def parse_study(config: Mapping[str, Any]) -> Study:
    """Check a study's configuration and that the registries know what it names.

    Raises:
        ClipnError: the message names the file, the key and the reason.
    """
    path = STUDIES / f"{config.get('study')}.yaml"
    # Snakemake hands over one merged mapping, so a mistake in an overlay is named by the study's file, too.
    try:
        study = Study.model_validate(dict(config))
    except ValidationError as error:
        raise ClipnError(f"{path}: {first_error(error)}") from error
    for name, backbone in study.backbones.items():
        if backbone.architecture.endswith(".json") and not Path(backbone.architecture).is_file():
            raise ClipnError(f"{path}: backbones.{name}.architecture: no file {backbone.architecture}; correct it")
    _check_data(study, path)
    _check_shared_runs(study, path)
    for where, source, kind in weight_sources(study):
        _require_weights(source, kind, f"{path}: {where}")
    _check_inputs(study, path)
    if "local" in own_features(study.baselines):
        _check_patches(study, path)
    return study


def _check_inputs(study: Study, path: Path) -> None:
    """Whether Snakemake will take the files that a study names for what they are called."""
    named = [(where, source) for where, source, _ in weight_sources(study) if is_weight_file(source)]
    named += [("negative_words", study.negative_words or "")]
    for name in study.imported:
        named += [(f"imported.{name}.files", file) for file in imported_files(study, study.imported[name].backbone)]
    for where, file in named:
        if "{" in file or "}" in file:
            raise ClipnError(f"{path}: {where}: {file!r} has braces, which Snakemake takes for a wildcard; rename it")


def _check_patches(study: Study, path: Path) -> None:
    """Whether all backbones have patches, before any of them is fetched or trained."""
    for name, backbone in study.backbones.items():
        own = backbone.architecture.endswith(".json")
        file = Path(backbone.architecture) if own else open_clip_file("model_configs") / f"{backbone.architecture}.json"
        # An architecture that is none is refused where it is built.
        vision = read_mapping(file).get("vision_cfg") if file.is_file() else None
        if isinstance(vision, dict):
            require_patches(vision, f"{path}: backbones.{name}: {backbone.architecture}")


def _check_shared_runs(study: Study, path: Path) -> None:
    if study.extends is None:
        return
    theirs = run_names(load_study(study.extends).runs)
    for name in run_names(run for run in study.runs if run.shared):
        if name not in theirs:
            raise ClipnError(
                f"{path}: runs: {study.extends} has no run {name} to share; leave out `shared`, or correct it"
            )


def _check_data(study: Study, path: Path) -> None:
    data = StudyData(study)
    sources = study.captions.sources
    if len({data.is_generated(name) for name in sources}) > 1:
        raise ClipnError(f"{path}: captions.sources: some are the demo's and some are not; name those of one registry")
    named = {
        "captions.sources": sources,
        "development": [name for ood_datasets in study.development.values() for name in ood_datasets],
        # Those of `development` are among them.
        "pairs": study.datasets,
        "train": study.training_datasets,
    }
    for key, names in named.items():
        for name in names:
            if name not in data.names:
                raise ClipnError(f"{path}: {key}: {name!r} is not in the registry; it has {', '.join(data.names)}")
    for name in study.pairs:
        record = data.record(name)
        if isinstance(record, Dataset) and record.classes is None and record.reader in NAMELESS:
            raise ClipnError(f"{path}: pairs: {name} {NO_CLASSES}; {naming_classes(name, str(study.registry))}")
    for name in study.cleaning:
        if not any(name in data.cleaning(dataset) for dataset in study.datasets):
            raise ClipnError(f"{path}: cleaning: no dataset of the study has a list {name!r} in the registry")
    if study.mirror is not None and not Path(study.mirror).is_dir():
        raise ClipnError(f"{path}: mirror: no folder {study.mirror}; correct it or leave it out")
    for id_dataset, name in study.envisioned_words.items():
        if name not in data.word_lists:
            known = ", ".join(data.word_lists) or "none"
            raise ClipnError(
                f"{path}: envisioned_words.{id_dataset}: no word list {name!r} in the registry; it has {known}"
            )
    words = study.negative_words
    if words not in (None, WORDNET, *data.word_lists) and not Path(str(words)).is_file():
        known = ", ".join([WORDNET, *data.word_lists])
        raise ClipnError(f"{path}: negative_words: no file {words}; correct it, or write {known}")


def _require_weights(source: str, kind: str, where: str) -> None:
    if is_weight_file(source):
        if not Path(source).is_file():
            raise ClipnError(f"{where}: no file {source}; correct the path or put the file there")
        return
    known: dict[str, WeightFile] = getattr(load_weights(WEIGHTS), kind)
    if source not in known:
        remedy = f"name one of {', '.join(known)}, or a file that ends in {', '.join(WEIGHT_SUFFIXES)}"
        raise ClipnError(f"{where}: {source!r} is not among the {kind} of {WEIGHTS}; {remedy}")


def ablations(study: Study) -> list[tuple[str, str, str]]:
    """Setting, value and variant of every ablation, in the order of the study, the base first in each setting."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name in study.ablations:
        (setting,) = study.varied(name)
        for variant in (study.base, name):
            value = getattr(study.variants[variant], setting)
            row = (setting, "all" if value is None else str(value), variant)
            rows = found.setdefault(setting, [])
            if row not in rows:
                rows.append(row)
    return [row for rows in found.values() for row in rows]


def _variants(path: str) -> set[str]:
    variants = _mapping(Path(path)).get("variants")
    return {*variants} if isinstance(variants, Mapping) else set()


def _mapping(path: Path) -> dict[str, Any]:
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise ClipnError(f"{path}: holds no keys; write `key: value` lines")
    if TEMPLATE in content:
        raise ClipnError(f"{path}: {TEMPLATE}: a template could run any program; remove the line, and write out values")
    return content
