"""Figures of the study."""


rule score_figure:
    input:
        scores=lambda wildcards: shown_scores(wildcards.backbone),
        descriptions=DESCRIPTIONS,
    output:
        png=report(
            f"{STUDY}/figures/{{known}}_{{kind}}_{{backbone}}.png",
            caption="../report/score_figure.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/{{known}}_{{kind}}_{{backbone}}.pdf",
    log:
        f"{LOGS}/score_figure/{{known}}_{{kind}}_{{backbone}}.log",
    benchmark:
        f"{LOGS}/score_figure/{{known}}_{{kind}}_{{backbone}}.tsv"
    wildcard_constraints:
        kind="scores|roc|reliability",
    threads: 1
    resources:
        mem_mb=800,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        datasets=place(f"{STUDY}/datasets"),
        code=fingerprint("clipn.report.figures", "clipn.report.tables.build"),
    shell:
        "clipn --log {log} report figure {wildcards.kind} {input.scores} --id {wildcards.known}"
        " --backbone {wildcards.backbone} --study {params.study} --datasets {params.datasets}"
        " --png {output.png} --pdf {output.pdf}"


rule intervals_figure:
    input:
        table=f"{STUDY}/tables/metrics.csv",
        descriptions=DESCRIPTIONS,
    output:
        png=report(
            f"{STUDY}/figures/{{known}}_intervals_{{backbone}}.png",
            caption="../report/intervals.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/{{known}}_intervals_{{backbone}}.pdf",
    log:
        f"{LOGS}/intervals_figure/{{known}}_{{backbone}}.log",
    benchmark:
        f"{LOGS}/intervals_figure/{{known}}_{{backbone}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        datasets=place(f"{STUDY}/datasets"),
        shown=SHOWN,
        code=fingerprint("clipn.report.figures", "clipn.report.tables.build"),
    shell:
        "clipn --log {log} report figure intervals {input.table} --id {wildcards.known}"
        " --backbone {wildcards.backbone} --study {params.study} --datasets {params.datasets}"
        " {params.shown} --png {output.png} --pdf {output.pdf}"


rule ablations_figure:
    input:
        table=f"{STUDY}/tables/ablations.csv",
        descriptions=DESCRIPTIONS,
    output:
        png=report(
            f"{STUDY}/figures/{{known}}_ablations.png",
            caption="../report/ablations.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/{{known}}_ablations.pdf",
    log:
        f"{LOGS}/ablations_figure/{{known}}.log",
    benchmark:
        f"{LOGS}/ablations_figure/{{known}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        datasets=place(f"{STUDY}/datasets"),
        base=study.base,
        code=fingerprint("clipn.report.figures", "clipn.report.tables.build"),
    shell:
        "clipn --log {log} report figure ablations {input.table} --id {wildcards.known} --base {params.base}"
        " --study {params.study} --datasets {params.datasets} --png {output.png} --pdf {output.pdf}"


rule published_figure:
    input:
        table=f"{STUDY}/tables/published.csv",
        descriptions=DESCRIPTIONS,
    output:
        png=report(
            f"{STUDY}/figures/published.png",
            caption="../report/published.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/published.pdf",
    log:
        f"{LOGS}/published_figure.log",
    benchmark:
        f"{LOGS}/published_figure.tsv"
    threads: 1
    resources:
        mem_mb=500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        datasets=place(f"{STUDY}/datasets"),
        code=fingerprint("clipn.report.figures", "clipn.report.tables.build"),
    shell:
        "clipn --log {log} report figure published {input.table} --study {params.study}"
        " --datasets {params.datasets} --png {output.png} --pdf {output.pdf}"


# What "no" learned, in the first run of the first variant on this backbone.
rule similarity_figure:
    input:
        checkpoint=lambda wildcards: first_checkpoint(wildcards.backbone),
        features=f"{STUDY}/features/{{backbone}}/{{known}}.safetensors",
        manifest=f"{STUDY}/datasets/{{known}}/manifest.parquet",
        description=f"{STUDY}/datasets/{{known}}/dataset.json",
    output:
        png=report(
            f"{STUDY}/figures/{{known}}_similarity_{{backbone}}.png",
            caption="../report/similarity.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/{{known}}_similarity_{{backbone}}.pdf",
    log:
        f"{LOGS}/similarity_figure/{{known}}_{{backbone}}.log",
    benchmark:
        f"{LOGS}/similarity_figure/{{known}}_{{backbone}}.tsv"
    threads: study.threads
    resources:
        mem_mb=1500,
        cpu_percent=cpu_percent(study.threads),
        gpu=gpu(),
    params:
        study=study.study,
        variant=lambda wildcards: main_variant(wildcards.backbone),
        options=lambda wildcards: options(
            {
                "prompts": POOLS[MAIN_POOL],
                "logit_scale": study.logit_scale,
            }
        ),
        pool=lambda wildcards: pool_hash(POOLS[MAIN_POOL]),
        model_options=MODEL_OPTIONS,
        code=fingerprint(
            "clipn.evaluation.similarity",
            "clipn.model.checkpoint",
            "clipn.features.images",
            "clipn.report.figures",
            "clipn.compute",
        ),
    shell:
        "clipn --log {log} report figure similarity --checkpoint {input.checkpoint} --features {input.features}"
        " --manifest {input.manifest} --description {input.description} --study {params.study}"
        " --backbone {wildcards.backbone} --variant {params.variant} {params.options} {params.model_options}"
        " --png {output.png} --pdf {output.pdf}"


# The images behind the most confident mistakes of the same run.
rule mistakes_figure:
    input:
        GENERATED_REGISTRY,
        scores=lambda wildcards: first_scores(
            wildcards.backbone, main_variant(wildcards.backbone)
        ),
        descriptions=DESCRIPTIONS,
        archives=lambda wildcards: [
            path for name in together(wildcards.known) for path in archive_paths(name)
        ],
    output:
        png=report(
            f"{STUDY}/figures/{{known}}_mistakes_{{backbone}}.png",
            caption="../report/mistakes.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/{{known}}_mistakes_{{backbone}}.pdf",
    log:
        f"{LOGS}/mistakes_figure/{{known}}_{{backbone}}.log",
    benchmark:
        f"{LOGS}/mistakes_figure/{{known}}_{{backbone}}.tsv"
    threads: 1
    resources:
        mem_mb=800,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        datasets=place(f"{STUDY}/datasets"),
        copies=lambda wildcards: copies(wildcards.known),
        code=fingerprint(
            "clipn.report.figures.gallery",
            "clipn.report.figures",
            "clipn.report.tables.build",
        ),
    shell:
        "clipn --log {log} report figure mistakes {input.scores} --id {wildcards.known} --study {params.study}"
        " --registry {params.registry} --archives {params.archives} --datasets {params.datasets}"
        " {params.copies} --png {output.png} --pdf {output.pdf}"


rule training_figure:
    input:
        runs=histories(),
        backbones=[f"{STUDY}/backbones/{name}.csv" for name in TRAINED],
    output:
        png=report(
            f"{STUDY}/figures/training.png",
            caption="../report/training.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/training.pdf",
    log:
        f"{LOGS}/training_figure.log",
    benchmark:
        f"{LOGS}/training_figure.tsv"
    threads: 1
    resources:
        mem_mb=500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        backbones=lambda wildcards, input: repeated("--backbone", input.backbones),
        code=fingerprint("clipn.report.figures", "clipn.report.tables.build"),
    shell:
        "clipn --log {log} report figure training {input.runs} {params.backbones}"
        " --study {params.study} --png {output.png} --pdf {output.pdf}"
