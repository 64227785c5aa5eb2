"""What locked image towers say, once for all backbones on them; a study without one leaves this file out."""


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
            paths.tower_features(w.backbone, name) for name in study.encoded_datasets
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
