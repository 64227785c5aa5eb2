"""Figures of the study."""


rule score_figure:
    input:
        scores=lambda wildcards: targets.shown_scores(paths, wildcards.backbone),
        descriptions=DESCRIPTIONS,
    output:
        **figure("{id_dataset}_{kind}_{backbone}", "score_figure"),
    log:
        job_log("score_figure/{id_dataset}_{kind}_{backbone}"),
    benchmark:
        job_benchmark("score_figure/{id_dataset}_{kind}_{backbone}")
    resources:
        **job_resources(mem_mb=800),
    params:
        options=options.study + options.datasets,
        code=lambda wildcards: FIGURE_CODE[wildcards.kind],
    shell:
        "clipn --log {log} report figure {wildcards.kind} {input.scores} --id {wildcards.id_dataset}"
        " --backbone {wildcards.backbone} {params.options} --png {output.png} --pdf {output.pdf}"


rule intervals_figure:
    input:
        table=paths.table("metrics"),
        descriptions=DESCRIPTIONS,
    output:
        **figure("{id_dataset}_intervals_{backbone}", "intervals"),
    log:
        job_log("intervals_figure/{id_dataset}_{backbone}"),
    benchmark:
        job_benchmark("intervals_figure/{id_dataset}_{backbone}")
    resources:
        **job_resources(mem_mb=500),
    params:
        options=options.study + options.datasets + options.shown,
        code=fingerprint("clipn.cli.figures.intervals"),
    shell:
        "clipn --log {log} report figure intervals {input.table} --id {wildcards.id_dataset}"
        " --backbone {wildcards.backbone} {params.options} --png {output.png} --pdf {output.pdf}"


rule ablations_figure:
    input:
        table=paths.table("ablations"),
        descriptions=DESCRIPTIONS,
    output:
        **figure("{id_dataset}_ablations", "ablations"),
    log:
        job_log("ablations_figure/{id_dataset}"),
    benchmark:
        job_benchmark("ablations_figure/{id_dataset}")
    resources:
        **job_resources(mem_mb=500),
    params:
        options=options.study + options.datasets + options.base,
        code=fingerprint("clipn.cli.figures.ablations"),
    shell:
        "clipn --log {log} report figure ablations {input.table} --id {wildcards.id_dataset} {params.options}"
        " --png {output.png} --pdf {output.pdf}"


rule published_figure:
    input:
        table=paths.table("published"),
        descriptions=DESCRIPTIONS,
    output:
        **figure("published", "published"),
    log:
        job_log("published_figure"),
    benchmark:
        job_benchmark("published_figure")
    resources:
        **job_resources(mem_mb=500),
    params:
        options=options.study + options.datasets,
        code=fingerprint("clipn.cli.figures.published"),
    shell:
        "clipn --log {log} report figure published {input.table} {params.options}"
        " --png {output.png} --pdf {output.pdf}"


# What "no" learned, in the first run of the first variant on this backbone.
rule similarity_figure:
    input:
        unpack(lambda w: paths.scored_from(figures.main_scoring(study, w.backbone))),
        features=paths.features("{backbone}", "{id_dataset}"),
        manifest=paths.manifest("{id_dataset}"),
        description=paths.description("{id_dataset}"),
    output:
        **figure("{id_dataset}_similarity_{backbone}", "similarity"),
    log:
        job_log("similarity_figure/{id_dataset}_{backbone}"),
    benchmark:
        job_benchmark("similarity_figure/{id_dataset}_{backbone}")
    threads: study.threads
    resources:
        **job_resources(1500, study.threads, GPU),
    params:
        pool=contents.prompt_pool(main_pool(study)),
        options=lambda w: options.main_variant(w.backbone)
        + options.study
        + options.prompts()
        + options.model,
        code=fingerprint("clipn.cli.figures.similarity"),
    shell:
        "clipn --log {log} report figure similarity --checkpoint {input.checkpoint} --features {input.features}"
        " --manifest {input.manifest} --description {input.description} --backbone {wildcards.backbone}"
        " {params.options} --png {output.png} --pdf {output.pdf}"


# The images behind the most confident mistakes of the same run.
rule mistakes_figure:
    input:
        GENERATED_REGISTRY,
        scores=lambda w: paths.scores(figures.main_scoring(study, w.backbone)),
        descriptions=DESCRIPTIONS,
        archives=lambda wildcards: paths.archives(
            *id_and_ood(study, wildcards.id_dataset)
        ),
    output:
        **figure("{id_dataset}_mistakes_{backbone}", "mistakes"),
    log:
        job_log("mistakes_figure/{id_dataset}_{backbone}"),
    benchmark:
        job_benchmark("mistakes_figure/{id_dataset}_{backbone}")
    resources:
        **job_resources(mem_mb=800),
    params:
        options=lambda wildcards: options.study
        + options.datasets
        + options.images_of_all(id_and_ood(study, wildcards.id_dataset)),
        code=fingerprint("clipn.cli.figures.mistakes"),
    shell:
        "clipn --log {log} report figure mistakes {input.scores} --id {wildcards.id_dataset} {params.options}"
        " --png {output.png} --pdf {output.pdf}"


rule training_figure:
    input:
        runs=targets.run_histories(paths),
        backbones=paths.backbone_histories,
    output:
        **figure("training", "training"),
    log:
        job_log("training_figure"),
    benchmark:
        job_benchmark("training_figure")
    resources:
        **job_resources(mem_mb=500),
    params:
        options=options.study + options.backbone_histories,
        code=fingerprint("clipn.cli.figures.training"),
    shell:
        "clipn --log {log} report figure training {input.runs} {params.options}"
        " --png {output.png} --pdf {output.pdf}"
