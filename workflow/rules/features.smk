"""What the frozen towers say, once per backbone."""


rule cache_image_features:
    input:
        GENERATED_REGISTRY,
        backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
        manifest=f"{STUDY}/datasets/{{dataset}}/manifest.parquet",
        archives=lambda wildcards: archive_paths(wildcards.dataset),
    output:
        f"{STUDY}/features/{{backbone}}/{{dataset}}.safetensors",
    log:
        f"{LOGS}/cache_image_features/{{backbone}}/{{dataset}}.log",
    benchmark:
        f"{LOGS}/cache_image_features/{{backbone}}/{{dataset}}.tsv"
    threads: study.threads
    resources:
        mem_mb=1200,
        cpu_percent=cpu_percent(study.threads),
        gpu=gpu(),
    params:
        record=lambda wildcards: record(wildcards.dataset),
        options=MODEL_OPTIONS,
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        in_place=lambda wildcards: state_in_place(wildcards.dataset),
        places=lambda wildcards: place_options(wildcards.dataset),
        code=fingerprint("clipn.features", "clipn.compute"),
    shell:
        "clipn --log {log} features images {wildcards.dataset} --registry {params.registry}"
        " --archives {params.archives}/{wildcards.dataset} --manifest {input.manifest}"
        " --backbone {input.backbone} --output {output} {params.options} {params.places}"


rule cache_caption_features:
    input:
        backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
        index=SHARD_INDEX,
    output:
        f"{STUDY}/caption_features/{{backbone}}/captions.safetensors",
    log:
        f"{LOGS}/cache_caption_features/{{backbone}}.log",
    benchmark:
        f"{LOGS}/cache_caption_features/{{backbone}}.tsv"
    threads: study.threads
    resources:
        mem_mb=1500,
        cpu_percent=cpu_percent(study.threads),
        gpu=gpu(),
    params:
        options=MODEL_OPTIONS,
        code=fingerprint("clipn.features", "clipn.compute"),
    shell:
        "clipn --log {log} features captions --index {input.index}"
        " --backbone {input.backbone} --output {output} {params.options}"


rule cache_caption_images:
    input:
        backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
        shards=shard_paths(),
        index=SHARD_INDEX,
    output:
        f"{STUDY}/caption_features/{{backbone}}/views{{views}}.safetensors",
    log:
        f"{LOGS}/cache_caption_features/{{backbone}}/views{{views}}.log",
    benchmark:
        f"{LOGS}/cache_caption_features/{{backbone}}/views{{views}}.tsv"
    wildcard_constraints:
        views=r"\d+",
    threads: study.threads
    resources:
        mem_mb=1500,
        cpu_percent=cpu_percent(study.threads),
        gpu=gpu(),
    params:
        options=MODEL_OPTIONS,
        code=fingerprint("clipn.features", "clipn.compute"),
    shell:
        "clipn --log {log} features caption-images {input.shards} --index {input.index}"
        " --backbone {input.backbone} --views {wildcards.views} --output {output} {params.options}"
