"""Files of the configuration that Snakemake would read otherwise than they look."""

from pathlib import Path

import pytest

from tests.helpers.project import Project

pytestmark = pytest.mark.workflow

TWICE = "resamples: 10\nthreads: 1\nresamples: 77\n"
TEMPLATE = "__use_yte__: true\nresamples: \"?__import__('pathlib').Path('WRITTEN').touch() or 5\"\n"
FILES = {"config": "config/config.yaml", "study": "config/studies/demo.yaml"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create(tmp_path_factory.mktemp("configuration") / "project")


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_key_twice_is_refused_before_anything_is_planned(project: Project, file: str) -> None:
    text = (project.folder / file).read_text()
    first = len(text.splitlines()) + 1
    with project.edited(file, TWICE.replace("resamples", "workers")):
        said = project.clipn("why", "data")
    assert said.status == 1
    assert said.errors == [
        f"error: {file}: workers: is a key in line {first} and again in line {first + 2}; remove one of them"
    ]


def test_a_key_twice_in_an_overlay_is_refused(project: Project) -> None:
    overlay = project.folder / "over.yaml"
    overlay.write_text(TWICE)
    refusal = f"error: {overlay}: resamples: is a key in line 1 and again in line 3; remove one of them"
    by_snakemake = project.run("snakemake", "-n", "data", "--configfile", str(overlay))
    for said in (by_snakemake, project.clipn("why", "data", "--configfile", str(overlay))):
        assert said.status == 1
        assert said.text.splitlines()[-1] == refusal


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_file_that_would_be_run_as_a_template_is_refused_and_not_run(project: Project, file: str) -> None:
    with project.edited(file, TEMPLATE.replace("resamples", "workers")):
        said = project.run("snakemake", "-n", "data")
    assert said.status == 1
    assert said.errors == [
        f"error: {file}: __use_yte__: a template could run any program; remove the line, and write out values"
    ]
    assert not (project.folder / "WRITTEN").exists()


def test_no_command_of_ours_runs_an_overlay_as_a_template(project: Project, tmp_path: Path) -> None:
    overlay = tmp_path / "over.yaml"
    overlay.write_text(TEMPLATE)
    said = project.clipn("why", "data", "--configfile", str(overlay))
    assert (said.status, len(said.errors)) == (1, 1)
    assert not (project.folder / "WRITTEN").exists()
