"""The profile for Slurm: in step with the estimates, complete, and not to be mixed with the one for a machine."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from clipn.cli.slurm_profile import FILE, GROUPED, main, profile
from tests.helpers.project import ROOT, Project, succeeded
from tests.helpers.rules import rule_texts

pytestmark = pytest.mark.workflow
RULES = rule_texts()
WRITTEN = yaml.safe_load((ROOT / FILE).read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create(tmp_path_factory.mktemp("profile") / "project")


def test_is_what_the_estimates_of_all_studies_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    studies = sorted(path.stem for path in Path("config/studies").glob("*.yaml"))
    assert FILE.read_text() == profile(studies), "run `make schema`"


def test_a_mistyped_study_ends_in_one_line_and_leaves_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE.parent).mkdir(parents=True)
    (tmp_path / FILE).write_text("as it was")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["slurm_profile", "papr"])
    with pytest.raises(SystemExit, match=r"^error: .*papr"):
        main()
    assert (tmp_path / FILE).read_text() == "as it was"


def test_names_rules_that_there_are_and_every_one_that_may_use_a_gpu() -> None:
    named = WRITTEN["set-resources"].keys()
    assert named - RULES.keys() == {"own_ood_table", "id_figures_2"}
    assert {name for name, text in RULES.items() if "GPU" in text} <= named


def test_asks_for_no_less_memory_than_the_rule(project: Project) -> None:
    for name, asked in WRITTEN["set-resources"].items():
        own = max(map(int, re.findall(r"job_resources\(\s*(?:mem_mb=)?(\d+)", RULES.get(name, ""))), default=0)
        assert own <= int(str(asked.get("mem_mb", own)).split()[0]), name


def test_downloads_and_copies_are_made_where_snakemake_runs() -> None:
    local = {name for name, text in RULES.items() if "localrule: True" in text}
    assert local == {name for name in RULES if re.match("fetch|crawl|publish_(?!ed)", name)} - {"published_table"}


@pytest.mark.parametrize("study", ["demo", "ablations", "paper"])
def test_nothing_comes_between_two_rules_of_the_group(project: Project, study: str) -> None:
    groups = [f"{rule}=results" for rule in GROUPED]
    succeeded(project.run("snakemake", "-n", "--groups", *groups, "--config", f"study={study}", "--", "all"))


def test_what_a_rule_is_to_ask_for_holds_for_all_backbones(project: Project) -> None:
    """Also for those that have other runs or figures, and so a rule of their own."""
    asked = ("--set-resources", "score_runs:mem_mb=1234", "--cores", "4", "--set-threads", "id_figures=3")
    said = succeeded(project.run("snakemake", "-n", *asked, "--config", "study=paper", "--", "all")).text
    jobs = re.findall(r"^rule (score_runs|id_figures)\w*:$(.*?)^\[", said, re.MULTILINE | re.DOTALL)
    memory = [re.findall(r" mem_mb=(\d+)", text) for rule, text in jobs if rule == "score_runs"]
    threads = [re.findall(r"threads: (\d+)", text) for rule, text in jobs if rule == "id_figures"]
    assert (memory, threads) == ([["1234"]] * 4, [["3"]] * 12)


def test_the_profile_of_a_machine_beside_it_is_refused_in_one_line(project: Project) -> None:
    cluster = project.folder / "cluster.yaml"
    cluster.write_text(yaml.safe_dump({"default-resources": WRITTEN["default-resources"]}))
    refused = project.run("snakemake", "-n", "--profile", cluster.name, "all")
    assert refused.status == 1
    assert [line.partition(":")[0] for line in refused.text.splitlines()[1:]] == ["error"]
    assert "use --workflow-profile instead" in refused.errors[0]
    succeeded(project.run("snakemake", "-n", "--workflow-profile", cluster.name, "all"))


def test_the_plugin_of_the_tests_is_that_of_the_extra() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["slurm"]
    plugin = (ROOT / "tests/slurm/plugin.txt").read_text()
    assert all(f"{name} " in plugin for name in extra if name.startswith("snakemake-executor"))
