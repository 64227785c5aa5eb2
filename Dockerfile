# What a study needs, in the locked versions, on CPUs and GPUs alike: the locked torch brings CUDA's libraries along, and
# the host has the driver. `clipn.def` is the same for Apptainer; how to use both: docs/container.md.
FROM python:3.11-slim-bookworm

RUN apt-get update && apt-get install --yes --no-install-recommends git wordnet-base && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/clipn
COPY requirements.lock .
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY LICENSE README.md dvc.yaml pyproject.toml .
COPY clipn clipn
COPY config config
COPY snakemake_logger_plugin_clipn snakemake_logger_plugin_clipn
COPY workflow workflow
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .

# Mount a project here, or an empty folder for `clipn demo .`.
WORKDIR /work
CMD ["clipn", "--help"]
