"""The study, where its files lie, and small helpers for the rules; no rule in here."""

import hashlib
import os
import re
import shlex
import sys
from functools import cache
from math import ceil
from pathlib import Path

import yaml
from pydantic import BaseModel

import clipn
from clipn.study.config import ID_DATASETS, PLAIN, Published
from clipn.data.weights_registry import load_weights
from clipn.errors import ClipnError
from clipn.files import file_hash
from clipn.fingerprint import Fingerprints
from clipn.provenance.hash_cache import HashCache
from clipn.provenance.run_state import RunState
from clipn.report.published_numbers import load_published
from clipn.text.prompts import has_negations, pool_hash, pool_name
from clipn.scores import SCORES
from clipn.data.settings import CaptionPreparation
from clipn.study.loading import (
    WEIGHTS,
    ablations,
    backbone_source,
    is_weight_file,
    parse_study,
    study_file,
    weight_sources,
)
from clipn.study.data import StudyData
from clipn.text.wordlists import FOLDER as WORDNET_FOLDER
from clipn.text.wordlists import WORDNET, read_words, words_hash


def or_exit(function, *arguments):
    """Call a function; a person's mistake ends the run with one line."""
    try:
        return function(*arguments)
    except ClipnError as error:
        sys.exit(f"error: {error}")


configfile: or_exit(study_file, config["study"])


study = or_exit(parse_study, config)
data = StudyData(study)

hashes, run_state = HashCache(Path()), RunState(Path())
fingerprint = Fingerprints(run_state.sources)
STUDY = f"results/studies/{study.study}"
LOGS = f"logs/{study.study}"
SHARD_INDEX = f"{STUDY}/shards/index.parquet"
REGISTRY = study.registry or f"{STUDY}/archives/mirror/datasets.yaml"
GENERATED_REGISTRY = [] if study.registry else [REGISTRY]
"""A generated registry is an input like any other; of a written one, only the records that a rule uses count."""
CLIPN_METHODS = [name for name, score in SCORES.items() if score.needs_no]
TRAINED = [name for name, backbone in study.backbones.items() if backbone.training]
PRETRAINED = [name for name in study.backbones if name not in TRAINED]
PUBLISHED = [
    name for name, variant in study.variants.items() if isinstance(variant, Published)
]
TAUGHT = [name for name in study.variants if name not in PUBLISHED]
POOLS = {pool_name(pool): pool for pool in study.prompts}
MAIN_POOL = next(iter(POOLS))
PUBLISHED_NUMBERS = "config/published.yaml"
OTHER_TABLES = ["id_accuracy", "decisions", "metrics", "differences", "ablations"]


wildcard_constraints:
    dataset="|".join(data.names),
    backbone="|".join(study.backbones),
    variant="|".join([*study.variants, PLAIN]),
    seed=r"\d+",
    prompts="|".join(POOLS),
    known="|".join(ID_DATASETS),
    source="|".join(study.captions.sources) or "none",


def options(settings):
    """Settings as command-line options, e.g. {'batch_size': 256} as `--batch-size 256`."""
    values = settings.model_dump() if isinstance(settings, BaseModel) else settings
    words = []
    for key, value in values.items():
        if value is None:
            continue
        name = key.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", shlex.quote(str(value))]
    return " ".join(words)


def repeated(option, values):
    """`--option value` for every value."""
    return " ".join(f"{option} {shlex.quote(str(value))}" for value in values)


def place(path):
    """A path as a parameter that is no file of the rule itself, such as the folder its inputs lie in."""
    return lambda wildcards: path


def cpu_percent(threads):
    """Share of the machine that `threads` busy threads take, in percent."""
    return min(100, ceil(100 * threads / (len(os.sched_getaffinity(0)))))


def gpu():
    return 1 if study.device == "cuda" else 0


PAIRS = repeated(
    "--pair", (f"{known}:{','.join(unknown)}" for known, unknown in study.pairs.items())
)
MODEL_OPTIONS = options({"device": study.device, "threads": study.threads})


def archive_paths(name, cleaning=False):
    """Archives of a dataset or caption source; with `cleaning`, its switched-on lists, too."""
    return [f"{STUDY}/archives/{name}/{file}" for file in data.files(name, cleaning)]


def caption_archives():
    return [path for name in study.captions.sources for path in archive_paths(name)]


def archive_identity(name, file):
    """What the registry says of the bytes of one archive, so that a new address fetches nothing anew."""
    known = data.record(name)
    return known and data.archive(name, file).identity


def record(name):
    """What the registry says of images or captions; it enters the rules as a parameter."""
    known = data.record(name)
    return known and known.identity


@cache
def state_in_place(name):
    """Hash of names and contents of the files that are read where they are, outside the study."""
    lines = []
    for place in data.in_place(name):
        files = [path for path in (place, *sorted(place.rglob("*"))) if path.is_file()]
        hashes.hash_files(map(str, files))
        lines += [
            f"{file.relative_to(place)} {hashes.sha256(str(file))}\n" for file in files
        ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def place_options(name):
    """Where images lie that no archive of the study holds."""
    unpacked = data.unpacked(name)
    return options({"unpacked": unpacked}) if unpacked else ""


def together(known):
    """An ID dataset and its OOD datasets."""
    return [known, *study.pairs[known]]


def copies(known):
    """Where images of a pair lie that no archive of the study holds."""
    unpacked = {name: data.unpacked(name) for name in together(known)}
    return repeated(
        "--unpacked", (f"{name}:{path}" for name, path in unpacked.items() if path)
    )


def caption_descriptions():
    """What was found of the archives of every caption source."""
    return [f"{STUDY}/datasets/{name}/dataset.json" for name in study.captions.sources]


def crawl_reports():
    """Outcomes of the crawls of all sources without archives of images."""
    return [f"{STUDY}/captions/crawl_{name}.json" for name in crawled_sources()]


def crawled_sources():
    records = {name: data.record(name) for name in study.captions.sources}
    return [name for name, known in records.items() if known and known.is_crawled]


def architecture_text(backbone):
    """Content of an architecture file, so that editing it counts; the name itself for open_clip's own."""
    name = study.backbones[backbone].architecture
    return Path(name).read_text() if name.endswith(".json") else name


def shard_paths():
    return [
        f"{STUDY}/shards/{number:05d}.tar" for number in range(study.captions.shards)
    ]


def run_paths(ending, runs=study.runs):
    """One path per run, `runs/<backbone>/<variant>/seed<k>`."""
    return [
        f"{STUDY}/runs/{run.backbone}/{run.variant}/seed{seed}{ending}"
        for run in runs
        for seed in run.seeds
    ]


def histories():
    """Logs of the runs that are trained here."""
    return run_paths(".csv", study.trained_runs)


def study_text():
    """The study as it was checked, defaults filled in."""
    return yaml.safe_dump(
        study.model_dump(mode="json", exclude_none=True), sort_keys=False
    )


def page_template():
    """Hash of the page's template, which is no Python module and so not in its code's fingerprint."""
    return file_hash(
        Path(clipn.__file__).parent / "report" / "page" / "page.html.jinja"
    )


def stored_views(variant):
    """Views of the stored image features that a variant trains on; None if it draws its crops anew."""
    return {"online": None, "none": 0, "stored": variant.views}[variant.augmentation]


def training_files(wildcards):
    """What a run is trained on; a run of no epochs needs the backbone and the number of captions only."""
    variant = study.variants[wildcards.variant]
    files = {
        "backbone": f"{STUDY}/backbones/{wildcards.backbone}.safetensors",
        "index": SHARD_INDEX,
    }
    if variant.epochs == 0:
        return files
    if variant.no_texts == "learnable":
        files["captions"] = (
            f"{STUDY}/caption_features/{wildcards.backbone}/captions.safetensors"
        )
    views = stored_views(variant)
    if views is None:
        files["shards"] = shard_paths()
    else:
        files["images"] = (
            f"{STUDY}/caption_features/{wildcards.backbone}/views{views}.safetensors"
        )
    return files


def training_file_options(wildcards, input):
    """The files of `training_files` as arguments."""
    named = (
        f"--{name} {input[name]}"
        for name in ("backbone", "index", "captions", "images")
        if name in input.keys()
    )
    return " ".join([*input.get("shards", []), *named])


def training_threads(wildcards):
    variant = study.variants[wildcards.variant]
    return variant.threads * variant.processes


def launcher(processes):
    """What starts a command in several processes; nothing for one."""
    return (
        f"torchrun --standalone --nproc-per-node {processes} --no-python "
        if processes > 1
        else ""
    )
