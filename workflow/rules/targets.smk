"""Names for groups of files, as the stages of dvc.yaml use them."""


rule data:
    input:
        targets.data_files(paths),


rule models:
    input:
        targets.model_files(paths),


rule features:
    input:
        targets.feature_files(paths),


rule imagenet_ood:
    input:
        targets.ood_table_files(paths, "imagenet"),


rule cifar10_ood:
    input:
        targets.ood_table_files(paths, "cifar10"),


rule cifar100_ood:
    input:
        targets.ood_table_files(paths, "cifar100"),


rule own_ood:
    input:
        targets.own_ood_table_files(paths),
