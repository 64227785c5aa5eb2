"""The page of the study, and copies of the active study's results where people look for them."""


rule report_page:
    input:
        metrics=METRICS,
        tables=[paths.table(name) for name in (*OVERALL_TABLES, "published")],
        figures=[paths.figure(name) for name in FIGURES],
        descriptions=[
            *DESCRIPTIONS,
            *map(paths.description, study.captions.sources),
        ],
        backbones=[paths.backbone(name) for name in study.backbones],
        runs=targets.checkpoints(paths),
        shards=[paths.shard_statistics] if study.captions.sources else [],
    output:
        paths.page,
    log:
        job_log("report_page"),
    benchmark:
        job_benchmark("report_page")
    resources:
        **job_resources(mem_mb=500),
    params:
        options=options.page,
        files=lambda wildcards, input: " ".join(
            [
                repeated("--figure", input.figures),
                repeated("--weights", (*input.backbones, *input.runs)),
                repeated("--shards", input.shards),
            ]
        ),
        code=fingerprint("clipn.cli.report.page"),
        template=contents.template(TEMPLATE),
    shell:
        "clipn --log {log} report page {input.metrics} {params.options} {params.files} --output {output}"
        f" --folder {paths.folder}"


rule publish:
    input:
        paths.table("{table}", "{ending}"),
    output:
        paths.short_path(paths.table("{table}", "{ending}")),
    log:
        job_log("publish/tables/{table}.{ending}"),
    benchmark:
        job_benchmark("publish/tables/{table}.{ending}")
    resources:
        **job_resources(mem_mb=10),
    shell:
        "cp {input} {output} 2> {log}"


# All figures at once, so that none of another study is left beside them.
rule publish_figures:
    input:
        targets.figure_files(paths, FIGURES),
    output:
        [paths.short_path(path) for path in targets.figure_files(paths, FIGURES)],
    log:
        job_log("publish/figures"),
    benchmark:
        job_benchmark("publish/figures")
    resources:
        **job_resources(mem_mb=10),
    params:
        options=options.study,
    shell:
        "(rm -f results/figures/* && cp {input} results/figures/) 2> {log}"


use rule publish as publish_page with:
    input:
        f"{paths.folder}/{{file}}",
    output:
        "results/{file}",
    log:
        job_log("publish/{file}"),
    benchmark:
        job_benchmark("publish/{file}")
    wildcard_constraints:
        file=r"metrics\.json|report\.html",
