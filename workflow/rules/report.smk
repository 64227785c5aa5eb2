"""The page of the study, and copies of the active study's results where people look for them."""


rule report_page:
    input:
        metrics=METRICS,
        tables=[paths.table(name) for name in (*OVERALL_TABLES, TEST_TIME, "published")],
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
        files=lambda wildcards, input: shlex.join(
            [
                *repeated("--figure", FIGURES),
                *repeated("--weights", (*input.backbones, *input.runs)),
                *repeated("--shards", input.shards),
            ]
        ),
        code=fingerprint("clipn.cli.report.page"),
        template=contents.templates(TEMPLATES),
    shell:
        "clipn --log {log} report page {input.metrics} {params.options} {params.files} --output {output}"
        f" --folder {paths.folder} --datasets {paths.datasets_folder}"


# Cheap copies at the paths that people type, each group in one job.
rule publish_ood_table:
    input:
        lambda wildcards: targets.ood_tables(paths, wildcards.id_dataset),
    output:
        list(map(short_path, targets.ood_tables(paths, "{id_dataset}"))),
    log:
        job_log("publish/{id_dataset}_ood"),
    benchmark:
        job_benchmark("publish/{id_dataset}_ood")
    localrule: True
    resources:
        **job_resources(mem_mb=10),
    shell:
        "cp {input} results/tables/ 2> {log}"


# Tables of ID datasets that only another study has are removed.
rule publish_tables:
    input:
        targets.overall_table_files(paths),
    output:
        list(map(short_path, targets.overall_table_files(paths))),
    log:
        job_log("publish/tables"),
    benchmark:
        job_benchmark("publish/tables")
    localrule: True
    resources:
        **job_resources(mem_mb=10),
    params:
        kept=options.kept_tables,
    shell:
        "(find results/tables -name '*_ood.*' {params.kept} -delete && cp {input} results/tables/) 2> {log}"


# Those of a backbone in one job: with all in one, records and command would grow with the square of their number.
for kinds, backbones in DRAWN_ALIKE.items():

    rule:
        name:
            f"publish_figures_of_{'taught' if len(kinds) > len(figures.PLAIN_KINDS) else 'plain'}"
        input:
            figures_of_backbone(kinds),
        output:
            list(map(short_path, figures_of_backbone(kinds))),
        log:
            job_log("publish/figures_{backbone}"),
        benchmark:
            job_benchmark("publish/figures_{backbone}")
        wildcard_constraints:
            backbone="|".join(map(re.escape, backbones)),
        localrule: True
        resources:
            **job_resources(mem_mb=10),
        params:
            options=options.study,
        shell:
            "cp {input} results/figures/ 2> {log}"


if OVERALL_FIGURES:

    rule publish_figures:
        input:
            targets.figure_files(paths, OVERALL_FIGURES),
        output:
            list(map(short_path, targets.figure_files(paths, OVERALL_FIGURES))),
        log:
            job_log("publish/figures"),
        benchmark:
            job_benchmark("publish/figures")
        localrule: True
        resources:
            **job_resources(mem_mb=10),
        params:
            options=options.study,
        shell:
            "cp {input} results/figures/ 2> {log}"


# Figures and averages that only another study has are removed, or an earlier version of this one, whose folder still
# holds its figures.
rule publish_page:
    input:
        targets.figure_files(paths, FIGURES),
        page=paths.page,
        summary=targets.summary_files(paths),
    output:
        short_path(paths.page),
        list(map(short_path, targets.summary_files(paths))),
    log:
        job_log("publish/page"),
    benchmark:
        job_benchmark("publish/page")
    localrule: True
    resources:
        **job_resources(mem_mb=10),
    params:
        # One word, with a space around each name; the names are in the command of the page, too.
        kept=shlex.quote(f" {' '.join(FIGURES)} "),
    shell:
        "(for file in results/figures/*; do name=${{file##*/}}; case {params.kept} in"
        ' *" ${{name%.*}} "*) ;; *) rm -f "$file";; esac; done'
        " && cp {input.page} results/ && rm -f results/summary/* && cp {input.summary} results/summary/) 2> {log}"
