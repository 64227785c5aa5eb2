"""Names for groups of files: the stages of dvc.yaml, and all of them together.

`all` asks for every file of the study and so notices when an intermediate one is gone; asking for a single table
does not, so that a table can be kept without the gigabytes behind it.
"""


rule data:
    input:
        GENERATED_REGISTRY,
        [
            path
            for name in [*study.captions.sources, *study.datasets]
            for path in archive_paths(name)
        ],
        [
            f"{STUDY}/datasets/{name}/{file}"
            for name in study.datasets
            for file in ("manifest.parquet", "dataset.json")
        ],
        f"{STUDY}/captions/captions.parquet",
        f"{STUDY}/captions/statistics.json",
        f"{STUDY}/shards/index.json",
        shard_paths(),


rule models:
    input:
        [
            f"{STUDY}/{folder}/{name}.safetensors"
            for name in study.backbones
            for folder in ("backbones", "caption_features")
        ],
        [f"{STUDY}/backbones/{name}.csv" for name in TRAINED],
        run_paths("runs", ".safetensors", plain=False),
        run_paths("runs", ".csv", plain=False),


rule features:
    input:
        [
            f"{STUDY}/features/{backbone}/{name}.safetensors"
            for backbone in study.backbones
            for name in study.datasets
        ],
        run_paths("scores", ".parquet"),
        run_paths("metrics", ".json"),


rule imagenet_ood:
    input:
        table_files("imagenet"),


rule cifar10_ood:
    input:
        table_files("cifar10"),


rule cifar100_ood:
    input:
        table_files("cifar100"),


rule all:
    default_target: True
    input:
        rules.data.input,
        rules.models.input,
        rules.features.input,
        published_files(),
