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
        code=fingerprint("clipn.features.images", "clipn.compute"),
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
        code=fingerprint("clipn.features.captions", "clipn.compute"),
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
        code=fingerprint("clipn.features.captions", "clipn.compute"),
    shell:
        "clipn --log {log} features caption-images {input.shards} --index {input.index}"
        " --backbone {input.backbone} --views {wildcards.views} --output {output} {params.options}"


# Words far from the known classes, encoded, for NegLabel.
rule negative_labels:
    input:
        backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
        description=f"{STUDY}/datasets/{{known}}/dataset.json",
        words=word_file(),
    output:
        f"{STUDY}/features/{{backbone}}/negative_labels/{{known}}.safetensors",
    log:
        f"{LOGS}/negative_labels/{{backbone}}/{{known}}.log",
    benchmark:
        f"{LOGS}/negative_labels/{{backbone}}/{{known}}.tsv"
    threads: study.threads
    resources:
        mem_mb=1500,
        cpu_percent=cpu_percent(study.threads),
        gpu=gpu(),
    params:
        words=lambda wildcards, input: input.words or study.negative_words,
        list=word_hash(),
        options=MODEL_OPTIONS,
        code=fingerprint(
            "clipn.features.negative_labels", "clipn.data.description", "clipn.compute"
        ),
    shell:
        "clipn --log {log} features negatives --backbone {input.backbone} --description {input.description}"
        " --words {params.words:q} --output {output} {params.options}"


# Images moved a step towards what the model takes them for, for ODIN; all datasets of an ID dataset in one job.
rule perturbed_features:
    input:
        GENERATED_REGISTRY,
        backbone=f"{STUDY}/backbones/{{backbone}}.safetensors",
        indexed=lambda wildcards: [
            f"{STUDY}/datasets/{name}/{file}"
            for name in together(wildcards.known)
            for file in ("manifest.parquet", "dataset.json")
        ],
        archives=lambda wildcards: [
            path for name in together(wildcards.known) for path in archive_paths(name)
        ],
    output:
        f"{STUDY}/features/{{backbone}}/perturbed/{{known}}.safetensors",
    log:
        f"{LOGS}/perturbed_features/{{backbone}}/{{known}}.log",
    benchmark:
        f"{LOGS}/perturbed_features/{{backbone}}/{{known}}.tsv"
    threads: study.threads
    resources:
        mem_mb=2000,
        cpu_percent=cpu_percent(study.threads),
        gpu=gpu(),
    params:
        names=lambda wildcards: together(wildcards.known),
        records=lambda wildcards: [record(name) for name in together(wildcards.known)],
        options=MODEL_OPTIONS,
        settings=options(
            {
                "prompts": POOLS[MAIN_POOL],
                "logit_scale": study.logit_scale,
                "epsilon": study.perturbation,
            }
        ),
        pool=pool_hash(POOLS[MAIN_POOL]),
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        datasets=place(f"{STUDY}/datasets"),
        in_place=lambda wildcards: [
            state_in_place(name) for name in together(wildcards.known)
        ],
        copies=lambda wildcards: copies(wildcards.known),
        code=fingerprint(
            "clipn.features.perturbed", "clipn.data.description", "clipn.compute"
        ),
    shell:
        "clipn --log {log} features perturbed {params.names} --registry {params.registry}"
        " --archives {params.archives} --datasets {params.datasets} --backbone {input.backbone}"
        " --output {output} {params.settings} {params.options} {params.copies}"
