"""Copies of the active study's results, where people look for them."""


rule publish:
    input:
        f"{STUDY}/tables/{{file}}",
    output:
        "results/tables/{file}",
    log:
        f"{LOGS}/publish/tables/{{file}}.log",
    benchmark:
        f"{LOGS}/publish/tables/{{file}}.tsv"
    wildcard_constraints:
        file="[^/]+",
    threads: 1
    resources:
        mem_mb=10,
        cpu_percent=cpu_percent(1),
    shell:
        "cp {input} {output} 2> {log}"


# All figures at once, so that none of another study is left beside them.
rule publish_figures:
    input:
        figure_files(STUDY),
    output:
        figure_files("results"),
    log:
        f"{LOGS}/publish/figures.log",
    benchmark:
        f"{LOGS}/publish/figures.tsv"
    threads: 1
    resources:
        mem_mb=10,
        cpu_percent=cpu_percent(1),
    params:
        study=study.study,
    shell:
        "(rm -f results/figures/* && cp {input} results/figures/) 2> {log}"


use rule publish as publish_page with:
    input:
        f"{STUDY}/{{file}}",
    output:
        "results/{file}",
    log:
        f"{LOGS}/publish/{{file}}.log",
    benchmark:
        f"{LOGS}/publish/{{file}}.tsv"
    wildcard_constraints:
        file=r"metrics\.json|report\.html",
