"""From archives to indexed datasets and captioned shards."""

if study.demo:

    rule generate_demo:
        output:
            registry=paths.generated_registry,
            words=f"{paths.mirror}/words.txt",
            archives=paths.mirrored,
        log:
            job_log("generate_demo", paths.shared_logs),
        benchmark:
            job_benchmark("generate_demo", paths.shared_logs)
        resources:
            **job_resources(mem_mb=400),
        params:
            options=options.demo,
            code=fingerprint("clipn.cli.demo.demo_data"),
        shell:
            "clipn --log {log} demo-data $(dirname {output.registry}) {params.options}"


if GENERATED_NETWORKS:

    rule generate_network:
        input:
            registry=paths.generated_registry,
            archives=[f"{paths.mirror}/{file}" for file in data.generated[TRAINING]],
        output:
            paths.generated_network("{network}"),
        log:
            job_log("generate_network/{network}", paths.shared_logs),
        benchmark:
            job_benchmark("generate_network/{network}", paths.shared_logs)
        wildcard_constraints:
            network="|".join(map(re.escape, GENERATED_NETWORKS)),
        resources:
            **job_resources(mem_mb=1500),
        params:
            options=lambda wildcards: options.generated_network(wildcards.network),
            code=fingerprint("clipn.cli.demo.demo_network"),
        shell:
            "clipn --log {log} demo-network $(dirname {input.registry}) {params.options} --output {output}"


# No code counts for what is fetched here or as weights: its checksum proves it.
rule fetch_archive:
    input:
        lambda w: paths.generated_registries(w.dataset),
        lambda w: paths.mirrored_archive(w.dataset, w.file),
    output:
        paths.archive("{dataset}", "{file}"),
    log:
        job_log("fetch_archive/{dataset}/{file}", paths.shared_logs),
    benchmark:
        job_benchmark("fetch_archive/{dataset}/{file}", paths.shared_logs)
    localrule: True
    resources:
        **job_resources(mem_mb=200, cpu_percent=10),
    params:
        archive=lambda w: contents.archive(w.dataset, w.file),
        options=lambda w: options.archives(w.dataset) + options.mirror,
    shell:
        "clipn --log {log} data fetch {wildcards.dataset} --file {wildcards.file} {params.options}"


rule verify_dataset:
    input:
        lambda wildcards: paths.generated_registries(wildcards.dataset),
        archives=lambda wildcards: paths.archives(wildcards.dataset, cleaning=True),
    output:
        manifest=paths.manifest("{dataset}"),
        description=paths.description("{dataset}"),
    log:
        job_log("verify_dataset/{dataset}", paths.shared_logs),
    benchmark:
        job_benchmark("verify_dataset/{dataset}", paths.shared_logs)
    wildcard_constraints:
        dataset="|".join(study.encoded_datasets),
    # Else its two threads would wait for the end of a long job of one, and what needs the manifests with them.
    priority: 1
    threads: 2
    resources:
        **job_resources(mem_mb=400, threads=2),
    params:
        dataset=lambda wildcards: contents.expectations(wildcards.dataset),
        options=lambda w: options.verification(w.dataset),
        code=fingerprint("clipn.cli.data.verify"),
    shell:
        "clipn --log {log} data verify {wildcards.dataset} {params.options} > /dev/null"


rule verify_captions:
    input:
        lambda wildcards: paths.generated_registries(wildcards.source),
        lambda wildcards: paths.archives(wildcards.source),
    output:
        paths.description("{source}"),
    log:
        job_log("verify_captions/{source}", paths.shared_logs),
    benchmark:
        job_benchmark("verify_captions/{source}", paths.shared_logs)
    resources:
        **job_resources(mem_mb=400),
    params:
        captions=lambda w: contents.expectations(w.source),
        options=lambda w: options.verification(w.source),
        code=fingerprint("clipn.cli.data.verify"),
    shell:
        "clipn --log {log} data verify {wildcards.source} {params.options} > /dev/null"


rule prepare_captions:
    input:
        paths.generated_registries(*study.captions.sources),
        archives=paths.archives(*study.captions.sources),
    output:
        captions=paths.captions,
        statistics=paths.caption_statistics,
    log:
        job_log("prepare_captions", paths.shared_logs),
    benchmark:
        job_benchmark("prepare_captions", paths.shared_logs)
    resources:
        **job_resources(mem_mb=600),
    params:
        captions=contents.images(*study.captions.sources),
        options=options.captions,
        code=fingerprint("clipn.cli.captions.captions"),
    shell:
        "clipn --log {log} captions {params.options} --output {output.captions} --statistics {output.statistics}"


rule crawl_images:
    input:
        rules.prepare_captions.output.captions,
    output:
        paths.crawl_report("{source}"),
    log:
        job_log("crawl_images/{source}", paths.shared_logs),
    benchmark:
        job_benchmark("crawl_images/{source}", paths.shared_logs)
    localrule: True
    threads: study.captions.crawl.processes
    resources:
        **job_resources(mem_mb=3000, threads=study.captions.crawl.processes),
    params:
        captions=lambda wildcards: contents.expectations(wildcards.source),
        options=options.crawl,
        code=fingerprint("clipn.cli.captions.crawl"),
    shell:
        "clipn --log {log} crawl {wildcards.source} --captions {input} {params.options} --report {output}"


rule build_shards:
    input:
        paths.generated_registries(*study.captions.sources),
        paths.crawl_reports,
        captions=rules.prepare_captions.output.captions,
        archives=paths.archives(*study.captions.sources),
    output:
        shards=paths.shards,
        index=paths.shard_index,
        statistics=paths.shard_statistics,
    log:
        job_log("build_shards", paths.shared_logs),
    benchmark:
        job_benchmark("build_shards", paths.shared_logs)
    resources:
        **job_resources(mem_mb=2000),
    params:
        captions=contents.expectations(*study.captions.sources),
        options=options.shards,
        code=fingerprint("clipn.cli.captions.shards"),
    shell:
        "clipn --log {log} shards {output.shards} --captions {input.captions} {params.options}"
        " --index {output.index} --statistics {output.statistics}"
