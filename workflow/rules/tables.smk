"""Tables of the study."""

METRICS = scored_paths("metrics", ".json")
REPLICATES = scored_paths("metrics", ".parquet")
DESCRIPTIONS = [f"{STUDY}/datasets/{name}/dataset.json" for name in study.datasets]
SHOWN = f"{repeated('--variant', [PLAIN, *study.shown])} --prompts {MAIN_POOL}"
"""What figures and wide tables show."""


rule ood_table:
    input:
        metrics=METRICS,
        descriptions=DESCRIPTIONS,
    output:
        csv=report(
            f"{STUDY}/tables/{{known}}_ood.csv",
            caption="../report/ood_table.rst",
            category="Tables",
        ),
        twins=[
            f"{STUDY}/tables/{{known}}_ood.{ending}"
            for ending in ("md", "tex", "json")
        ],
    log:
        f"{LOGS}/ood_table/{{known}}.log",
    benchmark:
        f"{LOGS}/ood_table/{{known}}.tsv"
    threads: 1
    resources:
        mem_mb=300,
        cpu_percent=cpu_percent(1),
    params:
        tables=place(f"{STUDY}/tables"),
        datasets=place(f"{STUDY}/datasets"),
        shown=SHOWN,
        code=fingerprint("clipn.report.tables.build"),
    shell:
        "clipn --log {log} report ood-table {input.metrics} --id {wildcards.known}"
        " --tables {params.tables} --datasets {params.datasets} {params.shown}"


rule tables:
    input:
        metrics=METRICS,
        replicates=REPLICATES,
        descriptions=DESCRIPTIONS,
    output:
        csv=report(
            [f"{STUDY}/tables/{name}.csv" for name in OTHER_TABLES],
            caption="../report/tables.rst",
            category="Tables",
        ),
        twins=[
            f"{STUDY}/tables/{name}.{ending}"
            for name in OTHER_TABLES
            if name != "metrics"
            for ending in ("md", "tex")
        ],
    log:
        f"{LOGS}/tables.log",
    benchmark:
        f"{LOGS}/tables.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        tables=place(f"{STUDY}/tables"),
        datasets=place(f"{STUDY}/datasets"),
        shown=SHOWN,
        base=study.base,
        ablations=repeated("--ablation", map(":".join, ablations(study))),
        code=fingerprint("clipn.report.tables.build"),
    shell:
        "clipn --log {log} report tables {input.metrics} --study {params.study} --tables {params.tables}"
        " --datasets {params.datasets} {params.shown} --base {params.base}"
        " {params.ablations}"


rule published_table:
    input:
        metrics=METRICS,
        table=f"{STUDY}/tables/metrics.csv",
        descriptions=DESCRIPTIONS,
        published=PUBLISHED_NUMBERS,
    output:
        csv=report(
            f"{STUDY}/tables/published.csv",
            caption="../report/published.rst",
            category="Tables",
        ),
        markdown=f"{STUDY}/tables/published.md",
    log:
        f"{LOGS}/published_table.log",
    benchmark:
        f"{LOGS}/published_table.tsv"
    threads: 1
    resources:
        mem_mb=300,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        datasets=place(f"{STUDY}/datasets"),
        sources=repeated(
            "--source",
            (f"{name}:{backbone_source(study, name)}" for name in PRETRAINED),
        ),
        code=fingerprint("clipn.report.tables.build", "clipn.report.tables.published"),
    shell:
        "clipn --log {log} report published-table {input.metrics} --table {input.table}"
        " --published {input.published} --study {params.study} {params.sources}"
        " --datasets {params.datasets} --csv {output.csv} --markdown {output.markdown}"


rule metrics_summary:
    input:
        METRICS,
    output:
        f"{STUDY}/metrics.json",
    log:
        f"{LOGS}/metrics_summary.log",
    benchmark:
        f"{LOGS}/metrics_summary.tsv"
    threads: 1
    resources:
        mem_mb=300,
        cpu_percent=cpu_percent(1),
    params:
        code=fingerprint("clipn.report.tables.build"),
        prompts=MAIN_POOL,
    shell:
        "clipn --log {log} report summary {input} --prompts {params.prompts} --output {output}"
