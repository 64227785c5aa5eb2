"""Copies of the active study's results, where people look for them."""


rule publish:
    input:
        f"{STUDY}/{{folder}}/{{file}}",
    output:
        "results/{folder}/{file}",
    log:
        f"{LOGS}/publish/{{folder}}/{{file}}.log",
    benchmark:
        f"{LOGS}/publish/{{folder}}/{{file}}.tsv"
    wildcard_constraints:
        folder="tables|figures",
        file="[^/]+",
    threads: 1
    resources:
        mem_mb=10,
        cpu_percent=cpu_percent(1),
    shell:
        "cp {input} {output} 2> {log}"


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
