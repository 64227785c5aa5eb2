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


if LOCKED:

    # For all trainings on it, which differ in what comes after it only.
    rule cache_tower_features:
        input:
            paths.generated_registries(*study.encoded_datasets),
            image_tower=paths.image_tower("{tower}"),
            manifests=[paths.manifest(name) for name in study.encoded_datasets],
            archives=paths.archives(*study.encoded_datasets),
        output:
            [paths.tower_features("{tower}", name) for name in study.encoded_datasets],
        log:
            job_log("cache_tower_features/{tower}", paths.shared_logs),
        benchmark:
            job_benchmark("cache_tower_features/{tower}", paths.shared_logs)
        threads: study.threads
        resources:
            **job_resources(1500, study.threads, GPU),
        params:
            images=contents.images(*study.encoded_datasets),
            options=options.small_datasets(study.encoded_datasets) + options.model,
            folder=lambda wildcards: paths.tower_features_folder(wildcards.tower),
            code=fingerprint("clipn.cli.features.tower_features"),
        shell:
            "clipn --log {log} features tower {params.options} --image-tower {input.image_tower}"
            f" --datasets {paths.datasets_folder} --output {{params.folder}}"

    rule cache_caption_tower_features:
        input:
            image_tower=paths.image_tower("{tower}"),
            shards=paths.shards,
            index=paths.shard_index,
        output:
            paths.caption_tower_features("{tower}"),
        log:
            job_log("cache_caption_tower_features/{tower}", paths.shared_logs),
        benchmark:
            job_benchmark("cache_caption_tower_features/{tower}", paths.shared_logs)
        threads: study.threads
        resources:
            **job_resources(1500, study.threads, GPU),
        params:
            options=options.model,
            code=fingerprint("clipn.cli.features.caption_tower_features"),
        shell:
            "clipn --log {log} features tower-captions {input.shards} --index {input.index}"
            " --image-tower {input.image_tower} --output {output} {params.options}"

    rule project_image_features:
        input:
            backbone=paths.backbone("{backbone}"),
            manifests=[paths.manifest(name) for name in study.encoded_datasets],
            features=lambda w: [
                paths.tower_features(w.backbone, name)
                for name in study.encoded_datasets
            ],
        output:
            [paths.features("{backbone}", name) for name in study.encoded_datasets],
        log:
            job_log("project_image_features/{backbone}", paths.shared_logs),
        benchmark:
            job_benchmark("project_image_features/{backbone}", paths.shared_logs)
        wildcard_constraints:
            backbone="|".join(map(re.escape, LOCKED)),
        threads: study.threads
        resources:
            **job_resources(1500, study.threads, GPU),
        params:
            names=shlex.join(study.encoded_datasets),
            options=options.model,
            folder=lambda wildcards: paths.tower_features_folder(wildcards.backbone),
            code=fingerprint("clipn.cli.features.projected_features"),
        shell:
            "clipn --log {log} features project {params.names} --backbone {input.backbone} --tower-features"
            f" {{params.folder}} --datasets {paths.datasets_folder}"
            f" --output {paths.all_features_folder}/{{wildcards.backbone}} {{params.options}}"

    rule project_caption_images:
        input:
            backbone=paths.backbone("{backbone}"),
            index=paths.shard_index,
            features=lambda w: paths.caption_tower_features(w.backbone),
        output:
            paths.caption_images("{backbone}", 0),
        log:
            job_log("project_caption_images/{backbone}", paths.shared_logs),
        benchmark:
            job_benchmark("project_caption_images/{backbone}", paths.shared_logs)
        wildcard_constraints:
            backbone="|".join(map(re.escape, LOCKED)),
        threads: study.threads
        resources:
            **job_resources(1500, study.threads, GPU),
        params:
            options=options.model,
            code=fingerprint("clipn.cli.features.projected_caption_images"),
        shell:
            "clipn --log {log} features project-captions --backbone {input.backbone} --index {input.index}"
            " --tower-features {input.features} --output {output} {params.options}"

    # What a locked tower says is projected; random crops of captions' images, which it has not seen, are encoded.
    ruleorder: project_image_features > cache_image_features
    ruleorder: project_caption_images > cache_caption_images

    if SMALL:

        ruleorder: project_image_features > cache_small_image_features


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
        unpack(images_and_classes),
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
        unpack(images_and_classes),
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
