"""What a command runs is in the fingerprint of its rule: looked at while it runs, and not in its text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clipn.cli.main import app
from clipn.fingerprint import UNCOUNTED, Fingerprints, Name
from tests.helpers.executed import executed
from tests.helpers.report_runs import BASELINE, SEEDS, write_descriptions, write_runs
from tests.helpers.tiny_run import tiny_run

OUTSIDE = ("clipn.cli.main", "clipn.compute", *UNCOUNTED)
"""What the command line does before every command, and what can change no number."""


def training(folder: Path) -> list[str]:
    return tiny_run(folder).options("run")


def summary(folder: Path) -> list[str]:
    metrics = map(str, write_runs(folder, [BASELINE, *SEEDS]))
    return ["report", "summary", *metrics, "--prompts", "single", "--output", str(folder / "summary.json")]


def ood_table(folder: Path) -> list[str]:
    write_descriptions(folder / "datasets", {"cifar10": "CIFAR-10", "svhn": "SVHN", "dtd": "Textures"})
    metrics = map(str, write_runs(folder, [BASELINE, *SEEDS]))
    shown = ["--id", "cifar10", "--variant", "learnable", "--prompts", "single"]
    return ["report", "ood-table", *metrics, *shown, "--datasets", str(folder / "datasets"), "--tables", str(folder)]


@pytest.mark.parametrize(
    ("words", "function"),
    [
        (training, "clipn.cli.training.train"),
        (summary, "clipn.cli.report.summary"),
        (ood_table, "clipn.cli.report.ood_table"),
    ],
)
def test_all_that_a_command_runs_is_in_its_closure(
    words: Callable[[Path], list[str]], function: str, tmp_path: Path
) -> None:
    given = words(tmp_path)
    app(given, standalone_mode=False)  # imports, which run functions of their own
    with executed() as ran:
        app(given, standalone_mode=False)
    counted = {name for name in ran if not f"{name.module}.".startswith(tuple(f"{place}." for place in OUTSIDE))}
    assert Name(*function.rsplit(".", 1)) in counted
    assert len(counted) >= 10
    assert counted <= Fingerprints().closure([function])
