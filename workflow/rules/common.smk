"""The study, and what the rules share; no rule in here."""

import re
import shlex
from pathlib import Path

from clipn.compute import set_environment
from clipn.data.weights_registry import WEIGHTS
from clipn.demo.settings import TRAINING
from clipn.fingerprint import PACKAGE, Fingerprints
from clipn.provenance.check import check_study
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.report.published_numbers import load_published
from clipn.scores import PLAIN_CLIP
from clipn.study import figures, fits, scorings, targets, word_lists
from clipn.study.config import ID_DATASETS
from clipn.study.data import StudyData
from clipn.study.loading import parse_study, study_files
from clipn.study.names import RunName
from clipn.study.paths import StudyPaths, log_folder
from clipn.study.report_paths import OVERALL_TABLES, PRINTED, TEST_TIME, short_path
from clipn.study.rules.contents import RuleContents
from clipn.study.rules.inputs import images_and_classes
from clipn.study.rules.options import RuleOptions
from clipn.study.rules.parameters import file_arguments, repeated
from clipn.study.rules.resources import job_resources
from clipn.study.run_lock import begin_run
from clipn.study.runs import soup_members
from clipn.study.settings.networks import id_datasets_of
from clipn.study.settings.variants import ReleasedVariant, Soup
from clipn.study.snakemake import as_one_rule, mode_of, or_exit
from clipn.study.weights import (
    backbone_source,
    fetched_weights,
    generated_networks,
    image_towers,
    released_source,
)

for file in or_exit(study_files, config["study"]):

    configfile: file


PUBLISHED_NUMBERS = "config/published.yaml"
study = or_exit(parse_study, config)
data = StudyData(study)
paths = StudyPaths(study, data)
options = RuleOptions(paths)
hashes, run_state = HashCache(Path()), RunState(Path())
contents = RuleContents(study, data, hashes)
fingerprint = Fingerprints(run_state.sources)

set_environment(options.arithmetic)
SCORINGS = scorings.all_scorings(study)
SCORED = scorings.scored_alike(scorings.scorings(study))
EVALUATED = scorings.scored_alike(SCORINGS)
TRAINED = [name for name, backbone in study.backbones.items() if backbone.training]
PRETRAINED = [name for name in study.backbones if name not in TRAINED]
LOCKED = [name for name in TRAINED if study.backbones[name].locked]
TOWERS = image_towers(study)
VARIANTS = study.variants.items()
RELEASED = [name for name, kind in VARIANTS if isinstance(kind, ReleasedVariant)]
SOUPS = {name: kind.kind for name, kind in VARIANTS if isinstance(kind, Soup)}
UNIFORM = [name for name, kind in SOUPS.items() if kind == "uniform"]
GREEDY = [name for name in SOUPS if name not in UNIFORM]
TAUGHT = [name for name, _ in VARIANTS if name not in (*RELEASED, *SOUPS)]
FETCHED = fetched_weights(study)
GENERATED_NETWORKS = generated_networks(study)
WORD_METHODS = scorings.word_methods(study)
SMALL = [name for name in study.encoded_datasets if data.is_small(name)]
METRICS = [paths.metrics(scoring) for scoring in SCORINGS]
DISCRIMINANTS = fits.discriminants(study)
PROBES = fits.probes(study)
FITTED_PROBES = [name for name, probe in PROBES.items() if probe.dataset]
IMPORTED_PROBES = [name for name, probe in PROBES.items() if probe.probes]
STREAMS = targets.stream_metrics(paths)
DESCRIPTIONS = [paths.description(name) for name in study.datasets]
PUBLISHED = or_exit(load_published, Path(PUBLISHED_NUMBERS)).studies
FIGURES = figures.figure_names(study, PUBLISHED)
OVERALL_FIGURES = figures.overall_figures(study, PUBLISHED)
DRAWN_ALIKE = figures.drawn_alike(study)
OWN_ID = targets.own_id_datasets(study)
TEMPLATES = [
    PACKAGE / "report/page" / name
    for name in ("page.html.jinja", "page.css", "sorting.js")
]
GPU = 1 if study.device == "cuda" else 0


wildcard_constraints:
    study="|".join(map(re.escape, filter(None, (study.study, study.extends)))),
    dataset="|".join([*data.names, *data.word_lists]),
    backbone="|".join(map(re.escape, study.backbones)),
    tower="|".join(map(re.escape, TOWERS)) or "none",
    network="|".join(map(re.escape, study.networks)) or "none",
    variant="|".join([*study.variants, PLAIN_CLIP]),
    seed=r"\d+",
    id_dataset="|".join([*ID_DATASETS, *OWN_ID]),
    source="|".join(study.captions.sources) or "none",
    weights="|".join(map(re.escape, FETCHED)) or "none",
    views=r"\d+",


def job_log(name, folder=paths.logs):
    """Log of a job."""
    return f"{folder}/{name}.log"


def job_benchmark(name, folder=paths.logs):
    """Time and memory that a job took; `clipn trace` finds it beside the log."""
    return f"{folder}/{name}.tsv"


def released(wildcards):
    """Local file, or key of the record, of a released checkpoint."""
    return released_source(study, wildcards.variant, int(wildcards.seed))


def training_files(fitted, wildcards):
    """What a classifier of an ID dataset is fitted on; `fitted`: what is fitted, by ID dataset."""
    dataset = fitted[wildcards.id_dataset].dataset
    return {
        "features": paths.features(wildcards.backbone, dataset),
        "indexed": [
            path(name)
            for name in (wildcards.id_dataset, dataset)
            for path in (paths.manifest, paths.description)
        ],
    }


def training_threads(wildcards):
    variant = study.variants[wildcards.variant]
    return variant.threads * variant.processes


def table(path, caption):
    """A table for Snakemake's own report."""
    return report(path, caption=f"../report/{caption}.rst", category="Tables")


def figure(name, caption):
    """Outputs of a rule that draws a figure."""
    rst = f"../report/{caption}.rst"
    png = report(paths.figure(name), caption=rst, category="Figures")
    return {"png": png, "pdf": paths.figure(name, "pdf")}


def id_figures(kinds):
    """Outputs of a rule that draws the figures of an ID dataset and a backbone."""
    drawn = [figure(f"{{id_dataset}}_{kind}_{{backbone}}", kind) for kind in kinds]
    return {ending: [outputs[ending] for outputs in drawn] for ending in ("png", "pdf")}


def figures_of_backbone(kinds):
    """Figures of a backbone, which is a wildcard, of all ID datasets."""
    names = [f"{name}_{kind}_{{backbone}}" for name in study.pairs for kind in kinds]
    return targets.figure_files(paths, names)


def check_results():
    """Check what is there, and write down how it was made."""
    # Hashes files that are read in place now, so that the cache is saved with them.
    contents.images(*study.captions.sources, *study.encoded_datasets)
    or_exit(
        check_study, study, PUBLISHED, hashes, run_state, fingerprint, mode_of(workflow)
    )
