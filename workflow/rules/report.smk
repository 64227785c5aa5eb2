"""Tables, figures and the page of the study."""

METRICS = run_paths("metrics", ".json")
DESCRIPTIONS = [f"{STUDY}/datasets/{name}/dataset.json" for name in study.datasets]
SCORES_OF_RUNS = run_paths("scores", ".parquet")


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
        markdown=f"{STUDY}/tables/{{known}}_ood.md",
    log:
        f"{LOGS}/ood_table/{{known}}.log",
    benchmark:
        f"{LOGS}/ood_table/{{known}}.tsv"
    threads: 1
    resources:
        mem_mb=300,
        cpu_percent=cpu_percent(1),
    params:
        datasets=place(f"{STUDY}/datasets"),
        code=fingerprint("clipn.report.tables", "clipn.report.build"),
    shell:
        "clipn --log {log} report ood-table {input.metrics} --id {wildcards.known}"
        " --csv {output.csv} --markdown {output.markdown} --datasets {params.datasets}"


rule id_accuracy_table:
    input:
        METRICS,
    output:
        report(
            f"{STUDY}/tables/id_accuracy.csv",
            caption="../report/id_accuracy.rst",
            category="Tables",
        ),
    log:
        f"{LOGS}/id_accuracy_table.log",
    benchmark:
        f"{LOGS}/id_accuracy_table.tsv"
    threads: 1
    resources:
        mem_mb=300,
        cpu_percent=cpu_percent(1),
    params:
        code=fingerprint("clipn.report.tables"),
    shell:
        "clipn --log {log} report id-accuracy-table {input} --csv {output}"


rule decisions_table:
    input:
        METRICS,
    output:
        report(
            f"{STUDY}/tables/decisions.csv",
            caption="../report/decisions.rst",
            category="Tables",
        ),
    log:
        f"{LOGS}/decisions_table.log",
    benchmark:
        f"{LOGS}/decisions_table.tsv"
    threads: 1
    resources:
        mem_mb=300,
        cpu_percent=cpu_percent(1),
    params:
        code=fingerprint("clipn.report.tables"),
    shell:
        "clipn --log {log} report decisions-table {input} --csv {output}"


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
        code=fingerprint("clipn.report.build"),
    shell:
        "clipn --log {log} report summary {input} --output {output}"


rule score_figure:
    input:
        scores=SCORES_OF_RUNS,
        descriptions=DESCRIPTIONS,
    output:
        png=report(
            f"{STUDY}/figures/{{known}}_scores_{{backbone}}.png",
            caption="../report/scores.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/{{known}}_scores_{{backbone}}.pdf",
    log:
        f"{LOGS}/score_figure/{{known}}_{{backbone}}.log",
    benchmark:
        f"{LOGS}/score_figure/{{known}}_{{backbone}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        datasets=place(f"{STUDY}/datasets"),
        code=fingerprint("clipn.report.figures", "clipn.report.build"),
    shell:
        "clipn --log {log} report score-figure {input.scores} --id {wildcards.known}"
        " --backbone {wildcards.backbone} --study {params.study} --datasets {params.datasets}"
        " --png {output.png} --pdf {output.pdf}"


rule roc_figure:
    input:
        scores=SCORES_OF_RUNS,
        descriptions=DESCRIPTIONS,
    output:
        png=report(
            f"{STUDY}/figures/{{known}}_roc_{{backbone}}.png",
            caption="../report/roc.rst",
            category="Figures",
        ),
        pdf=f"{STUDY}/figures/{{known}}_roc_{{backbone}}.pdf",
    log:
        f"{LOGS}/roc_figure/{{known}}_{{backbone}}.log",
    benchmark:
        f"{LOGS}/roc_figure/{{known}}_{{backbone}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
        datasets=place(f"{STUDY}/datasets"),
        code=fingerprint("clipn.report.figures", "clipn.report.build"),
    shell:
        "clipn --log {log} report roc-figure {input.scores} --id {wildcards.known}"
        " --backbone {wildcards.backbone} --study {params.study} --datasets {params.datasets}"
        " --png {output.png} --pdf {output.pdf}"


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
        code=fingerprint("clipn.report.figures", "clipn.report.build"),
    shell:
        "clipn --log {log} report training-figure {input.runs} {params.backbones}"
        " --study {params.study} --png {output.png} --pdf {output.pdf}"


rule report_page:
    input:
        metrics=METRICS,
        figures=[f"{STUDY}/figures/{name}.png" for name in figure_names()],
        descriptions=[*DESCRIPTIONS, *caption_descriptions()],
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
        figures=lambda wildcards, input: repeated("--figure", input.figures),
        datasets=place(f"{STUDY}/datasets"),
        shards=lambda wildcards, input: repeated("--shards", input.shards),
        code=fingerprint("clipn.report.build"),
        template=page_template(),
    shell:
        "clipn --log {log} report page {input.metrics} --study {params.study}"
        " --settings {params.settings} {params.known} {params.figures} --datasets {params.datasets}"
        " {params.shards} --output {output}"
