"""Tables of the study."""


rule ood_table:
    input:
        metrics=METRICS,
        descriptions=DESCRIPTIONS,
    output:
        csv=table(paths.table("{id_dataset}_ood"), "ood_table"),
        printed=[
            paths.table("{id_dataset}_ood", form)
            for form in targets.OOD_TABLE_ENDINGS[1:]
        ],
    log:
        job_log("ood_table/{id_dataset}"),
    benchmark:
        job_benchmark("ood_table/{id_dataset}")
    wildcard_constraints:
        id_dataset="|".join(ID_DATASETS),
    resources:
        **job_resources(mem_mb=300),
    params:
        options=lambda wildcards: options.ood_table(wildcards.id_dataset),
        code=fingerprint("clipn.cli.report.ood_table"),
    shell:
        "clipn --log {log} report ood-table {input.metrics} --id {wildcards.id_dataset} {params.options}"
        " --tables $(dirname {output.csv})"


if OWN_ID:

    use rule ood_table as own_ood_table with:
        output:
            csv=table(paths.ood_table("{id_dataset}"), "ood_table"),
            printed=[
                paths.ood_table("{id_dataset}", form)
                for form in targets.OOD_TABLE_ENDINGS[1:]
            ],
        wildcard_constraints:
            id_dataset="|".join(OWN_ID),


rule tables:
    input:
        metrics=METRICS,
        replicates=[paths.replicates(scoring) for scoring in SCORINGS],
        descriptions=DESCRIPTIONS,
    output:
        csv=[table(paths.table(name), "tables") for name in OVERALL_TABLES],
        printed=targets.printed_tables(paths),
    log:
        job_log("tables"),
    benchmark:
        job_benchmark("tables")
    resources:
        **job_resources(mem_mb=1500),
    params:
        options=options.study + options.tables + options.base + options.ablations,
        code=fingerprint("clipn.cli.report.other_tables"),
    shell:
        "clipn --log {log} report tables {input.metrics} {params.options} --tables $(dirname {output.csv[0]})"


rule published_table:
    input:
        metrics=METRICS,
        table=paths.table("metrics"),
        descriptions=DESCRIPTIONS,
        published=PUBLISHED_NUMBERS,
    output:
        csv=table(paths.table("published"), "published"),
        markdown=paths.table("published", "md"),
    log:
        job_log("published_table"),
    benchmark:
        job_benchmark("published_table")
    resources:
        **job_resources(mem_mb=300),
    params:
        options=options.study
        + options.datasets
        + options.backbone_sources
        + options.data_remarks,
        code=fingerprint("clipn.cli.report.published_table"),
    shell:
        "clipn --log {log} report published-table {input.metrics} --table {input.table} {params.options}"
        " --published {input.published} --csv {output.csv} --markdown {output.markdown}"


# Of methods that adapt, apart from all zero-shot scores; a header alone in a study without any.
rule streams_table:
    input:
        metrics=STREAMS,
        descriptions=DESCRIPTIONS,
    output:
        csv=table(paths.table(TEST_TIME), "streams_table"),
        printed=[paths.table(TEST_TIME, form) for form in PRINTED[1:]],
    log:
        job_log("streams_table"),
    benchmark:
        job_benchmark("streams_table")
    resources:
        **job_resources(mem_mb=300),
    params:
        options=options.study + options.stream_remarks + options.datasets,
        code=fingerprint("clipn.cli.report.streams_table"),
    shell:
        "clipn --log {log} report streams-table {input.metrics} {params.options} --tables $(dirname {output.csv})"


rule metrics_summary:
    input:
        [paths.metrics(scoring) for scoring in scorings.main_scorings(study)],
    output:
        averages=targets.summary_files(paths),
    log:
        job_log("metrics_summary"),
    benchmark:
        job_benchmark("metrics_summary")
    resources:
        **job_resources(mem_mb=300),
    params:
        options=options.summary,
        code=fingerprint("clipn.cli.report.summary"),
    shell:
        "clipn --log {log} report summary {input} {params.options} --output $(dirname {output.averages[0]})"
