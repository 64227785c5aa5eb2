#!/usr/bin/env bash
# Check the pipeline on a GPU within nine minutes: tests, speed, and the demo's training against a CPU's.
# Usage: benchmarks/gpu.sh [OUTPUT.json] [options of benchmarks.gpu]
# Wheels of a folder $WHEELS, by default .whl, are laid over the environment: for machines without a network.
set -euo pipefail
cd "$(dirname "$0")/.."
wheels=${WHEELS:-.whl}
if [ -d "$wheels" ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$site" "$wheels"/*.whl
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export GOMP_SPINCOUNT=10000
python3 -m benchmarks.gpu check "${1:-benchmarks/gpu.json}" "${@:2}"
