"""Scores and metrics: a job per backbone for all its runs, prompt pools and pairs."""

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


# A rule for all backbones that have the same runs; the names of outputs leave no other way to have a job for each.
for number, (scored, backbones) in enumerate(SCORED.items()):

    rule:
        name:
            as_one_rule(workflow, "score_runs", number)
        input:
            classifiers=paths.classifiers("{backbone}"),
            features=[paths.features("{backbone}", name) for name in study.datasets],
            own_features=targets.own_feature_files(paths, "{backbone}"),
            fitted=lambda wildcards: targets.fitted_files(paths, wildcards.backbone),
            networks=targets.network_files(paths),
            manifests=[paths.manifest(name) for name in study.datasets],
        output:
            list(map(paths.scores, scored)),
        log:
            job_log("score_runs/{backbone}"),
        benchmark:
            job_benchmark("score_runs/{backbone}")
        wildcard_constraints:
            backbone="|".join(map(re.escape, backbones)),
        threads: study.threads
        resources:
            **job_resources(2000, study.threads),
        params:
            options=lambda wildcards: options.scorings(wildcards.backbone)
            + options.pairs
            + options.datasets
            + options.features
            + options.classifiers,
            code=fingerprint("clipn.cli.evaluation.score"),
        shell:
            "clipn --log {log} score {params.options}"
            f" --output {paths.scores_folder}"


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


for number, (scored, backbones) in enumerate(EVALUATED.items()):

    rule:
        name:
            as_one_rule(workflow, "evaluate_runs", number)
        input:
            list(map(paths.scores, scored)),
        output:
            metrics=list(map(paths.metrics, scored)),
            replicates=list(map(paths.replicates, scored)),
        log:
            job_log("evaluate_runs/{backbone}"),
        benchmark:
            job_benchmark("evaluate_runs/{backbone}")
        wildcard_constraints:
            backbone="|".join(map(re.escape, backbones)),
        resources:
            **job_resources(mem_mb=1500),
        params:
            options=options.metrics,
            code=fingerprint("clipn.cli.evaluation.evaluate"),
        shell:
            "clipn --log {log} evaluate {input} {params.options}"
            f" --output {paths.metrics_folder}"


if STREAMS:

    # Methods that adapt see ID and OOD images of a pair together; all streams of a backbone in one job.
    rule evaluate_streams:
        input:
            features=[paths.features("{backbone}", name) for name in study.datasets],
            words=targets.stream_words(paths, "{backbone}"),
            prompts=targets.stream_prompts(paths, "{backbone}"),
        output:
            paths.streams("{backbone}"),
        log:
            job_log("evaluate_streams/{backbone}"),
        benchmark:
            job_benchmark("evaluate_streams/{backbone}")
        threads: study.threads
        resources:
            **job_resources(2000, study.threads),
        params:
            options=lambda wildcards: options.streams(wildcards.backbone)
            + options.pairs
            + options.features,
            code=fingerprint("clipn.cli.evaluation.evaluate_streams"),
        shell:
            "clipn --log {log} evaluate-streams {params.options}"
            f" --output {paths.streams_folder}"
