"""Names for groups of files, as the stages of dvc.yaml use them."""


rule data:
    input:
        data_files(),


rule models:
    input:
        model_files(),


rule features:
    input:
        feature_files(),


rule imagenet_ood:
    input:
        table_files("imagenet"),


rule cifar10_ood:
    input:
        table_files("cifar10"),


rule cifar100_ood:
    input:
        table_files("cifar100"),
