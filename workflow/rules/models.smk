"""Backbones and the runs trained on them."""

if TRAINED:

    rule train_backbone:
        input:
            shards=shard_paths(),
            index=rules.build_shards.output.index,
        output:
            backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
            history=f"{STUDY}/backbones/{{backbone}}.csv",
        log:
            f"{LOGS}/train_backbone/{{backbone}}.log",
        benchmark:
            f"{LOGS}/train_backbone/{{backbone}}.tsv"
        wildcard_constraints:
            backbone="|".join(TRAINED),
        threads: lambda wildcards: study.backbones[wildcards.backbone].training.threads
        resources:
            mem_mb=2500,
            cpu_percent=lambda wildcards: cpu_percent(
                study.backbones[wildcards.backbone].training.threads
            ),
            gpu=gpu(),
        params:
            architecture=lambda wildcards: study.backbones[
                wildcards.backbone
            ].architecture,
            definition=lambda wildcards: architecture_text(wildcards.backbone),
            options=lambda wildcards: options(
                study.backbones[wildcards.backbone].training
            ),
            device=study.device,
            code=fingerprint("clipn.backbone_training", "clipn.compute"),
        shell:
            "clipn --log {log} backbone train {wildcards.backbone} {input.shards} --index {input.index}"
            " --architecture {params.architecture:q} --output {output.backbone}"
            " --history {output.history} --device {params.device} {params.options}"


if PRETRAINED:

    rule fetch_backbone:
        output:
            f"{STUDY}/backbones/{{backbone}}.safetensors",
        log:
            f"{LOGS}/fetch_backbone/{{backbone}}.log",
        benchmark:
            f"{LOGS}/fetch_backbone/{{backbone}}.tsv"
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
            pretrained=lambda wildcards: study.backbones[wildcards.backbone].pretrained,
            code=fingerprint("clipn.backbone"),
        shell:
            "clipn --log {log} backbone fetch {wildcards.backbone} --architecture {params.architecture:q}"
            " --pretrained {params.pretrained:q} --output {output}"


rule train_clipn:
    input:
        backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
        captions=f"{STUDY}/caption_features/{{backbone}}.safetensors",
    output:
        checkpoint=f"{STUDY}/runs/{{backbone}}/{{variant}}/seed{{seed}}.safetensors",
        history=f"{STUDY}/runs/{{backbone}}/{{variant}}/seed{{seed}}.csv",
    log:
        f"{LOGS}/train_clipn/{{backbone}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        f"{LOGS}/train_clipn/{{backbone}}/{{variant}}/seed{{seed}}.tsv"
    threads: lambda wildcards: study.variants[wildcards.variant].threads
    resources:
        mem_mb=1500,
        cpu_percent=lambda wildcards: cpu_percent(
            study.variants[wildcards.variant].threads
        ),
        gpu=gpu(),
    params:
        options=lambda wildcards: options(study.variants[wildcards.variant]),
        device=study.device,
        code=fingerprint("clipn.train", "clipn.compute"),
    shell:
        "clipn --log {log} train --backbone {input.backbone} --captions {input.captions}"
        " --name {wildcards.backbone}/{wildcards.variant} --seed {wildcards.seed}"
        " --output {output.checkpoint} --history {output.history} --device {params.device} {params.options}"
