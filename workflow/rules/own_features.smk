"""What single methods need to themselves, beside the features of images and classes."""

if WORD_METHODS:

    # Words that methods set against the classes of each ID dataset, encoded; of all methods in one job.
    rule negative_labels:
        input:
            backbone=paths.backbone("{backbone}"),
            descriptions=[paths.description(name) for name in study.pairs],
            words=word_lists.word_files(paths),
        output:
            [
                paths.word_features(method, "{backbone}", name)
                for method in WORD_METHODS
                for name in study.pairs
            ],
        log:
            job_log("negative_labels/{backbone}", paths.shared_logs),
        benchmark:
            job_benchmark("negative_labels/{backbone}", paths.shared_logs)
        threads: study.threads
        resources:
            **job_resources(1500, study.threads, GPU),
        params:
            words=or_exit(contents.words),
            options=options.id_datasets
            + options.datasets
            + options.model
            + options.words,
            code=fingerprint("clipn.cli.features.negative_labels"),
        shell:
            "clipn --log {log} features negatives {params.options} --backbone {input.backbone}"
            f" --output {paths.all_features_folder}/{{wildcards.backbone}}"


if targets.stream_prompts(paths):

    # Prompts of the first pool, each encoded by itself, and the mean image of the captions; of all ID datasets in one job.
    rule prompt_features:
        input:
            backbone=paths.backbone("{backbone}"),
            descriptions=[paths.description(name) for name in study.pairs],
            index=paths.shard_index,
            caption_images=paths.caption_images("{backbone}", 0),
        output:
            [paths.prompt_features("{backbone}", name) for name in study.pairs],
        log:
            job_log("prompt_features/{backbone}", paths.shared_logs),
        benchmark:
            job_benchmark("prompt_features/{backbone}", paths.shared_logs)
        threads: study.threads
        resources:
            **job_resources(1500, study.threads, GPU),
        params:
            pool=contents.prompt_pool(scorings.main_pool(study)),
            options=options.id_datasets
            + options.datasets
            + options.model
            + options.prompt_pool,
            code=fingerprint("clipn.cli.features.prompt_features"),
        shell:
            "clipn --log {log} features prompts {params.options} --backbone {input.backbone} --index {input.index}"
            " --caption-images {input.caption_images}"
            f" --output {paths.all_features_folder}/{{wildcards.backbone}}/prompts"


# Images moved a step towards what the model takes them for, for ODIN; all datasets of an ID dataset in one job.
rule perturbed_features:
    input:
        unpack(lambda w: images_and_classes(paths, w.id_dataset)),
        backbone=paths.backbone("{backbone}"),
    output:
        paths.perturbed_features("{backbone}", "{id_dataset}"),
    log:
        job_log("perturbed_features/{backbone}/{id_dataset}", paths.shared_logs),
    benchmark:
        job_benchmark("perturbed_features/{backbone}/{id_dataset}", paths.shared_logs)
    threads: study.threads
    resources:
        **job_resources(2000, study.threads, GPU),
    params:
        images=lambda w: contents.images(*scorings.id_and_ood(study, w.id_dataset)),
        pool=contents.prompt_pool(scorings.main_pool(study)),
        options=lambda w: options.images_and_classes(w.id_dataset)
        + options.prompts()
        + options.perturbation,
        code=fingerprint("clipn.cli.features.perturbed_features"),
    shell:
        "clipn --log {log} features perturbed {params.options} --backbone {input.backbone} --output {output}"


# What patches of images say of the ID classes, for GL-MCM and L-MCM; all datasets of an ID dataset in one job.
rule local_features:
    input:
        unpack(lambda w: images_and_classes(paths, w.id_dataset)),
        backbone=paths.backbone("{backbone}"),
    output:
        paths.local_features("{backbone}", "{id_dataset}"),
    log:
        job_log("local_features/{backbone}/{id_dataset}", paths.shared_logs),
    benchmark:
        job_benchmark("local_features/{backbone}/{id_dataset}", paths.shared_logs)
    threads: study.threads
    resources:
        **job_resources(2000, study.threads, GPU),
    params:
        images=lambda w: contents.images(*scorings.id_and_ood(study, w.id_dataset)),
        pool=contents.prompt_pool(scorings.main_pool(study)),
        options=lambda w: options.images_and_classes(w.id_dataset) + options.prompt_pool,
        code=fingerprint("clipn.cli.features.local_features"),
    shell:
        "clipn --log {log} features local {params.options} --backbone {input.backbone} --output {output}"


if study.networks:

    # What networks say that were trained on ID classes, once for all backbones.
    rule cache_network_logits:
        input:
            lambda wildcards: paths.generated_registries(wildcards.dataset),
            weights=lambda w: paths.network(w.network),
            manifest=paths.manifest("{dataset}"),
            descriptions=lambda w: [
                paths.description(name)
                for name in id_datasets_of(study.train, w.network)
            ],
            archives=lambda wildcards: paths.archives(wildcards.dataset),
        output:
            paths.network_logits("{network}", "{dataset}"),
        log:
            job_log("cache_network_logits/{network}/{dataset}", paths.shared_logs),
        benchmark:
            job_benchmark("cache_network_logits/{network}/{dataset}", paths.shared_logs)
        threads: study.threads
        resources:
            **job_resources(2000, study.threads, GPU),
        params:
            images=lambda wildcards: contents.images(wildcards.dataset),
            weights=lambda w: contents.local_weights(study.networks[w.network].weights),
            options=lambda w: options.images_of_all([w.dataset])
            + options.network(w.network),
            code=fingerprint("clipn.cli.features.network_logits"),
        shell:
            "clipn --log {log} features network {wildcards.dataset} {params.options} --weights {input.weights:q}"
            " --output $(dirname {output})"
