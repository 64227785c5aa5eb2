"""Scores and metrics: one job for all runs, prompt pools and pairs."""

if DISCRIMINANTS:

    # On cached features of training images, in seconds.
    rule fit_discriminant:
        input:
            unpack(lambda wildcards: training_files(DISCRIMINANTS, wildcards)),
        output:
            paths.discriminant("{backbone}", "{id_dataset}", "{seed}"),
        log:
            job_log(
                "fit_discriminant/{backbone}/{id_dataset}/seed{seed}",
                paths.shared_logs,
            ),
        benchmark:
            job_benchmark(
                "fit_discriminant/{backbone}/{id_dataset}/seed{seed}",
                paths.shared_logs,
            )
        wildcard_constraints:
            id_dataset="|".join(DISCRIMINANTS),
        resources:
            **job_resources(mem_mb=1500),
        params:
            options=lambda wildcards: options.training_images(
                wildcards.id_dataset, DISCRIMINANTS[wildcards.id_dataset]
            ),
            code=fingerprint("clipn.cli.evaluation.fit"),
        shell:
            "clipn --log {log} fit {wildcards.id_dataset} {params.options} --seed {wildcards.seed}"
            " --features $(dirname {input.features}) --output {output}"


if FITTED_PROBES:

    rule fit_probe:
        input:
            unpack(lambda wildcards: training_files(PROBES, wildcards)),
        output:
            paths.probe("{backbone}", "{id_dataset}", "{seed}"),
        log:
            job_log("fit_probe/{backbone}/{id_dataset}/seed{seed}", paths.shared_logs),
        benchmark:
            job_benchmark(
                "fit_probe/{backbone}/{id_dataset}/seed{seed}", paths.shared_logs
            )
        wildcard_constraints:
            id_dataset="|".join(FITTED_PROBES),
        resources:
            **job_resources(mem_mb=2000),
        params:
            options=lambda wildcards: options.training_images(
                wildcards.id_dataset, PROBES[wildcards.id_dataset]
            ),
            code=fingerprint("clipn.cli.evaluation.fit_probe"),
        shell:
            "clipn --log {log} fit-probe {wildcards.id_dataset} {params.options} --seed {wildcards.seed}"
            " --features $(dirname {input.features}) --output {output}"


if IMPORTED_PROBES:

    rule import_probe:
        input:
            probe=lambda w: PROBES[w.id_dataset].probes[w.backbone],
            features=lambda w: paths.features(w.backbone, w.id_dataset),
            description=paths.description("{id_dataset}"),
        output:
            paths.probe("{backbone}", "{id_dataset}", "{seed}"),
        log:
            job_log(
                "import_probe/{backbone}/{id_dataset}/seed{seed}", paths.shared_logs
            ),
        benchmark:
            job_benchmark(
                "import_probe/{backbone}/{id_dataset}/seed{seed}", paths.shared_logs
            )
        wildcard_constraints:
            id_dataset="|".join(IMPORTED_PROBES),
        resources:
            **job_resources(mem_mb=1500),
        params:
            options=options.datasets,
            weights=lambda w: contents.local_weights(
                PROBES[w.id_dataset].probes[w.backbone]
            ),
            code=fingerprint("clipn.cli.evaluation.import_probe"),
        shell:
            "clipn --log {log} import-probe {input.probe:q} --id-dataset {wildcards.id_dataset} {params.options}"
            " --features $(dirname {input.features}) --output {output}"


rule score_runs:
    input:
        classifiers=[paths.classifiers(name) for name in study.backbones],
        features=[
            paths.features(backbone, name)
            for backbone in study.backbones
            for name in study.datasets
        ],
        own_features=targets.own_feature_files(paths),
        fitted=targets.fitted_files(paths),
        networks=targets.network_files(paths),
        manifests=[paths.manifest(name) for name in study.datasets],
    output:
        [paths.scores(scoring) for scoring in scorings.scorings(study)],
    log:
        job_log("score_runs"),
    benchmark:
        job_benchmark("score_runs")
    threads: study.threads
    resources:
        **job_resources(2000, study.threads),
    params:
        options=options.scorings
        + options.pairs
        + options.datasets
        + options.features
        + options.classifiers,
        code=fingerprint("clipn.cli.evaluation.score"),
    shell:
        "clipn --log {log} score {params.options}" f" --output {paths.scores_folder}"


rule import_scores:
    input:
        files=lambda wildcards: scorings.imported_files(study, wildcards.backbone),
        manifests=[paths.manifest(name) for name in study.datasets],
    output:
        paths.imported_scores,
    log:
        job_log("import_scores/{backbone}"),
    benchmark:
        job_benchmark("import_scores/{backbone}")
    resources:
        **job_resources(mem_mb=500),
    params:
        options=lambda wildcards: options.imported(wildcards.backbone),
        code=fingerprint("clipn.cli.scores.collect"),
    shell:
        "clipn --log {log} scores collect {params.options} --output {output}"


rule evaluate_runs:
    input:
        [paths.scores(scoring) for scoring in SCORINGS],
    output:
        metrics=METRICS,
        replicates=[paths.replicates(scoring) for scoring in SCORINGS],
    log:
        job_log("evaluate_runs"),
    benchmark:
        job_benchmark("evaluate_runs")
    resources:
        **job_resources(mem_mb=1500),
    params:
        options=options.metrics,
        code=fingerprint("clipn.cli.evaluation.evaluate"),
    shell:
        "clipn --log {log} evaluate {input} {params.options}"
        f" --output {paths.metrics_folder}"


if STREAMS:

    # Methods that adapt see ID and OOD images of a pair together; all streams of all backbones in one job.
    rule evaluate_streams:
        input:
            features=[
                paths.features(backbone, name)
                for backbone in study.backbones
                for name in study.datasets
            ],
            words=targets.stream_words(paths),
            prompts=targets.stream_prompts(paths),
        output:
            STREAMS,
        log:
            job_log("evaluate_streams"),
        benchmark:
            job_benchmark("evaluate_streams")
        threads: study.threads
        resources:
            **job_resources(2000, study.threads),
        params:
            options=options.streams + options.pairs + options.features,
            code=fingerprint("clipn.cli.evaluation.evaluate_streams"),
        shell:
            "clipn --log {log} evaluate-streams {params.options}"
            f" --output {paths.streams_folder}"
