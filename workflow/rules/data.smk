"""From archives to indexed datasets and captioned shards."""

if study.demo:

    rule generate_demo:
        output:
            registry=REGISTRY,
            archives=[
                f"{STUDY}/archives/mirror/{file}"
                for files in archives.values()
                for file in files
            ],
        log:
            f"{LOGS}/generate_demo.log",
        benchmark:
            f"{LOGS}/generate_demo.tsv"
        threads: 1
        resources:
            mem_mb=400,
            cpu_percent=cpu_percent(1),
        params:
            options=options(study.demo),
            code=fingerprint("clipn.demo.mirror"),
        shell:
            "clipn --log {log} demo $(dirname {output.registry}) {params.options}"


rule fetch_archive:
    input:
        GENERATED_REGISTRY,
        [f"{STUDY}/archives/mirror/{{file}}"] if study.demo else [],
    output:
        f"{STUDY}/archives/{{dataset}}/{{file}}",
    log:
        f"{LOGS}/fetch_archive/{{dataset}}/{{file}}.log",
    benchmark:
        f"{LOGS}/fetch_archive/{{dataset}}/{{file}}.tsv"
    threads: 1
    resources:
        mem_mb=200,
        cpu_percent=10,
    params:
        record=lambda wildcards: record(wildcards.dataset),
        registry=place(REGISTRY),
        code=fingerprint("clipn.data.download"),
    shell:
        "clipn --log {log} data fetch {wildcards.dataset} --file {wildcards.file}"
        " --registry {params.registry} --output {output}"


rule index_dataset:
    input:
        GENERATED_REGISTRY,
        archives=lambda wildcards: archive_paths(wildcards.dataset),
    output:
        manifest=f"{STUDY}/datasets/{{dataset}}/manifest.parquet",
        description=f"{STUDY}/datasets/{{dataset}}/dataset.json",
    log:
        f"{LOGS}/index_dataset/{{dataset}}.log",
    benchmark:
        f"{LOGS}/index_dataset/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=400,
        cpu_percent=cpu_percent(1),
    params:
        record=lambda wildcards: record(wildcards.dataset),
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        code=fingerprint("clipn.data.manifest", "clipn.data.description"),
    shell:
        "clipn --log {log} data index {wildcards.dataset} --registry {params.registry}"
        " --archives {params.archives} --manifest {output.manifest} --description {output.description}"


rule prepare_captions:
    input:
        GENERATED_REGISTRY,
        archives=caption_archives(),
    output:
        captions=f"{STUDY}/captions/captions.parquet",
        statistics=f"{STUDY}/captions/statistics.json",
    log:
        f"{LOGS}/prepare_captions.log",
    benchmark:
        f"{LOGS}/prepare_captions.tsv"
    threads: 1
    resources:
        mem_mb=600,
        cpu_percent=cpu_percent(1),
    params:
        sources=study.captions.sources,
        records=[record(name) for name in study.captions.sources],
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        code=fingerprint("clipn.data.captions"),
    shell:
        "clipn --log {log} captions {params.sources} --registry {params.registry}"
        " --archives {params.archives} --output {output.captions} --statistics {output.statistics}"


rule build_shards:
    input:
        GENERATED_REGISTRY,
        captions=rules.prepare_captions.output.captions,
        archives=caption_archives(),
    output:
        shards=shard_paths(),
        index=f"{STUDY}/shards/index.parquet",
        statistics=f"{STUDY}/shards/statistics.json",
    log:
        f"{LOGS}/build_shards.log",
    benchmark:
        f"{LOGS}/build_shards.tsv"
    threads: 1
    resources:
        mem_mb=800,
        cpu_percent=cpu_percent(1),
    params:
        sources=repeated("--source", study.captions.sources),
        records=[record(name) for name in study.captions.sources],
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        code=fingerprint("clipn.data.shards"),
    shell:
        "clipn --log {log} shards {output.shards} --captions {input.captions} {params.sources}"
        " --registry {params.registry} --archives {params.archives} --index {output.index}"
        " --statistics {output.statistics}"
