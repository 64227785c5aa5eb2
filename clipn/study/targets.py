"""The files that a study consists of, by the stages of dvc.yaml."""

from collections.abc import Callable, Sequence
from itertools import product

from clipn.scores import COOKED
from clipn.study.config import ID_DATASETS, Study
from clipn.study.figures import shown_scorings
from clipn.study.fits import fits_of, probes
from clipn.study.paths import StudyPaths
from clipn.study.report_paths import OVERALL_TABLES, PRINTED, TEST_TIME, short_path
from clipn.study.runs import image_caches, run_names, text_caches
from clipn.study.scorings import all_scorings, id_and_ood, own_features
from clipn.study.weights import generated_networks, image_towers, locked_towers
from clipn.study.word_lists import fetched_words

OOD_TABLE_ENDINGS = ("csv", "md", "tex", "json")


def data_files(paths: StudyPaths) -> list[str]:
    """Archives, datasets, captions and shards."""
    study = paths.study
    generated = [paths.generated_registry, *map(paths.generated_network, generated_networks(study))]
    registry = generated if study.demo else []
    archives = paths.archives(*study.captions.sources, *study.encoded_datasets, cleaning=True)
    archives += fetched_words(paths)
    datasets = [path(name) for name in study.encoded_datasets for path in (paths.manifest, paths.description)]
    # Without captions nothing is trained, and the rules of captions and shards have no input.
    if not study.captions.sources:
        return [*registry, *archives, *datasets]
    captions = [paths.captions, paths.caption_statistics, *paths.crawl_reports]
    shards = [paths.shard_index, paths.shard_statistics, *paths.shards]
    return [*registry, *archives, *datasets, *captions, *shards, *map(paths.description, study.captions.sources)]


def model_files(paths: StudyPaths) -> list[str]:
    """Backbones, what they say of the captions, and the runs."""
    study = paths.study
    return [
        *map(paths.image_tower, image_towers(study)),
        *map(paths.caption_tower_features, locked_towers(study)),
        *map(paths.backbone, study.backbones),
        *paths.backbone_histories,
        *map(paths.caption_features, text_caches(study)),
        *(paths.caption_images(*cache) for cache in image_caches(study)),
        *checkpoints(paths),
        *run_histories(paths),
    ]


def checkpoints(paths: StudyPaths) -> list[str]:
    """Checkpoints of all runs."""
    return [paths.run(name) for name in run_names(paths.study.runs)]


def run_histories(paths: StudyPaths) -> list[str]:
    """Training histories of the runs that are trained here."""
    return [paths.run(name, "csv") for name in run_names(paths.study.trained_runs)]


def development_features(paths: StudyPaths, backbone: str) -> list[str]:
    """Image features of what greedy soups are chosen on."""
    pairs = paths.study.development.items()
    names = dict.fromkeys(name for id_dataset, ood_datasets in pairs for name in (id_dataset, *ood_datasets))
    return [paths.features(backbone, name) for name in names]


def feature_files(paths: StudyPaths) -> list[str]:
    """Image features, those of single methods, classifiers, scores, and metrics with their replicates."""
    study, scored = paths.study, all_scorings(paths.study)

    def of_each(files: Callable[[StudyPaths, str], list[str]]) -> list[str]:
        return [path for backbone in study.backbones for path in files(paths, backbone)]

    return [
        *(paths.tower_features(tower, name) for tower in locked_towers(study) for name in study.encoded_datasets),
        *(paths.features(backbone, name) for backbone in study.backbones for name in study.encoded_datasets),
        *dict.fromkeys([*of_each(own_feature_files), *stream_words(paths)]),
        *stream_prompts(paths),
        *of_each(fitted_files),
        *network_files(paths),
        *map(paths.classifiers, study.backbones),
        *map(paths.scores, scored),
        *map(paths.metrics, scored),
        *map(paths.replicates, scored),
        *stream_metrics(paths),
    ]


def own_feature_files(paths: StudyPaths, backbone: str) -> list[str]:
    """Features of a backbone, which may be a wildcard, that single methods of the study have to themselves."""
    found = paths.own_features(backbone, own_features(paths.study.baselines))
    return [path for several in found.values() for path in several]


def stream_words(paths: StudyPaths, backbone: str | None = None) -> list[str]:
    """NegLabel's words, encoded, where a method that adapts on the test stream reads them.

    Of all backbones, or of one, which may be a wildcard.
    """
    test_time = paths.study.test_time
    named = product([backbone] if backbone else paths.study.backbones, paths.study.pairs)
    return [paths.word_features("neglabel", *names) for names in named if test_time and test_time.reads_words]


def stream_prompts(paths: StudyPaths, backbone: str | None = None) -> list[str]:
    """Prompts of the first pool, each encoded by itself, where a method weighs them; backbones as above."""
    test_time = paths.study.test_time
    named = product([backbone] if backbone else paths.study.backbones, paths.study.pairs)
    return [paths.prompt_features(*names) for names in named if test_time and test_time.weighs_prompts]


def stream_metrics(paths: StudyPaths) -> list[str]:
    """Metrics of the methods that adapt on the test stream."""
    return [paths.streams(name) for name in paths.study.backbones if paths.study.test_time]


def fitted_files(paths: StudyPaths, backbone: str) -> list[str]:
    """Classifiers on a backbone, fitted on training images of ID datasets, and probes that are imported instead."""
    return [
        (paths.probe if fit.variant.startswith(COOKED) else paths.discriminant)(fit.backbone, id_dataset, fit.seed)
        for fit, names in fits_of(paths.study, backbone).items()
        for id_dataset in names
    ]


def network_files(paths: StudyPaths) -> list[str]:
    """What networks say of the images of ID datasets whose rows use them, and of their OOD datasets."""
    return list(
        dict.fromkeys(
            paths.network_logits(fit.network, name)
            for id_dataset, fit in probes(paths.study).items()
            for name in id_and_ood(paths.study, id_dataset)
        )
    )


def own_id_datasets(study: Study) -> list[str]:
    """ID datasets of a study that are none of the paper's."""
    return [name for name in study.pairs if name not in ID_DATASETS]


def ood_tables(paths: StudyPaths, id_dataset: str) -> list[str]:
    """All forms of an ID dataset's table; empty but for its header where the study lacks the dataset."""
    return [paths.ood_table(id_dataset, ending) for ending in OOD_TABLE_ENDINGS]


def ood_table_files(paths: StudyPaths, id_dataset: str) -> list[str]:
    """The same and their copies."""
    return _with_copies(ood_tables(paths, id_dataset))


def own_ood_table_files(paths: StudyPaths) -> list[str]:
    """The same of all ID datasets that are none of the paper's."""
    return [file for id_dataset in own_id_datasets(paths.study) for file in ood_table_files(paths, id_dataset)]


def shown_scores(paths: StudyPaths, backbone: str) -> list[str]:
    """Scores that figures of a backbone show."""
    return [paths.scores(scoring) for scoring in shown_scorings(paths.study, backbone)]


def figure_files(paths: StudyPaths, names: Sequence[str]) -> list[str]:
    """All figures, each as PNG and PDF."""
    return [paths.figure(name, ending) for name in names for ending in ("png", "pdf")]


def printed_tables(paths: StudyPaths) -> list[str]:
    """The printed forms of the tables over all ID datasets."""
    return [
        paths.table(name, ending) for name, endings in OVERALL_TABLES.items() for ending in endings if ending != "csv"
    ]


def overall_table_files(paths: StudyPaths) -> list[str]:
    """The tables over all ID datasets, with their printed forms."""
    tables = [paths.table(name, ending) for name, endings in OVERALL_TABLES.items() for ending in endings]
    published = [paths.table("published", ending) for ending in ("csv", "md")]
    return [*tables, *published, *(paths.table(TEST_TIME, ending) for ending in PRINTED)]


def summary_files(paths: StudyPaths) -> list[str]:
    """Averages of the main runs, a file per ID dataset."""
    return [*map(paths.summary, paths.study.pairs)]


def report_files(paths: StudyPaths, figures: Sequence[str]) -> list[str]:
    """All that a person looks at: tables, figures and page, with their copies at the short paths."""
    others = [*overall_table_files(paths), *summary_files(paths), paths.page, *figure_files(paths, figures)]
    ood_tables = [path for id_dataset in ID_DATASETS for path in ood_table_files(paths, id_dataset)]
    return [*ood_tables, *own_ood_table_files(paths), *_with_copies(others)]


def all_files(paths: StudyPaths, figures: Sequence[str]) -> list[str]:
    """Every file of the study that a target may name."""
    return [*data_files(paths), *model_files(paths), *feature_files(paths), *report_files(paths, figures)]


def number_files(paths: StudyPaths) -> list[str]:
    """Files that hold what was measured, in the order in which they are made: no texts for people, and no pictures."""
    ood_tables = map(paths.ood_table, [*ID_DATASETS, *own_id_datasets(paths.study)])
    made = [*data_files(paths), *model_files(paths), *feature_files(paths)]
    of_streams = [paths.table(TEST_TIME)] if paths.study.test_time else []
    return [*made, *ood_tables, *map(paths.table, OVERALL_TABLES), *of_streams, *summary_files(paths)]


def _with_copies(files: list[str]) -> list[str]:
    return [path for file in files for path in (file, short_path(file))]
