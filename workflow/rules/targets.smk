"""Names for groups of files, as the stages of dvc.yaml use them."""


rule data:
    input:
        shard_paths(),
        [f"{STUDY}/datasets/{name}/manifest.parquet" for name in study.datasets],


rule models:
    input:
        run_paths("runs", ".safetensors", plain=False),


rule features:
    input:
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
