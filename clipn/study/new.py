"""A new study, written from the datasets, backbone and checkpoints that a person names on the command line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from clipn.data.add import add_dataset, copy_dataset
from clipn.data.description import NO_CLASSES, naming_classes
from clipn.data.insertion import locked
from clipn.data.registry import NAMELESS, Registry, load_registry
from clipn.data.weights_registry import WEIGHTS
from clipn.errors import ClipnError
from clipn.files import read_json, write_json, write_text
from clipn.study.config import Study
from clipn.study.loading import STUDIES, parse_study
from clipn.study.weights import is_weight_file
from clipn.yaml_models import FILE_NAME

REGISTRIES = Path("config")
"""Folder of the registry of a study's own images, which is called like the study."""
ARCHITECTURES = Path("config/architectures")
BASELINES = ("msp", "max_logit", "energy", "mcm", "react", "odin", "gen")
"""Methods that need nothing beside the features."""
VARIANT = "clipn"


class GivenBackbone(NamedTuple):
    """A backbone as a study names it: its own name, architecture and weights."""

    name: str
    architecture: str
    pretrained: str


@dataclass(frozen=True)
class NewStudy:
    """What a person says of a new study.

    Attributes:
        name: of the study.
        id_datasets: names in the registry, or folders or archives of images, alone or as NAME=PATH.
        ood_datasets: the same; OOD of every ID dataset but themselves.
        backbone: ARCHITECTURE/TAG of a record in `WEIGHTS`, ARCHITECTURE:FILE of a weight file, or a backbone file.
        architecture: open_clip's configuration in the header of a backbone file; None of others.
        checkpoints: of CLIPN: files, or names of records in `WEIGHTS`.
        registry: YAML file of the datasets that are named and are no folders or archives.
    """

    name: str
    id_datasets: Sequence[str]
    ood_datasets: Sequence[str]
    backbone: str
    architecture: Mapping[str, Any] | None
    checkpoints: Sequence[str]
    registry: Path


def write_study(new: NewStudy) -> Study:
    """Write the file of a new study and, if it has images of one's own, their registry `config/<study>.yaml`.

    Returns:
        The study, as its file describes it.

    Raises:
        ClipnError: a file of one of these names is there, a dataset, backbone or checkpoint is not, or an ID dataset
            has no class names. Only in the last case are the files left, so that a person can name the classes.
    """
    if not re.fullmatch(FILE_NAME, new.name):
        raise ClipnError(f"{new.name!r}: is no name of a study; use letters, digits, `.`, `_` and `-`")
    path, own_registry = STUDIES / f"{new.name}.yaml", REGISTRIES / f"{new.name}.yaml"
    names, places = _datasets(new)
    registry = own_registry if places else new.registry
    own_files = (path, own_registry, ARCHITECTURES / f"{new.name}.json")
    # Two that write a study of one name at once would remove each other's files.
    with locked(path):
        for file in (path, *([own_registry] if places else [])):
            if file.exists():
                raise ClipnError(f"{file}: is there already; choose another name for the study, or remove that file")
        with _removed_if_it_fails(*(file for file in own_files if not file.exists())):
            if places:
                _write_registry(new, names, places, own_registry)
            nameless = [name for name in names[: len(new.id_datasets)] if _is_nameless(name, registry)]
            text = _text(new, names, _backbone(new), registry)
            write_text(path, text)
            if not nameless:
                return parse_study({**yaml.safe_load(text), "study": new.name})
    remedy = naming_classes(nameless[0], str(registry))
    raise ClipnError(f"{path}: is written, but {nameless[0]} {NO_CLASSES}; {remedy}, and run the study")


@contextmanager
def _removed_if_it_fails(*paths: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


def _datasets(new: NewStudy) -> tuple[list[str], dict[str, Path]]:
    """Names of the ID datasets, then of the OOD datasets; and where those lie that are in no registry yet."""
    known = load_registry(new.registry) if new.registry.exists() else Registry()
    texts: dict[str, str] = {}
    places: dict[str, Path] = {}
    names = []
    for text in (*new.id_datasets, *new.ood_datasets):
        name, place = (text, None) if text in known.datasets else _named_place(text)
        if not re.fullmatch(FILE_NAME, name):
            raise ClipnError(f"{text}: gives no name of letters, digits, `.`, `_` and `-`; write it as NAME=PATH")
        if place is not None and not place.exists():
            among = ", ".join(known.datasets) or "none"
            raise ClipnError(f"{text}: no folder or archive, and no dataset of {new.registry}, which has {among}")
        if texts.setdefault(name, text) != text:
            raise ClipnError(f"{text}: {texts[name]} is called {name}, too; name one of them otherwise, as NAME=PATH")
        places |= {name: place} if place is not None else {}
        names.append(name)
    return names, places


def _named_place(text: str) -> tuple[str, Path]:
    """Name and path of `NAME=PATH`, or of a path, whose last part is its name as far as a name may hold it."""
    name, is_named, place = text.partition("=")
    if is_named and not Path(text).exists():
        return name, Path(place)
    stem = Path(text).resolve().name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_"), Path(text)


def _write_registry(new: NewStudy, names: Sequence[str], places: Mapping[str, Path], registry: Path) -> None:
    for name in dict.fromkeys(names):
        if name in places:
            labelled = name in names[: len(new.id_datasets)]
            add_dataset(registry, name, places[name], name, None, None, labelled=labelled)
        else:
            copy_dataset(name, new.registry, registry)


def _is_nameless(name: str, registry: Path) -> bool:
    record = load_registry(registry).dataset(name)
    return record.classes is None and record.reader in NAMELESS


def _backbone(new: NewStudy) -> GivenBackbone:
    text = new.backbone
    architecture, is_named, file = text.partition(":")
    if is_named:
        return GivenBackbone(Path(architecture).stem, architecture, file)
    if not is_weight_file(text):
        architecture, _, tag = text.partition("/")
        return GivenBackbone(architecture, architecture, tag)
    if new.architecture is None:
        raise ClipnError(f"--backbone {text}: does not say its architecture; write ARCHITECTURE:{text}")
    return GivenBackbone(Path(text).stem, _architecture_file(new.name, new.architecture), text)


def _architecture_file(study: str, architecture: Mapping[str, Any]) -> str:
    """A JSON file of this architecture; one is written, called like the study, where there is none."""
    for file in sorted(ARCHITECTURES.glob("*.json")):
        if read_json(file) == architecture:
            return str(file)
    file = ARCHITECTURES / f"{study}.json"
    if file.exists():
        raise ClipnError(f"{file}: is there already, with another architecture; choose another name for the study")
    write_json(file, architecture)
    return str(file)


def _text(new: NewStudy, names: Sequence[str], backbone: GivenBackbone, registry: Path) -> str:
    """The study as YAML, a comment above every key."""
    id_datasets, ood_datasets = names[: len(new.id_datasets)], names[len(new.id_datasets) :]
    pairs = "".join(
        f"  {name}: {_yaml([other for other in dict.fromkeys(ood_datasets) if other != name])}\n"
        for name in dict.fromkeys(id_datasets)
    )
    return f"""\
# Written by `clipn study new`. All keys and their defaults: workflow/schemas/study.schema.json.
# Everything: snakemake --cores 8 all --config study={new.name}

# Where the datasets are recorded: titles, layouts, class names, folders or archives.
registry: {_yaml(str(registry))}

# Where models run: cpu or cuda.
device: cpu

# Torch threads of encoding; digits depend on it.
threads: 1

# CLIP models whose features are scored, by names of yours.
backbones:
  {_yaml(backbone.name)}:
    # open_clip name, or a JSON file of the same form.
    architecture: {_yaml(backbone.architecture)}
    # open_clip tag of a record in {WEIGHTS}, or a weight file.
    pretrained: {_yaml(backbone.pretrained)}

{_checkpoints(new.checkpoints, backbone.name)}
# OOD datasets of every ID dataset. An ID dataset has class names; labels are needed for its accuracy alone.
pairs:
{pairs}
# Methods on plain CLIP; docs/methods.md has all of them.
baselines: {_yaml(list(BASELINES))}

# Templates of the class names: prompt pools of docs/methods.md, or text files with a template per line.
prompts: [clipn128]

# Resamples of the images, for the 95 % intervals; 0: no intervals.
resamples: 1000
"""


def _checkpoints(checkpoints: Sequence[str], backbone: str) -> str:
    if not checkpoints:
        return "# With checkpoints of CLIPN: `variants` and `runs`, as in config/studies/released.yaml.\n"
    numbered = "".join(f"      {number}: {_yaml(checkpoint)}\n" for number, checkpoint in enumerate(checkpoints, 1))
    return f"""\
# What says “no”.
variants:
  {VARIANT}:
    # Number of the run -> name of a record in {WEIGHTS}, or a file of the authors' form or of `clipn train`.
    checkpoints:
{numbered}
# Which checkpoints are scored, on which backbone; `seeds` are their numbers.
runs:
  - {_yaml({"backbone": backbone, "variant": VARIANT, "seeds": [*range(1, len(checkpoints) + 1)]})}
"""


def _yaml(value: Any) -> str:
    """A value on one line, with quotation marks where it needs them."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")
