"""Scores and metrics: one job per run and prompt pool, all pairs inside."""


rule score_run:
    input:
        unpack(lambda wildcards: paths.scored_from(Scoring(**wildcards))),
        features=[paths.features("{backbone}", name) for name in study.datasets],
        manifests=[paths.manifest(name) for name in study.datasets],
        descriptions=[paths.description(name) for name in study.pairs],
    output:
        paths.scores(SCORING),
    log:
        job_log(f"score_run/{SCORING}"),
    benchmark:
        job_benchmark(f"score_run/{SCORING}")
    threads: study.threads
    resources:
        **job_resources(1500, study.threads, GPU),
    params:
        model=lambda wildcards, input: (
            f"--backbone {input.backbone}"
            if wildcards.variant == PLAIN_CLIP
            else f"--checkpoint {input.checkpoint}"
        ),
        pool=lambda wildcards: contents.prompt_pool(wildcards.prompts),
        options=lambda wildcards: options.model
        + options.pairs
        + options.methods(wildcards.variant, wildcards.prompts)
        + options.prompts(wildcards.prompts)
        + options.datasets
        + options.features(wildcards.backbone),
        code=fingerprint("clipn.cli.evaluation.score"),
    shell:
        "clipn --log {log} score {params.model} {params.options} --output {output}"


rule evaluate_run:
    input:
        rules.score_run.output,
    output:
        metrics=paths.metrics(SCORING),
        replicates=paths.replicates(SCORING),
    log:
        job_log(f"evaluate_run/{SCORING}"),
    benchmark:
        job_benchmark(f"evaluate_run/{SCORING}")
    resources:
        **job_resources(mem_mb=800),
    params:
        options=lambda wildcards: options.metrics(Scoring(**wildcards)),
        code=fingerprint("clipn.cli.evaluation.evaluate"),
    shell:
        "clipn --log {log} evaluate {input} {params.options} --output {output.metrics}"
        " --replicates {output.replicates}"
