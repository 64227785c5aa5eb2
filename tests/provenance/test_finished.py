"""Everything is made only where Snakemake has nothing to do, and it is asked once for one caller."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clipn.provenance import finished as module
from clipn.provenance.finished import finished
from clipn.provenance.records import read_records, remove_record, write_record
from clipn.study.snakemake import Request, planned
from tests.helpers.project import ENVIRONMENT, warm_path
from tests.helpers.records import record_file

pytestmark = pytest.mark.workflow

SNAKEFILE = """
import sys
from pathlib import Path
from clipn.errors import ClipnError
from clipn.fingerprint import Fingerprints
from clipn.provenance.check import CheckedStudy, check_outputs
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.study.snakemake import mode_of

configfile: "config/config.yaml"
HOME = "results/studies/demo/"
FILES = [HOME + "scores.txt", HOME + "table.csv"]

def check():
    study = CheckedStudy("demo", FILES)
    try:
        check_outputs(study, HashCache(Path()), RunState(Path()), Fingerprints(), mode_of(workflow))
    except ClipnError as error:
        sys.exit(f"error: {error}")

if workflow.is_main_process:
    check()
    with open("starts", "a") as starts:
        starts.write("x")

onsuccess:
    check()

rule all:
    input: FILES

rule scores:
    input: "words.txt"
    output: HOME + "scores.txt"
    params: words=config["words"]
    shell: "cp {input} {output}"

rule table:
    input: HOME + "scores.txt"
    output: HOME + "table.csv"
    shell: "cp {input} {output}"
"""
STAGES = """
vars: [config/config.yaml]
stages:
  data:
    cmd: clipn finished || snakemake results/studies/demo/scores.txt
    deps: [config, words.txt]
    outs:
      - results/studies/${study}/provenance/data.jsonl: {persist: true}
      - results/studies/${study}/scores.txt: {persist: true}
  report:
    cmd: clipn finished || snakemake all
    deps: [config, results/studies/demo/scores.txt]
    outs:
      - results/studies/${study}/provenance/report.jsonl: {persist: true}
      - results/studies/${study}/table.csv: {persist: true}
"""
CONFIG = "study: demo\nwords: 5\n"
FILES = {
    "config/config.yaml": CONFIG,
    "clipn/module.py": "",
    "words.txt": "words",
    "dvc.yaml": STAGES,
    "workflow/Snakefile": SNAKEFILE,
    "workflow/profiles/default/profile.yaml": "cores: 1\n",
}
SCORES, TABLE = "results/studies/demo/scores.txt", "results/studies/demo/table.csv"
RECORDS = "results/studies/demo/provenance/report.jsonl"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which Snakemake has made everything."""
    root = tmp_path_factory.mktemp("finished")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["snakemake", "all"], cwd=root, env=ENVIRONMENT | warm_path(), check=True, capture_output=True)
    return root


@pytest.fixture(autouse=True)
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of it, in which the test runs."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "project"))
    monkeypatch.setattr("clipn.study.snakemake.PACKAGE", Path("clipn"))
    monkeypatch.setenv("DVC_STAGE", "data")
    Path("starts").unlink()


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def set_caller(name: str) -> None:
        monkeypatch.setattr(module, "_caller", lambda: name)

    return set_caller


def starts() -> int:
    """How often Snakemake was started."""
    return len(Path("starts").read_text()) if Path("starts").exists() else 0


def test_all_is_made_and_snakemake_is_asked_once() -> None:
    assert [finished(Path()) for _ in range(3)] == [True, True, True]
    assert starts() == 1


def test_another_caller_asks_again(caller: Callable[[str], None]) -> None:
    for name in ("first", "first", "second"):
        caller(name)
        assert finished(Path())
    assert starts() == 2


def test_without_dvc_snakemake_is_always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    assert [finished(Path()) for _ in range(2)] == [True, True]
    assert starts() == 2


def test_something_is_to_be_done_and_snakemake_is_asked_once() -> None:
    Path("config/config.yaml").write_text("study: demo\nwords: 6\n")
    assert [finished(Path()) for _ in range(3)] == [False, False, False]
    assert starts() == 1


def test_nobody_is_asked_for_what_was_made_since() -> None:
    Path(TABLE).unlink()
    assert not finished(Path())
    subprocess.run(["snakemake", "all"], env=ENVIRONMENT | warm_path(), check=True, capture_output=True)
    assert not finished(Path())
    assert starts() == 2


def copy_as_dvc_does(path: str) -> None:
    shutil.copyfile(path, "copy")
    Path("copy").replace(path)


@pytest.mark.parametrize("path", [SCORES, TABLE, RECORDS, "words.txt"])
def test_copies_of_the_same_content_count_for_nothing(path: str) -> None:
    assert finished(Path())
    copy_as_dvc_does(path)
    assert finished(Path())
    assert starts() == 1
    with planned(Request(["all"])) as plan:
        assert plan.jobs == []


def edit(path: str, text: str = "edited") -> Callable[[], object]:
    return lambda: Path(path).write_text(text)


def keep_the_date(path: str) -> None:
    """Another content of the same size and date."""
    before = Path(path).stat()
    Path(path).write_text(Path(path).read_text().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[], object]] = {
    "a table": edit(TABLE),
    "a table and its date": lambda: keep_the_date(TABLE),
    "a result that others are made from": edit(SCORES),
    "a source": edit("words.txt"),
    "a setting": edit("config/config.yaml", CONFIG.replace("5", "6")),
    "a file beside the configuration": edit("config/new.yaml"),
    "a module": edit("clipn/module.py", "x = 1"),
    "a module and its date": lambda: keep_the_date("workflow/Snakefile"),
    "a new module": edit("clipn/new.py"),
    "no module": Path("clipn/module.py").unlink,
    "a rule": edit("workflow/Snakefile", SNAKEFILE.replace("cp", "cp -f")),
    "the profile": edit("workflow/profiles/default/profile.yaml", "cores: 1\nforceall: true\n"),
    "the stages": edit("dvc.yaml", f"{STAGES}# more"),
    "a file of records": edit(RECORDS, ""),
    "no file of records": Path(RECORDS).unlink,
    "no table": Path(TABLE).unlink,
    "no source": Path("words.txt").unlink,
    "no record": lambda: remove_record(Path(), TABLE),
    "another record": lambda: write_record(Path(), TABLE, read_records(Path())[SCORES]),
    "a job that has begun": lambda: record_file(Path(".snakemake/incomplete"), TABLE).write_text(""),
    "a run": lambda: Path(".snakemake/locks/0.input.lock").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_answer_is_noticed(change: str) -> None:
    assert finished(Path())
    Path(".snakemake/locks").mkdir(exist_ok=True)
    CHANGES[change]()
    assert not finished(Path())
    assert starts() == 1


class TestAsked:
    """What is no answer that everything is made."""

    def test_an_error_which_is_left_to_snakemake(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path(TABLE).write_text("edited")
        assert not finished(Path())
        assert capfd.readouterr().err == ""

    def test_a_workflow_that_cannot_be_read(self) -> None:
        Path("workflow/Snakefile").write_text("rule")
        assert not finished(Path())

    def test_a_result_of_which_it_is_unknown_what_it_was_made_from(self) -> None:
        record = read_records(Path())[TABLE]
        content = {**record.content, "input_checksums": {}}
        write_record(Path(), TABLE, type(record)(content, record.started, record.ended, record.sha256))
        assert not finished(Path())

    def test_a_run_that_was_killed(self) -> None:
        Path(".snakemake/locks").mkdir(exist_ok=True)
        Path(".snakemake/locks/0.input.lock").write_text("words.txt\n")
        assert not finished(Path())

    def test_an_edit_while_snakemake_is_asked(self) -> None:
        text = SNAKEFILE + "\nwith open('config/new.yaml', 'w') as file: file.write('edited')\n"
        Path("workflow/Snakefile").write_text(text)
        assert not finished(Path())

    @pytest.mark.parametrize("damaged", ["{", "3", '{"caller": 3, "files": [], "states": {}}'])
    def test_a_damaged_note_of_an_earlier_answer_is_none(self, damaged: str) -> None:
        assert finished(Path())
        Path(".snakemake/finished.json").write_text(damaged)
        assert finished(Path())
        assert starts() == 2

    @pytest.mark.parametrize("odd", [{"files": 3}, {"files": {TABLE: 3}}, {"states": None}, {"states": [3]}])
    def test_an_odd_answer_is_none(self, odd: dict[str, object]) -> None:
        assert finished(Path())
        answer = Path(".snakemake/finished.json")
        answer.write_text(json.dumps(json.loads(answer.read_text()) | odd))
        assert not finished(Path())


def test_a_repro_after_a_run_starts_snakemake_once() -> None:
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"]):
        subprocess.run(command, env=ENVIRONMENT | warm_path(), check=True)
    environment = {**ENVIRONMENT, **warm_path(), "PYTHONPATH": str(Path(module.__file__).parents[2])}
    shutil.rmtree("clipn")
    done = subprocess.run(["dvc", "repro"], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.count("finished: Snakemake has nothing to do") == 2
    assert starts() == 1
    Path("config/config.yaml").write_text("study: demo\nwords: 6\n")
    subprocess.run(["dvc", "repro"], env=environment, check=True, capture_output=True)
    assert starts() == 4
    Path("config/config.yaml").write_text("study: demo\nwords: 6 # a comment\n")
    subprocess.run(["dvc", "repro"], env=environment, check=True, capture_output=True)
    assert starts() == 5
