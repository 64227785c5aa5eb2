"""Backbones and CLIPN: imported from the weights of others, trained here, or averaged."""

if FETCHED:

    rule fetch_weights:
        output:
            paths.fetched_weights("{weights}"),
        log:
            job_log("fetch_weights/{weights}", paths.shared_logs),
        benchmark:
            job_benchmark("fetch_weights/{weights}", paths.shared_logs)
        localrule: True
        resources:
            **job_resources(mem_mb=200, cpu_percent=10),
        params:
            key=lambda wildcards: shlex.quote(FETCHED[wildcards.weights]),
            record=lambda wildcards: contents.weight_record(FETCHED[wildcards.weights]),
        shell:
            "clipn --log {log} weights fetch {params.key} --output {output}"
            f" --registry {WEIGHTS}"


if PRETRAINED:

    rule import_backbone:
        input:
            lambda wildcards: paths.weights(backbone_source(study, wildcards.backbone)),
        output:
            paths.backbone("{backbone}"),
        log:
            job_log("import_backbone/{backbone}", paths.shared_logs),
        benchmark:
            job_benchmark("import_backbone/{backbone}", paths.shared_logs)
        wildcard_constraints:
            backbone="|".join(map(re.escape, PRETRAINED)),
        resources:
            **job_resources(mem_mb=3000),
        params:
            options=lambda wildcards: options.architecture(wildcards.backbone)
            + options.weights(wildcards.backbone),
            definition=lambda wildcards: contents.architecture(wildcards.backbone),
            weights=lambda wildcards: contents.local_weights(
                backbone_source(study, wildcards.backbone)
            ),
            code=fingerprint("clipn.cli.weights.import_backbone"),
        shell:
            "clipn --log {log} backbone import {input:q} --name {wildcards.backbone}"
            " {params.options} --output {output}"


if RELEASED:

    rule import_checkpoint:
        input:
            checkpoint=lambda wildcards: paths.weights(released(wildcards)),
            backbone=paths.backbone("{backbone}"),
        output:
            paths.run_pattern(),
        log:
            job_log(
                "import_checkpoint/{backbone}/{variant}/seed{seed}",
                log_folder("{study}"),
            ),
        benchmark:
            job_benchmark(
                "import_checkpoint/{backbone}/{variant}/seed{seed}",
                log_folder("{study}"),
            )
        wildcard_constraints:
            variant="|".join(RELEASED),
        resources:
            **job_resources(mem_mb=3500),
        params:
            weights=lambda wildcards: contents.local_weights(released(wildcards)),
            options=lambda w: options.released(w.variant, int(w.seed)),
            code=fingerprint("clipn.cli.weights.import_checkpoint"),
        shell:
            "clipn --log {log} checkpoint import {input.checkpoint:q} --backbone {input.backbone} --output {output}"


if TOWERS:

    rule import_image_tower:
        input:
            lambda wildcards: paths.weights(TOWERS[wildcards.tower]),
        output:
            paths.image_tower("{tower}"),
        log:
            job_log("import_image_tower/{tower}", paths.shared_logs),
        benchmark:
            job_benchmark("import_image_tower/{tower}", paths.shared_logs)
        resources:
            **job_resources(mem_mb=1500),
        params:
            options=lambda wildcards: options.image_tower(wildcards.tower),
            definition=lambda wildcards: contents.architecture(wildcards.tower),
            weights=lambda wildcards: contents.local_weights(TOWERS[wildcards.tower]),
            code=fingerprint("clipn.cli.weights.import_image_tower"),
        shell:
            "clipn --log {log} backbone import-tower {input:q} {params.options} --output {output}"


if TRAINED:

    rule train_backbone:
        input:
            unpack(lambda wildcards: paths.backbone_files(wildcards.backbone)),
        output:
            backbone=paths.backbone("{backbone}"),
            history=paths.backbone("{backbone}", "csv"),
        log:
            job_log("train_backbone/{backbone}", paths.shared_logs),
        benchmark:
            job_benchmark("train_backbone/{backbone}", paths.shared_logs)
        wildcard_constraints:
            backbone="|".join(TRAINED),
        threads: lambda wildcards: study.backbones[wildcards.backbone].training.threads
        resources:
            **job_resources(
                lambda wildcards: 1700 if wildcards.backbone in LOCKED else 2500,
                lambda w: study.backbones[w.backbone].training.threads,
                GPU,
            ),
        params:
            definition=lambda wildcards: contents.architecture(wildcards.backbone),
            arguments=lambda wildcards, input: file_arguments(input),
            options=lambda wildcards: options.device
            + options.architecture(wildcards.backbone)
            + options.backbone_training(wildcards.backbone)
            + options.class_sources(wildcards.backbone),
            code=fingerprint("clipn.cli.training.train_backbone"),
        shell:
            "clipn --log {log} backbone train {wildcards.backbone} {params.arguments}"
            " --output {output.backbone} --history {output.history} {params.options}"


if TAUGHT:

    rule train_clipn:
        input:
            unpack(lambda w: paths.training_files(w.backbone, w.variant)),
        output:
            checkpoint=paths.run_pattern(),
            history=paths.run_pattern("csv"),
        log:
            job_log(
                "train_clipn/{backbone}/{variant}/seed{seed}", log_folder("{study}")
            ),
        benchmark:
            job_benchmark(
                "train_clipn/{backbone}/{variant}/seed{seed}", log_folder("{study}")
            )
        wildcard_constraints:
            variant="|".join(TAUGHT),
        threads: training_threads
        resources:
            **job_resources(
                1500,
                training_threads,
                lambda w: GPU * study.variants[w.variant].processes,
            ),
            workers=study.workers,
        params:
            launcher=lambda wildcards: options.launcher(wildcards.variant),
            arguments=lambda wildcards, input: file_arguments(input),
            options=lambda w: options.device
            + options.training(w.variant)
            + options.training_folders(w.study, RunName(w.backbone, w.variant, w.seed)),
            code=fingerprint("clipn.cli.training.train"),
        shell:
            "{params.launcher} clipn --log {log} train {params.arguments} {params.options}"
            " --name {wildcards.backbone}/{wildcards.variant} --seed {wildcards.seed}"
            " --output {output.checkpoint} --history {output.history} --workers {resources.workers}"


if UNIFORM:

    rule average_runs:
        input:
            lambda w: map(paths.run, soup_members(study, w.backbone, w.variant)),
        output:
            paths.run_pattern(),
        log:
            job_log(
                "average_runs/{backbone}/{variant}/seed{seed}", log_folder("{study}")
            ),
        benchmark:
            job_benchmark(
                "average_runs/{backbone}/{variant}/seed{seed}", log_folder("{study}")
            )
        wildcard_constraints:
            variant="|".join(UNIFORM),
        resources:
            **job_resources(mem_mb=3000),
        params:
            options=lambda w: options.soup(w.backbone, w.variant),
            code=fingerprint("clipn.cli.weights.average"),
        shell:
            "clipn --log {log} checkpoint average {input} {params.options} --output {output}"


if GREEDY:

    rule average_greedily:
        input:
            runs=lambda w: map(paths.run, soup_members(study, w.backbone, w.variant)),
            features=targets.development_features(paths, "{backbone}"),
            descriptions=[paths.description(name) for name in study.development],
        output:
            paths.run_pattern(),
        log:
            job_log(
                "average_greedily/{backbone}/{variant}/seed{seed}",
                log_folder("{study}"),
            ),
        benchmark:
            job_benchmark(
                "average_greedily/{backbone}/{variant}/seed{seed}",
                log_folder("{study}"),
            )
        wildcard_constraints:
            variant="|".join(GREEDY),
        threads: study.threads
        resources:
            **job_resources(3500, study.threads, GPU),
        params:
            pool=contents.prompt_pool(scorings.main_pool(study)),
            options=lambda w: options.greedy_soup(w.backbone, w.variant),
            code=fingerprint("clipn.cli.weights.average_greedily"),
        shell:
            "clipn --log {log} checkpoint average-greedily {input.runs} {params.options} --output {output}"
