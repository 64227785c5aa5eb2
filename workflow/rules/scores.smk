"""Scores and metrics: one job per run and prompt pool, all pairs inside."""


rule score_run:
    input:
        unpack(score_files),
        features=[
            f"{STUDY}/features/{{backbone}}/{name}.safetensors"
            for name in study.datasets
        ],
        manifests=[
            f"{STUDY}/datasets/{name}/manifest.parquet" for name in study.datasets
        ],
        descriptions=[f"{STUDY}/datasets/{name}/dataset.json" for name in study.pairs],
    output:
        f"{STUDY}/scores/{{backbone}}/{{variant}}/{{prompts}}/seed{{seed}}.parquet",
    log:
        f"{LOGS}/score_run/{{backbone}}/{{variant}}/{{prompts}}/seed{{seed}}.log",
    benchmark:
        f"{LOGS}/score_run/{{backbone}}/{{variant}}/{{prompts}}/seed{{seed}}.tsv"
    threads: study.threads
    resources:
        mem_mb=1500,
        cpu_percent=cpu_percent(study.threads),
        gpu=gpu(),
    params:
        model=lambda wildcards, input: (
            f"--backbone {input.backbone}"
            if wildcards.variant == PLAIN
            else f"--checkpoint {input.checkpoint}"
        ),
        pairs=PAIRS,
        methods=lambda wildcards: repeated("--method", methods(wildcards)),
        rules=lambda wildcards: (
            "" if wildcards.variant == PLAIN else repeated("--rule", study.rules)
        ),
        options=lambda wildcards: options(
            {
                "prompts": POOLS[wildcards.prompts],
                "logit_scale": study.logit_scale,
            }
        ),
        pool=lambda wildcards: pool_hash(POOLS[wildcards.prompts]),
        model_options=MODEL_OPTIONS,
        datasets=place(f"{STUDY}/datasets"),
        features=place(f"{STUDY}/features"),
        code=fingerprint("clipn.evaluation.scoring", "clipn.compute"),
    shell:
        "clipn --log {log} score {params.model} --datasets {params.datasets}"
        " --features {params.features}/{wildcards.backbone} {params.pairs} {params.methods} {params.rules}"
        " {params.options} {params.model_options} --output {output}"


rule evaluate_run:
    input:
        rules.score_run.output,
    output:
        metrics=f"{STUDY}/metrics/{{backbone}}/{{variant}}/{{prompts}}/seed{{seed}}.json",
        replicates=f"{STUDY}/metrics/{{backbone}}/{{variant}}/{{prompts}}/seed{{seed}}.parquet",
    log:
        f"{LOGS}/evaluate_run/{{backbone}}/{{variant}}/{{prompts}}/seed{{seed}}.log",
    benchmark:
        f"{LOGS}/evaluate_run/{{backbone}}/{{variant}}/{{prompts}}/seed{{seed}}.tsv"
    threads: 1
    resources:
        mem_mb=800,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        pairs=PAIRS,
        conventions=repeated("--convention", study.conventions),
        resamples=study.resamples,
        code=fingerprint("clipn.evaluation.evaluate"),
    shell:
        "clipn --log {log} evaluate {input} {params.pairs} --study {params.study}"
        " --backbone {wildcards.backbone} --variant {wildcards.variant} --seed {wildcards.seed}"
        " --prompts {wildcards.prompts} {params.conventions} --resamples {params.resamples}"
        " --output {output.metrics} --replicates {output.replicates}"
