"""Backbones and the runs trained on them."""

if TRAINED:

    rule train_backbone:
        input:
            shards=shard_paths(),
            index=SHARD_INDEX,
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
            code=fingerprint("clipn.training.backbone", "clipn.compute"),
        shell:
            "clipn --log {log} backbone train {wildcards.backbone} {input.shards} --index {input.index}"
            " --architecture {params.architecture:q} --output {output.backbone}"
            " --history {output.history} --device {params.device} {params.options}"


if TAUGHT:

    rule train_clipn:
        input:
            unpack(training_files),
        output:
            checkpoint=f"{STUDY}/runs/{{backbone}}/{{variant}}/seed{{seed}}.safetensors",
            history=f"{STUDY}/runs/{{backbone}}/{{variant}}/seed{{seed}}.csv",
        log:
            f"{LOGS}/train_clipn/{{backbone}}/{{variant}}/seed{{seed}}.log",
        benchmark:
            f"{LOGS}/train_clipn/{{backbone}}/{{variant}}/seed{{seed}}.tsv"
        wildcard_constraints:
            variant="|".join(TAUGHT),
        threads: lambda wildcards: training_threads(wildcards)
        resources:
            mem_mb=1500,
            cpu_percent=lambda wildcards: cpu_percent(training_threads(wildcards)),
            gpu=lambda wildcards: gpu() * study.variants[wildcards.variant].processes,
            workers=study.workers,
        params:
            launcher=lambda wildcards: launcher(
                study.variants[wildcards.variant].processes
            ),
            files=training_file_options,
            options=lambda wildcards: options(study.variants[wildcards.variant]),
            device=study.device,
            work=place(f"work/{study.study}/train"),
            curves=lambda wildcards: f"{LOGS}/tensorboard/{wildcards.backbone}/{wildcards.variant}/seed{wildcards.seed}",
            code=fingerprint("clipn.training.clipn", "clipn.compute"),
        shell:
            "{params.launcher}clipn --log {log} train {params.files}"
            " --name {wildcards.backbone}/{wildcards.variant} --seed {wildcards.seed}"
            " --output {output.checkpoint} --history {output.history} --work {params.work}"
            " --curves {params.curves} --workers {resources.workers} --device {params.device} {params.options}"
