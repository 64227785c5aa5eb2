"""What Snakemake would run is taken from it by value: every kind of reason, on a small workflow that has run."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clipn.errors import ClipnError
from clipn.study.snakemake import Mode, PlannedJob, Request, planned
from tests.helpers.project import ENVIRONMENT, warm_path
from tests.helpers.records import record_file

pytestmark = pytest.mark.workflow

SNAKEFILE = """
configfile: "config.yaml"
configfile: f"{config['study']}.yaml"

rule count:
    input: config["texts"]
    output: "made/{language}/{number}.txt"
    params: options=f"--words {config['words']}", unit=config["unit"]
    shell: "cat {input} > {output}"

rule table:
    input: expand("made/en/{number}.txt", number=[1, 2])
    output: "table.csv", "table.md"
    params: title=config["title"]
    shell: "cat {input} | tee {output} > /dev/null"

rule all:
    input: "table.csv"
"""
TABLE = ["table.csv", "table.md"]
COUNTS = ["made/en/1.txt", "made/en/2.txt"]
CONFIG = "study: small\ntexts: [a.txt, b.txt]\nunit: words\n"
SMALL = "words: 5\ntitle: Small\n"
NOTE_MODE = """
from clipn.study.snakemake import mode_of
open("mode", "w").write(str(mode_of(workflow).value))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the installed Snakemake has made everything."""
    root = tmp_path_factory.mktemp("finished")
    (root / "workflow").mkdir()
    files = {"workflow/Snakefile": SNAKEFILE, "config.yaml": CONFIG, "small.yaml": SMALL, "a.txt": "a", "b.txt": "b"}
    for name, text in files.items():
        (root / name).write_text(text)
    subprocess.run(
        ["snakemake", "--cores", "1", "all"], cwd=root, env=ENVIRONMENT | warm_path(), check=True, capture_output=True
    )
    return root


@pytest.fixture(autouse=True)
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project, in which the test runs."""
    root = shutil.copytree(finished, tmp_path / "project")
    monkeypatch.chdir(root)
    return root


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def jobs(*targets: str, **request: Any) -> list[PlannedJob]:
    with planned(Request(targets or ["all"], **request)) as plan:
        return plan.jobs


def count(number: int, **fields: Any) -> PlannedJob:
    """A planned job of the rule `count`."""
    return PlannedJob(**{"rule": "count", "outputs": [COUNTS[number - 1]], "inputs": ["a.txt", "b.txt"]} | fields)


def table(**fields: Any) -> PlannedJob:
    """A planned job of the rule `table`."""
    return PlannedJob("table", TABLE, COUNTS, **fields)


class TestReasons:
    """Why a job would run."""

    def test_none(self) -> None:
        assert jobs() == []

    def test_an_input_that_was_only_touched_is_none(self) -> None:
        Path("a.txt").touch()
        assert jobs() == []

    def test_an_output_is_missing(self) -> None:
        Path("table.csv").unlink()
        assert jobs() == [table(missing=["table.csv"])]

    def test_an_intermediate_file_is_missing_where_it_is_asked_for(self) -> None:
        Path(COUNTS[1]).unlink()
        assert jobs() == []
        assert jobs(COUNTS[1], "table.csv") == [count(2, missing=[COUNTS[1]]), table(follows=[COUNTS[1]])]

    def test_an_input_has_another_content_and_others_follow(self) -> None:
        Path("a.txt").write_text("other")
        assert jobs(COUNTS[0]) == [count(1, newer=["a.txt"])]
        first, second, last = jobs()
        assert sorted([first, second], key=lambda job: job.outputs) == [count(k, newer=["a.txt"]) for k in (1, 2)]
        assert last == table(follows=COUNTS)

    def test_the_set_of_inputs_is_another(self) -> None:
        edit("config.yaml", "[a.txt, b.txt]", "[b.txt]")
        assert jobs(COUNTS[0]) == [count(1, inputs=["b.txt"])]

    def test_the_order_of_inputs_is_none(self) -> None:
        edit("config.yaml", "[a.txt, b.txt]", "[b.txt, a.txt]")
        assert jobs() == []

    def test_a_parameter_is_another(self) -> None:
        edit("small.yaml", "words: 5", "words: 6")
        assert jobs(COUNTS[0]) == [count(1, before=["'--words 5'"], now={"options": "'--words 6'"})]

    def test_several_parameters_are_others(self) -> None:
        edit("small.yaml", "words: 5", "words: 6")
        edit("config.yaml", "unit: words", "unit: null")
        now = {"options": "'--words 6'", "unit": "None"}
        assert jobs(COUNTS[0]) == [count(1, before=["'--words 5'", "'words'"], now=now)]

    def test_a_parameter_that_becomes_like_another_leaves_a_text_behind(self) -> None:
        edit("config.yaml", "unit: words", "unit: --words 5")
        assert jobs(COUNTS[0]) == [count(1, before=["'words'"])]

    def test_the_command_is_another(self) -> None:
        edit("workflow/Snakefile", "cat {input} > {output}", "cat  {input} > {output}")
        assert jobs(COUNTS[0]) == [count(1, command_changed=True)]

    def test_a_job_was_killed(self) -> None:
        record_file(Path(".snakemake/incomplete"), COUNTS[0]).write_text("{}")
        assert jobs() == [count(1, incomplete=True), table(follows=[COUNTS[0]])]

    def test_a_killed_job_that_made_nothing_is_missing_its_output(self) -> None:
        Path("table.csv").unlink()
        record_file(Path(".snakemake/incomplete"), "table.csv").write_text("{}")
        assert jobs() == [table(missing=["table.csv"])]


class TestPlan:
    """What a plan holds, and what Snakemake is asked for."""

    def test_outputs_of_all_jobs_also_of_those_that_would_not_run(self) -> None:
        with planned(Request(["all"])) as plan:
            assert sorted(plan.outputs) == [*COUNTS, *TABLE]

    def test_outputs_of_one_target(self) -> None:
        with planned(Request([COUNTS[1]])) as plan:
            assert plan.outputs == [COUNTS[1]]

    def test_a_recorded_job_is_up_to_date(self) -> None:
        edit("small.yaml", "words: 5", "words: 6")
        with planned(Request([COUNTS[0]])) as plan:
            plan.record([COUNTS[0]])
        assert jobs(COUNTS[0]) == []
        assert [job.outputs for job in jobs(COUNTS[1])] == [[COUNTS[1]]]

    def test_files_stay_as_they_are_when_they_are_recorded(self) -> None:
        date = Path("table.csv").stat().st_mtime_ns
        with planned(Request(["all"])) as plan:
            plan.record(plan.outputs)
        assert (Path("table.csv").read_text(), Path("table.csv").stat().st_mtime_ns) == ("abab", date)

    def test_a_plan_runs_nothing(self) -> None:
        Path("table.csv").unlink()
        jobs()
        assert not Path("table.csv").exists()
        assert not any(Path(".snakemake/locks").iterdir())

    @pytest.mark.parametrize("mode", [Mode.CHECK, Mode.DRY_RUN, Mode.ACCEPT, Mode.ACCEPT | Mode.DRY_RUN])
    def test_the_workflow_knows_how_to_check(self, mode: Mode) -> None:
        edit("workflow/Snakefile", "rule all", f"{NOTE_MODE}\nrule all")
        Path("table.csv").unlink()
        with planned(Request(["all"]), mode):
            assert Path("mode").read_text() == str(mode.value)
        assert not Path("table.csv").exists()

    def test_a_mode_lasts_no_longer_than_its_plan(self) -> None:
        edit("workflow/Snakefile", "rule all", f"{NOTE_MODE}raise SystemExit\n\nrule all")
        with pytest.raises(SystemExit), planned(Request(["all"]), Mode.ACCEPT):
            pass
        edit("workflow/Snakefile", "raise SystemExit", "")
        jobs()
        assert Path("mode").read_text() == str(Mode.DRY_RUN.value)

    @pytest.mark.parametrize(("options", "mode"), [(["--dry-run"], Mode.DRY_RUN), ([], Mode.CHECK)])
    def test_the_mode_of_the_command(self, options: list[str], mode: Mode) -> None:
        edit("workflow/Snakefile", "rule all", f"{NOTE_MODE}\nrule all")
        subprocess.run(
            ["snakemake", "--cores", "1", "all", *options],
            env=ENVIRONMENT | warm_path(),
            check=True,
            capture_output=True,
        )
        assert Path("mode").read_text() == str(mode.value)

    def test_a_mode_is_no_setting(self) -> None:
        edit(
            "workflow/Snakefile",
            "rule all",
            "assert set(config) == {'study', 'texts', 'unit', 'words', 'title'}\n\nrule all",
        )
        assert jobs() == []

    def test_an_overlay_goes_before_the_configuration(self) -> None:
        Path("overlay.yaml").write_text("words: 7")
        assert jobs(COUNTS[0], overlays=[Path("overlay.yaml")])[0].now == {"options": "'--words 7'"}

    def test_of_two_overlays_the_last_one_counts(self) -> None:
        for number in (7, 8):
            Path(f"{number}.yaml").write_text(f"words: {number}")
        assert jobs(COUNTS[0], overlays=[Path("7.yaml"), Path("8.yaml")])[0].now == {"options": "'--words 8'"}

    def test_a_study_instead_of_the_configured_one(self) -> None:
        Path("large.yaml").write_text("words: 90\ntitle: Large\n")
        assert jobs(COUNTS[0], study="large")[0].now == {"options": "'--words 90'"}

    def test_a_plan_does_not_disturb_the_next(self) -> None:
        Path("large.yaml").write_text("words: 90\ntitle: Large\n")
        jobs(study="large")
        assert jobs() == []


def test_the_package_of_another_project(project: Path) -> None:
    (project / "clipn").mkdir()
    with pytest.raises(ClipnError, match=r"^clipn: runs from .*, and this project has its own; run `PYTHONPATH=\$PWD"):
        jobs("all")


class TestMistakes:
    """Snakemake's errors are those of this project."""

    def test_a_target_that_nobody_can_make(self) -> None:
        with pytest.raises(ClipnError, match=r"^snakemake: No rule to produce tabel\.csv"):
            jobs("tabel.csv")

    def test_a_source_is_missing(self) -> None:
        Path("a.txt").unlink()
        with pytest.raises(ClipnError, match=r"^snakemake: Missing input files for rule count: .*\ba\.txt"):
            jobs("made/fr/7.txt")

    def test_the_workflow_is_missing(self) -> None:
        shutil.rmtree("workflow")
        with pytest.raises(ClipnError, match=r"^workflow/Snakefile: no such file; go to the project's folder$"):
            jobs()

    def test_a_workflow_that_ends_the_run_itself_has_the_last_word(self) -> None:
        edit("workflow/Snakefile", "rule all", "raise SystemExit('error: no')\n\nrule all")
        with pytest.raises(SystemExit, match=r"^error: no$"):
            jobs()
