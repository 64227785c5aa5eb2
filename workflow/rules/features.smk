"""What the frozen towers say, once per backbone."""


rule cache_image_features:
    input:
        GENERATED_REGISTRY,
        backbone=paths.backbone("{backbone}"),
        manifest=paths.manifest("{dataset}"),
        archives=lambda wildcards: paths.archives(wildcards.dataset),
    output:
        paths.features("{backbone}", "{dataset}"),
    log:
        job_log("cache_image_features/{backbone}/{dataset}"),
    benchmark:
        job_benchmark("cache_image_features/{backbone}/{dataset}")
    threads: study.threads
    resources:
        **job_resources(1200, study.threads, GPU),
    params:
        images=lambda wildcards: contents.images(wildcards.dataset),
        options=lambda w: options.images(w.dataset) + options.model,
        code=fingerprint("clipn.cli.features.image_features"),
    shell:
        "clipn --log {log} features images {wildcards.dataset} {params.options} --manifest {input.manifest}"
        " --backbone {input.backbone} --output {output}"


rule cache_caption_features:
    input:
        backbone=paths.backbone("{backbone}"),
        index=paths.shard_index,
    output:
        paths.caption_features("{backbone}"),
    log:
        job_log("cache_caption_features/{backbone}"),
    benchmark:
        job_benchmark("cache_caption_features/{backbone}")
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
        job_log("cache_caption_features/{backbone}/views{views}"),
    benchmark:
        job_benchmark("cache_caption_features/{backbone}/views{views}")
    threads: study.threads
    resources:
        **job_resources(1500, study.threads, GPU),
    params:
        options=options.model,
        code=fingerprint("clipn.cli.features.caption_images"),
    shell:
        "clipn --log {log} features caption-images {input.shards} --index {input.index}"
        " --backbone {input.backbone} --views {wildcards.views} --output {output} {params.options}"


# Words far from the ID classes, encoded, for NegLabel.
rule negative_labels:
    input:
        backbone=paths.backbone("{backbone}"),
        description=paths.description("{id_dataset}"),
        words=paths.words,
    output:
        paths.negative_labels("{backbone}", "{id_dataset}"),
    log:
        job_log("negative_labels/{backbone}/{id_dataset}"),
    benchmark:
        job_benchmark("negative_labels/{backbone}/{id_dataset}")
    threads: study.threads
    resources:
        **job_resources(1500, study.threads, GPU),
    params:
        words=or_exit(contents.words),
        options=options.model + options.negative_words,
        code=fingerprint("clipn.cli.features.negative_labels"),
    shell:
        "clipn --log {log} features negatives --backbone {input.backbone} --description {input.description}"
        " --output {output} {params.options}"


# Images moved a step towards what the model takes them for, for ODIN; all datasets of an ID dataset in one job.
rule perturbed_features:
    input:
        GENERATED_REGISTRY,
        backbone=paths.backbone("{backbone}"),
        indexed=lambda wildcards: [
            path(name)
            for name in id_and_ood(study, wildcards.id_dataset)
            for path in (paths.manifest, paths.description)
        ],
        archives=lambda wildcards: paths.archives(
            *id_and_ood(study, wildcards.id_dataset)
        ),
    output:
        paths.perturbed_features("{backbone}", "{id_dataset}"),
    log:
        job_log("perturbed_features/{backbone}/{id_dataset}"),
    benchmark:
        job_benchmark("perturbed_features/{backbone}/{id_dataset}")
    threads: study.threads
    resources:
        **job_resources(2000, study.threads, GPU),
    params:
        names=lambda wildcards: options.datasets_of(wildcards.id_dataset),
        images=lambda wildcards: contents.images(
            *id_and_ood(study, wildcards.id_dataset)
        ),
        pool=contents.prompt_pool(main_pool(study)),
        options=lambda wildcards: options.images_of_all(
            id_and_ood(study, wildcards.id_dataset)
        )
        + options.datasets
        + options.model
        + options.prompts()
        + options.perturbation,
        code=fingerprint("clipn.cli.features.perturbed_features"),
    shell:
        "clipn --log {log} features perturbed {params.names} {params.options} --backbone {input.backbone}"
        " --output {output}"
