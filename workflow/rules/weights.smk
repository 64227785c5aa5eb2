"""Weights of others, fetched and brought to this project's form."""

if FETCHED:

    rule fetch_weights:
        output:
            f"{STUDY}/weights/{{weights}}",
        log:
            f"{LOGS}/fetch_weights/{{weights}}.log",
        benchmark:
            f"{LOGS}/fetch_weights/{{weights}}.tsv"
        wildcard_constraints:
            weights="|".join(map(re.escape, FETCHED)),
        threads: 1
        resources:
            mem_mb=200,
            cpu_percent=10,
        params:
            key=lambda wildcards: FETCHED[wildcards.weights],
            record=lambda wildcards: weight_record(
                FETCHED[wildcards.weights]
            ).archive.model_dump_json(),
            registry=place(str(WEIGHTS)),
            code=fingerprint("clipn.data.download"),
        shell:
            "clipn --log {log} weights fetch {params.key} --registry {params.registry} --output {output}"


if PRETRAINED:

    rule import_backbone:
        input:
            lambda wildcards: weight_path(backbone_source(study, wildcards.backbone)),
        output:
            f"{STUDY}/backbones/{{backbone}}.safetensors",
        log:
            f"{LOGS}/import_backbone/{{backbone}}.log",
        benchmark:
            f"{LOGS}/import_backbone/{{backbone}}.tsv"
        wildcard_constraints:
            backbone="|".join(PRETRAINED),
        threads: 1
        resources:
            mem_mb=3000,
            cpu_percent=cpu_percent(1),
        params:
            architecture=lambda wildcards: study.backbones[
                wildcards.backbone
            ].architecture,
            definition=lambda wildcards: architecture_text(wildcards.backbone),
            tag=lambda wildcards: tag_option(wildcards.backbone),
            content=lambda wildcards: local_hash(
                backbone_source(study, wildcards.backbone)
            ),
            code=fingerprint("clipn.model.backbone"),
        shell:
            "clipn --log {log} backbone import {input:q} --name {wildcards.backbone}"
            " --architecture {params.architecture:q} {params.tag} --output {output}"


if PUBLISHED:

    rule import_checkpoint:
        input:
            checkpoint=lambda wildcards: weight_path(published(wildcards)),
            backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
        output:
            f"{STUDY}/runs/{{backbone}}/{{variant}}/seed{{seed}}.safetensors",
        log:
            f"{LOGS}/import_checkpoint/{{backbone}}/{{variant}}/seed{{seed}}.log",
        benchmark:
            f"{LOGS}/import_checkpoint/{{backbone}}/{{variant}}/seed{{seed}}.tsv"
        wildcard_constraints:
            variant="|".join(PUBLISHED),
        threads: 1
        resources:
            mem_mb=3500,
            cpu_percent=cpu_percent(1),
        params:
            content=lambda wildcards: local_hash(published(wildcards)),
            code=fingerprint("clipn.model.released", "clipn.model.checkpoint"),
        shell:
            "clipn --log {log} checkpoint import {input.checkpoint:q} --backbone {input.backbone} --output {output}"
