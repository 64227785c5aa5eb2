"""What the frozen towers say, once per backbone."""


rule cache_image_features:
    input:
        lambda wildcards: paths.generated_registries(wildcards.dataset),
        backbone=paths.backbone("{backbone}"),
        manifest=paths.manifest("{dataset}"),
        archives=lambda wildcards: paths.archives(wildcards.dataset),
    output:
        paths.features("{backbone}", "{dataset}"),
    log:
        job_log("cache_image_features/{backbone}/{dataset}", paths.shared_logs),
    benchmark:
        job_benchmark("cache_image_features/{backbone}/{dataset}", paths.shared_logs)
    wildcard_constraints:
        dataset="|".join(set(study.encoded_datasets) - set(SMALL)) or "none",
    threads: study.threads
    resources:
        **job_resources(1200, study.threads, GPU),
    params:
        images=lambda wildcards: contents.images(wildcards.dataset),
        options=lambda w: options.images_of_all([w.dataset]) + options.model,
        code=fingerprint("clipn.cli.features.image_features"),
    shell:
        "clipn --log {log} features images {wildcards.dataset} {params.options} --backbone {input.backbone}"
        f" --datasets {paths.datasets_folder} --output {paths.all_features_folder}/{{wildcards.backbone}}"


if SMALL:

    # In one job: to load the model takes longer than to encode their images.
    rule cache_small_image_features:
        input:
            paths.generated_registries(*SMALL),
            backbone=paths.backbone("{backbone}"),
            manifests=[paths.manifest(name) for name in SMALL],
            archives=paths.archives(*SMALL),
        output:
            [paths.features("{backbone}", name) for name in SMALL],
        log:
            job_log("cache_small_image_features/{backbone}", paths.shared_logs),
        benchmark:
            job_benchmark("cache_small_image_features/{backbone}", paths.shared_logs)
        threads: study.threads
        resources:
            **job_resources(1200, study.threads, GPU),
        params:
            images=contents.images(*SMALL),
            options=options.small_datasets(SMALL) + options.model,
            code=fingerprint("clipn.cli.features.image_features"),
        shell:
            "clipn --log {log} features images {params.options} --backbone {input.backbone}"
            f" --datasets {paths.datasets_folder} --output {paths.all_features_folder}/{{wildcards.backbone}}"


rule cache_caption_features:
    input:
        backbone=paths.backbone("{backbone}"),
        index=paths.shard_index,
    output:
        paths.caption_features("{backbone}"),
    log:
        job_log("cache_caption_features/{backbone}", paths.shared_logs),
    benchmark:
        job_benchmark("cache_caption_features/{backbone}", paths.shared_logs)
    threads: study.threads
    resources:
        **job_resources(1500, study.threads, GPU),
    params:
        options=options.model,
        code=fingerprint("clipn.cli.features.caption_features"),
    shell:
        "clipn --log {log} features captions --index {input.index} --backbone {input.backbone}"
        " --output {output} {params.options}"


rule cache_caption_images:
    input:
        backbone=paths.backbone("{backbone}"),
        shards=paths.shards,
        index=paths.shard_index,
    output:
        paths.caption_images("{backbone}", "{views}"),
    log:
        job_log("cache_caption_features/{backbone}/views{views}", paths.shared_logs),
    benchmark:
        job_benchmark(
            "cache_caption_features/{backbone}/views{views}", paths.shared_logs
        )
    threads: study.threads
    resources:
        **job_resources(1500, study.threads, GPU),
    params:
        options=options.model,
        code=fingerprint("clipn.cli.features.caption_images"),
    shell:
        "clipn --log {log} features caption-images {input.shards} --index {input.index}"
        " --backbone {input.backbone} --views {wildcards.views} --output {output} {params.options}"


# What the text towers say of the ID classes, so that scoring needs no model.
rule encode_classes:
    input:
        backbone=paths.backbone("{backbone}"),
        checkpoints=lambda w: [paths.run(name) for name in paths.runs_of(w.backbone)],
        descriptions=[paths.description(name) for name in study.pairs],
    output:
        paths.classifiers("{backbone}"),
    log:
        job_log("encode_classes/{backbone}"),
    benchmark:
        job_benchmark("encode_classes/{backbone}")
    threads: study.threads
    resources:
        **job_resources(1500, study.threads, GPU),
    params:
        pools=[contents.prompt_pool(name) for name in scorings.prompt_pools(study)],
        options=lambda w: options.id_datasets
        + options.datasets
        + options.pools
        + options.runs_of(w.backbone)
        + options.model,
        code=fingerprint("clipn.cli.features.classifiers"),
    shell:
        "clipn --log {log} features classifiers {params.options} --backbone {input.backbone} --output {output}"
