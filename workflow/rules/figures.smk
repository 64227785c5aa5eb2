"""Figures of the study."""

# A rule for all backbones that the same kinds are drawn of.
for number, (kinds, backbones) in enumerate(DRAWN_ALIKE.items()):

    rule:
        name:
            as_one_rule(workflow, "id_figures", number)
        input:
            lambda w: paths.generated_registries(
                *scorings.id_and_ood(study, w.id_dataset)
            ),
            scores=lambda w: targets.shown_scores(paths, w.backbone),
            table=paths.table("metrics"),
            descriptions=DESCRIPTIONS,
            features=paths.features("{backbone}", "{id_dataset}"),
            classifiers=paths.classifiers("{backbone}"),
            manifest=paths.manifest("{id_dataset}"),
            archives=lambda w: paths.archives(*scorings.id_and_ood(study, w.id_dataset)),
        output:
            **id_figures(kinds),
        log:
            job_log("id_figures/{id_dataset}/{backbone}"),
        benchmark:
            job_benchmark("id_figures/{id_dataset}/{backbone}")
        wildcard_constraints:
            backbone="|".join(map(re.escape, backbones)),
        resources:
            **job_resources(mem_mb=1000),
        params:
            options=lambda w: options.id_figures(w.id_dataset, w.backbone),
            images=lambda w: contents.images(*scorings.id_and_ood(study, w.id_dataset)),
            code=fingerprint("clipn.cli.figures.id_figures"),
        shell:
            "clipn --log {log} report figure id-dataset {input.scores} --id {wildcards.id_dataset} {params.options}"
            f" --table {{input.table}} --output {paths.figures_folder}"


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


rule backbones_figure:
    input:
        accuracy=paths.table("id_accuracy"),
        metrics=paths.table("metrics"),
        descriptions=DESCRIPTIONS,
    output:
        **figure("{id_dataset}_backbones", "backbones"),
    log:
        job_log("backbones_figure/{id_dataset}"),
    benchmark:
        job_benchmark("backbones_figure/{id_dataset}")
    resources:
        **job_resources(mem_mb=500),
    params:
        options=options.study + options.datasets + options.base + options.main_prompts,
        code=fingerprint("clipn.cli.figures.backbones"),
    shell:
        "clipn --log {log} report figure backbones {input.accuracy} --metrics {input.metrics}"
        " --id {wildcards.id_dataset} {params.options} --png {output.png} --pdf {output.pdf}"


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
