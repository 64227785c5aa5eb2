"""Programs that begin with their packages imported do what the real ones do."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
    for name in ("ATEN_CPU_CAPABILITY", "OPENBLAS_CORETYPE"):
        assert chosen(WARM | {name: "2"}) != chosen(held)


@pytest.mark.parametrize(
    "command", [("clipn", "data", "list"), ("clipn", "data", "no"), ("clipn", "trace", "no.csv"), ("dvc", "no")]
)
def test_it_ends_as_the_real_program(command: tuple[str, ...]) -> None:
    assert ended(WARM, *command) == ended(ENVIRONMENT | HELD, *command)


def test_several_run_at_a_time_and_one_whose_caller_is_killed_ends(tmp_path: Path) -> None:
    (tmp_path / "dvc").write_text("print('begun', flush=True)\nimport sys\nsys.stdin.read()\n")
    (tmp_path / "dvc").chmod(0o755)
    environment = WARM | {"PATH": f"{warm_programs()}{os.pathsep}{tmp_path}{os.pathsep}{ENVIRONMENT['PATH']}"}
    pipe = subprocess.PIPE
    with subprocess.Popen(["dvc"], env=environment, stdin=pipe, stdout=pipe, text=True) as caller:
        assert caller.stdout
        assert caller.stdout.readline() == "begun\n"
        expected = ended(WARM, "clipn", "data", "no")
        with ThreadPoolExecutor() as pool:
            assert [*pool.map(lambda _: ended(WARM, "clipn", "data", "no"), range(6))] == [expected] * 6
        caller.kill()
        # The program could write there, too, so this is not the end before it has ended.
        assert caller.stdout.read() == ""
    assert ended(WARM, "clipn", "data", "no") == expected
