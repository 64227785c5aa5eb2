"""The wheel in an environment of its own: commands of the core, and the demo from the files that it brings along."""

import csv
import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest

from clipn.compute import processor
from clipn.data.weights_registry import WEIGHTS, load_weights
from clipn.model.checkpoint import save_checkpoint
from tests.helpers.project import REDUCED_NUMBERS, ROOT, Project, reduce_demo, succeeded
from tests.helpers.tiny_model import ARCHITECTURE, taught_model
from tests.helpers.warm import warm_programs
from tests.helpers.wheel import Installed, build_wheel
from tests.workflow.test_runs import STUDY

pytestmark = pytest.mark.workflow

PACKAGES = ("clipn", "snakemake_logger_plugin_clipn")
PROJECT = ("workflow", "config", "dvc.yaml")
LARGEST = 750_000
"""Bytes of a wheel: it has text alone, and a picture or a table of data would show."""
PLACE = re.compile(rf"{re.escape(str(ROOT))}|(?<![\w.~])/(?:home|root|tmp|work|mnt|Users)/")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed.create(wheel, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def core(installed: Installed) -> Installed:
    """The environment without the extra, in a project that it has written."""
    without = replace(installed, has_extra=False)
    succeeded(without.run("clipn", "demo", "core"))
    return replace(without, folder=installed.folder / "core")


def texts(*names: str) -> dict[str, str]:
    """Text of every file of some parts of the checkout."""
    found = (path for name in names for path in [ROOT / name, *(ROOT / name).rglob("*")])
    files = (path for path in found if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}


def test_it_holds_the_packages_the_files_of_a_project_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert wheel.stat().st_size < LARGEST
    assert [name for name, text in contents.items() if PLACE.search(text)] == []
    (licence,) = (text for name, text in contents.items() if name.endswith(".dist-info/licenses/LICENSE"))
    assert licence == (ROOT / "LICENSE").read_text()
    project = {f"clipn/project/{name}": text for name, text in texts(*PROJECT).items()}
    assert {name: text for name, text in contents.items() if ".dist-info/" not in name} == texts(*PACKAGES) | project


def test_what_runs_is_what_the_wheel_brought(installed: Installed) -> None:
    said = succeeded(installed.run("python", "-c", "import clipn; print(clipn.__file__)")).text
    assert Path(said.strip()).is_relative_to(installed.environment)


def warm(installed: Installed, programs: Path) -> list[str]:
    """What runs a command whose programs begin with the packages of others imported."""
    paths = f"PATH={warm_programs()}:{programs}:/usr/bin:/bin", f"PYTHONPATH={installed.packages}"
    return ["/usr/bin/env", *paths]


def test_what_runs_warm_is_what_the_wheel_brought_too(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "clipn").write_text("import clipn\nprint(clipn.__file__)\n")
    (tmp_path / "clipn").chmod(0o755)
    said = succeeded(installed.run(*warm(installed, tmp_path), "clipn")).text
    assert Path(said.strip()).is_relative_to(installed.environment)


@pytest.mark.parametrize(
    "command", ["--help", "detect --help", "demo --help", "study plan --help", "data list", "data list sun"]
)
def test_commands_of_the_core_need_no_extra(core: Installed, command: str) -> None:
    succeeded(core.run("clipn", *command.split()))


def test_images_are_told_apart_without_the_extra(core: Installed) -> None:
    """By a checkpoint of the checkout's package, as a person gets it from another."""
    save_checkpoint(core.folder / "model.safetensors", taught_model().state_dict(), ARCHITECTURE, {})
    PIL.Image.effect_noise((40, 36), 64).convert("RGB").save(core.folder / "photo.png")
    asked = ["photo.png", "--classes", "cat,great white shark", "--model", "model.safetensors", "--prompts", "single"]
    said = succeeded(core.run("clipn", "detect", *asked, "--csv", "rows.csv", "--html", "page.html")).text
    assert "leaked" not in said
    (row,) = csv.DictReader((core.folder / "rows.csv").read_text().splitlines())
    assert row["decision"] in ("ID", "OOD")
    assert row["best_class"] in ("cat", "great white shark")
    assert "photo.png" in (core.folder / "page.html").read_text()


def test_outside_a_project_models_are_named_by_the_wheels_own_registry(installed: Installed) -> None:
    (installed.folder / "photo.png").touch()
    outcome = installed.run("clipn", "detect", "photo.png", "--classes", "cat,dog", "--model", "none")
    assert outcome.text.endswith(f"name one, e.g. {', '.join(load_weights(ROOT / WEIGHTS).models)}\n")
    assert outcome.status == 1


NEED = {
    "study plan": ("demo", "Snakemake"),
    "why": ("all", "Snakemake"),
    "accept": ("all", "Snakemake"),
    "finished": ("", "psutil"),
    "demo": ("--run .", "Snakemake"),
    "report figure training": ("run.csv --study demo --png training.png --pdf training.pdf", "Matplotlib"),
}


@pytest.mark.parametrize("command", NEED)
def test_commands_of_the_pipeline_say_in_one_line_what_they_need(core: Installed, command: str) -> None:
    arguments, package = NEED[command]
    outcome = core.run("clipn", *command.split(), *arguments.split())
    assert outcome.text == f'error: clipn {command}: needs {package}; pip install "clipn[pipeline]"\n'
    assert outcome.status == 1


def test_the_demo_is_made_as_in_a_checkout(installed: Installed, finished: Project) -> None:
    """It takes what a checkout made for its own, and makes a run and what depends on it again: the same bytes."""
    assert succeeded(installed.run("clipn", "demo", "demo")).text == "demo: ready; now: clipn demo --run demo\n"
    project = replace(installed, folder=installed.folder / "demo")
    reduce_demo(project.folder)
    for name in ("results", ".snakemake", "downloads"):
        shutil.copytree(finished.folder / name, project.folder / name, symlinks=True)
    study, run = project.folder / STUDY, f"{STUDY}/runs/tiny/learnable/seed2.safetensors"
    figures = [f"{STUDY}/figures/{name}.png" for name in ("training", "cifar10_roc_tiny")]
    tables = [str(path.relative_to(project.folder)) for path in study.glob("tables/*.csv")]
    for path in (run, *figures):
        (project.folder / path).unlink()
    for name in ("classifiers", "scores", "metrics", "tables"):
        shutil.rmtree(study / name)
    activated = [*warm(project, project.programs), "python", "-m", "snakemake"]
    succeeded(project.run(*activated, "--cores", "8", run, *figures, *tables))
    (study / "summary/imagenet.json").unlink()
    # Figures of the same tables are up to date, so one of each kind is all that is drawn.
    said = succeeded(installed.run("clipn", "demo", "--run", "demo")).text
    assert said.splitlines()[-1] == "open demo/results/report.html"
    assert Project(project.folder).hashes("results/**/*") == finished.hashes("results/**/*")
    verified = succeeded(project.run("clipn", "study", "verify", "--file", str(REDUCED_NUMBERS))).text
    if processor() in json.loads(REDUCED_NUMBERS.read_text())["processors"]:
        assert re.match(r"demo: all \d+ files with numbers are as recorded on ", verified)
    assert succeeded(project.run("clipn", "why", "all")).text.splitlines()[-1] == "all: up to date"
    assert "Nothing to be done" in succeeded(installed.run("clipn", "demo", "--run", "demo")).text
