"""Lists of the files of a study, for the targets."""


def data_files():
    """Archives, datasets, captions and shards."""
    names = [*study.captions.sources, *study.datasets]
    return [
        *GENERATED_REGISTRY,
        *(path for name in names for path in archive_paths(name, cleaning=True)),
        *(
            f"{STUDY}/datasets/{name}/{file}"
            for name in study.datasets
            for file in ("manifest.parquet", "dataset.json")
        ),
        *(caption_files() if study.captions.sources else []),
        *caption_descriptions(),
    ]


def caption_files():
    """Captions and shards."""
    return [
        f"{STUDY}/captions/captions.parquet",
        f"{STUDY}/captions/statistics.json",
        *crawl_reports(),
        SHARD_INDEX,
        f"{STUDY}/shards/statistics.json",
        *shard_paths(),
    ]


def caption_caches():
    """What the frozen towers say of the captions, as far as a run is trained on it."""
    files = [training_files(run) for run in study.trained_runs]
    return dict.fromkeys(
        named[kind]
        for named in files
        for kind in ("captions", "images")
        if kind in named
    )


def model_files():
    """Backbones, what they say of the captions, and the runs."""
    return [
        *(f"{STUDY}/backbones/{name}.safetensors" for name in study.backbones),
        *(f"{STUDY}/backbones/{name}.csv" for name in TRAINED),
        *caption_caches(),
        *run_paths(".safetensors"),
        *histories(),
    ]


def feature_files():
    """Image features, those that single methods have to themselves, scores, and metrics with their replicates."""
    needs = {need for name in study.baselines for need in SCORES[name].needs}
    own = [own_features(backbone, needs) for backbone in study.backbones]
    return [
        *(
            f"{STUDY}/features/{backbone}/{name}.safetensors"
            for backbone in study.backbones
            for name in study.datasets
        ),
        *(path for files in own for paths in files.values() for path in paths),
        *scored_paths("scores", ".parquet"),
        *scored_paths("metrics", ".json"),
        *scored_paths("metrics", ".parquet"),
    ]


def at_both_places(files):
    """Files of the study and their copies at the short path, where people look."""
    return [f"{place}/{file}" for file in files for place in (STUDY, "results")]


def table_files(known):
    """An ID dataset's table; empty but for its header where the study lacks the dataset."""
    return at_both_places(
        f"tables/{known}_ood.{ending}" for ending in ("csv", "md", "tex", "json")
    )


def other_table_files():
    """The tables over all ID datasets."""
    twins = [
        f"{name}.{ending}"
        for name in OTHER_TABLES
        for ending in (("csv",) if name == "metrics" else ("csv", "md", "tex"))
    ]
    return [f"tables/{file}" for file in (*twins, "published.csv", "published.md")]


def figure_files(folder):
    return [
        f"{folder}/figures/{name}.{ending}"
        for name in figure_names()
        for ending in ("png", "pdf")
    ]


def published_files():
    """All that a person looks at."""
    others = [
        *other_table_files(),
        "metrics.json",
        "report.html",
    ]
    figures = [
        f"figures/{name}.{ending}"
        for name in figure_names()
        for ending in ("png", "pdf")
    ]
    tables = [path for known in ID_DATASETS for path in table_files(known)]
    return [
        *tables,
        *at_both_places(others),
        *figure_files(STUDY),
        *figure_files("results"),
    ]


def all_files():
    """Every file of the study that a target may name."""
    return [*data_files(), *model_files(), *feature_files(), *published_files()]
