"""The page of the study."""


rule report_page:
    input:
        metrics=METRICS,
        tables=[f"{STUDY}/tables/{name}.csv" for name in (*OTHER_TABLES, "published")],
        figures=[f"{STUDY}/figures/{name}.png" for name in figure_names()],
        descriptions=[*DESCRIPTIONS, *caption_descriptions()],
        backbones=[f"{STUDY}/backbones/{name}.safetensors" for name in study.backbones],
        runs=run_paths(".safetensors"),
        shards=[f"{STUDY}/shards/statistics.json"] if study.captions.sources else [],
    output:
        f"{STUDY}/report.html",
    log:
        f"{LOGS}/report_page.log",
    benchmark:
        f"{LOGS}/report_page.tsv"
    threads: 1
    resources:
        mem_mb=500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        settings=shlex.quote(study_text()),
        known=repeated("--id", study.pairs),
        shown=SHOWN,
        figures=lambda wildcards, input: repeated("--figure", input.figures),
        weights=lambda wildcards, input: repeated(
            "--weights", (*input.backbones, *input.runs)
        ),
        folder=place(STUDY),
        shards=lambda wildcards, input: repeated("--shards", input.shards),
        code=fingerprint("clipn.report.page.build"),
        template=page_template(),
    shell:
        "clipn --log {log} report page {input.metrics} --study {params.study}"
        " --settings {params.settings} {params.known} {params.shown} {params.figures} {params.weights}"
        " --folder {params.folder} {params.shards} --output {output}"
