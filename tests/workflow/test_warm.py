"""Programs that begin with their packages imported do what the real ones do."""

import json
import subprocess

import pytest

from clipn.compute import HELD
from tests.helpers.project import ENVIRONMENT, warm_path
from tests.helpers.warm import warm_programs
from tests.helpers.warm.client import chosen

pytestmark = pytest.mark.workflow

WARM = ENVIRONMENT | HELD | warm_path()


def ended(environment: dict[str, str], *command: str) -> tuple[int, str, str]:
    """Exit status and what was said on both streams."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_server_runs_the_jobs_of_snakemake() -> None:
    held = json.loads((warm_programs() / "environment.json").read_text())
    assert chosen(WARM) == chosen(held)
    for name in ("ATEN_CPU_CAPABILITY", "OPENBLAS_NUM_THREADS"):
        assert chosen(WARM | {name: "2"}) != chosen(held)


@pytest.mark.parametrize(
    "command", [("clipn", "data", "list"), ("clipn", "data", "no"), ("clipn", "trace", "no.csv"), ("dvc", "no")]
)
def test_it_ends_as_the_real_program(command: tuple[str, ...]) -> None:
    assert ended(WARM, *command) == ended(ENVIRONMENT | HELD, *command)
