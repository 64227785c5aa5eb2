"""What a command runs is in the fingerprint of its rule: looked at while it runs, and not in its text."""

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from clipn.cli.main import app
from clipn.files import write_json
from clipn.fingerprint import UNCOUNTED, Fingerprints, Name
from tests.helpers.executed import executed
from tests.helpers.report_runs import BASELINE, SEEDS, write_descriptions, write_runs
from tests.helpers.scored_study import COMMANDS, plant_study
from tests.helpers.tiny_run import tiny_run

OUTSIDE = ("clipn.cli.main", "clipn.cli.extras", "clipn.compute", *UNCOUNTED)
"""What the command line does before every command, and what can change no number."""


DESCRIPTION = {
    "title": "Pets", "classes": ["dog", "cat"], "archives": {}, "proof": {}, "names": "unverified", "images": 0
}  # fmt: skip


def training(folder: Path) -> list[str]:
    return tiny_run(folder).options("run")


def summary(folder: Path) -> list[str]:
    metrics = map(str, write_runs(folder, SEEDS))
    return ["report", "summary", *metrics, "--id", "cifar10", "--output", str(folder / "summary")]


def ood_table(folder: Path) -> list[str]:
    write_descriptions(folder / "datasets", {"cifar10": "CIFAR-10", "svhn": "SVHN", "dtd": "Textures"})
    metrics = map(str, write_runs(folder, [BASELINE, *SEEDS]))
    shown = ["--id", "cifar10", "--variant", "learnable", "--prompts", "single"]
    return ["report", "ood-table", *metrics, *shown, "--datasets", str(folder / "datasets"), "--tables", str(folder)]


def classifiers(folder: Path) -> list[str]:
    run = tiny_run(folder)
    write_json(folder / "pets/dataset.json", DESCRIPTION)
    options = ["--backbone", run.files.backbone, "--checkpoint", f"learnable/seed1:{run.train('run')[0]}"]
    options += ["--datasets", folder, "--prompts", "single", "--output", folder / "classifiers.safetensors"]
    return ["features", "classifiers", "pets", *map(str, options)]


def scored(name: str) -> Callable[[Path], list[str]]:
    """A command from features to figures, after those before it."""

    def words(folder: Path) -> list[str]:
        plant_study(folder)
        for before in list(COMMANDS)[: list(COMMANDS).index(name)]:
            app(COMMANDS[before].split(), standalone_mode=False)
        return COMMANDS[name].split()

    return words


@pytest.mark.parametrize(
    ("words", "function"),
    [
        (training, "clipn.cli.training.train"),
        (summary, "clipn.cli.report.summary"),
        (ood_table, "clipn.cli.report.ood_table"),
        (classifiers, "clipn.cli.features.classifiers"),
        (scored("fit"), "clipn.cli.evaluation.fit"),
        (scored("fit-probe"), "clipn.cli.evaluation.fit_probe"),
        (scored("score"), "clipn.cli.evaluation.score"),
        (scored("evaluate"), "clipn.cli.evaluation.evaluate"),
        (scored("evaluate-streams"), "clipn.cli.evaluation.evaluate_streams"),
        (scored("streams-table"), "clipn.cli.report.streams_table"),
        (scored("id-dataset"), "clipn.cli.figures.id_figures"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_all_that_a_command_runs_is_in_its_closure(
    words: Callable[[Path], list[str]], function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Matplotlib is none of the package, and slow where every call is looked at.
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: Path(path).touch())
    given = words(tmp_path)
    app(given, standalone_mode=False)  # imports, which run functions of their own
    with executed() as ran:
        app(given, standalone_mode=False)
    # A lambda of a module is in the text of what it is a value of.
    named = {name for name in ran if name.definition != "<lambda>"}
    counted = {name for name in named if not f"{name.module}.".startswith(tuple(f"{place}." for place in OUTSIDE))}
    assert Name(*function.rsplit(".", 1)) in counted
    assert len(counted) >= 10
    assert counted <= Fingerprints().closure([function])
