"""From archives to indexed datasets and captioned shards."""

if study.demo:

    rule generate_demo:
        output:
            registry=REGISTRY,
            words=f"{STUDY}/archives/mirror/words.txt",
            archives=[
                f"{STUDY}/archives/mirror/{file}"
                for name in data.names
                for file in data.files(name)
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
        archive=lambda wildcards: archive_identity(wildcards.dataset, wildcards.file),
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        options=options({"mirror": study.mirror}),
        code=fingerprint("clipn.data.download"),
    shell:
        "clipn --log {log} data fetch {wildcards.dataset} --file {wildcards.file}"
        " --registry {params.registry} --archives {params.archives}/{wildcards.dataset} {params.options}"


rule verify_dataset:
    input:
        GENERATED_REGISTRY,
        archives=lambda wildcards: archive_paths(wildcards.dataset, cleaning=True),
    output:
        manifest=f"{STUDY}/datasets/{{dataset}}/manifest.parquet",
        description=f"{STUDY}/datasets/{{dataset}}/dataset.json",
    log:
        f"{LOGS}/verify_dataset/{{dataset}}.log",
    benchmark:
        f"{LOGS}/verify_dataset/{{dataset}}.tsv"
    wildcard_constraints:
        dataset="|".join(study.datasets),
    threads: 2
    resources:
        mem_mb=400,
        cpu_percent=cpu_percent(2),
    params:
        record=lambda wildcards: data.expectation(wildcards.dataset),
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        in_place=lambda wildcards: state_in_place(wildcards.dataset),
        options=lambda wildcards: place_options(wildcards.dataset),
        cleaning=lambda wildcards: repeated(
            "--cleaning", data.cleaning(wildcards.dataset)
        ),
        output=place(f"{STUDY}/datasets"),
        code=fingerprint("clipn.data.verify"),
    shell:
        "clipn --log {log} data verify {wildcards.dataset} --registry {params.registry}"
        " --archives {params.archives}/{wildcards.dataset} --output {params.output}"
        " {params.options} {params.cleaning} > /dev/null"


rule verify_captions:
    input:
        GENERATED_REGISTRY,
        lambda wildcards: archive_paths(wildcards.source),
    output:
        f"{STUDY}/datasets/{{source}}/dataset.json",
    log:
        f"{LOGS}/verify_captions/{{source}}.log",
    benchmark:
        f"{LOGS}/verify_captions/{{source}}.tsv"
    threads: 1
    resources:
        mem_mb=400,
        cpu_percent=cpu_percent(1),
    params:
        record=lambda wildcards: data.expectation(wildcards.source),
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        in_place=lambda wildcards: state_in_place(wildcards.source),
        output=place(f"{STUDY}/datasets"),
        code=fingerprint("clipn.data.verify"),
    shell:
        "clipn --log {log} data verify {wildcards.source} --registry {params.registry}"
        " --archives {params.archives}/{wildcards.source} --output {params.output} > /dev/null"


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
        in_place=[state_in_place(name) for name in study.captions.sources],
        options=options(
            study.captions.model_dump(include=set(CaptionPreparation.model_fields))
        ),
        code=fingerprint("clipn.data.captions"),
    shell:
        "clipn --log {log} captions {params.sources} --registry {params.registry} --archives {params.archives}"
        " --output {output.captions} --statistics {output.statistics} {params.options}"


rule crawl_images:
    input:
        rules.prepare_captions.output.captions,
    output:
        f"{STUDY}/captions/crawl_{{source}}.json",
    log:
        f"{LOGS}/crawl_images/{{source}}.log",
    benchmark:
        f"{LOGS}/crawl_images/{{source}}.tsv"
    threads: study.captions.crawl.processes
    resources:
        mem_mb=3000,
        cpu_percent=cpu_percent(study.captions.crawl.processes),
    params:
        options=options(study.captions.crawl),
        record=lambda wildcards: data.expectation(wildcards.source),
        registry=place(REGISTRY),
        crawl=place(f"work/{study.study}/crawl"),
        code=fingerprint("clipn.data.crawl"),
    shell:
        "clipn --log {log} crawl {wildcards.source} --captions {input} --registry {params.registry}"
        " --crawl {params.crawl} --report {output} {params.options}"


rule build_shards:
    input:
        GENERATED_REGISTRY,
        crawl_reports(),
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
        mem_mb=2000,
        cpu_percent=cpu_percent(1),
    params:
        sources=repeated("--source", study.captions.sources),
        records=[data.expectation(name) for name in study.captions.sources],
        in_place=[state_in_place(name) for name in study.captions.sources],
        registry=place(REGISTRY),
        archives=place(f"{STUDY}/archives"),
        crawl=place(f"work/{study.study}/crawl"),
        code=fingerprint("clipn.data.shards.build"),
    shell:
        "clipn --log {log} shards {output.shards} --captions {input.captions} {params.sources}"
        " --registry {params.registry} --archives {params.archives} --crawl {params.crawl} --index {output.index}"
        " --statistics {output.statistics}"
