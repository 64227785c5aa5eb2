"""A study that was renamed keeps its results, but for those that say its name."""

import shutil
import subprocess
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.provenance.accept import WITHOUT_RECORD, accept
from clipn.provenance.records import JobRecord, read_records
from clipn.provenance.renamed import renamed_records
from clipn.provenance.stage_files import read_stage_records
from clipn.provenance.state.hash_cache import HashCache
from clipn.study.snakemake import Request, planned
from tests.helpers.project import ENVIRONMENT, warm_path
from tests.helpers.records import sha256

pytestmark = pytest.mark.workflow

SNAKEFILE = """
from pathlib import Path
from clipn.fingerprint import Fingerprints
from clipn.provenance.check import CheckedStudy, check_outputs
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.study.rules.parameters import settings_of
from clipn.study.snakemake import mode_of

configfile: "config.yaml"
HOME = "results/studies/" + config["study"]
OUTPUTS = [HOME + "/scores.txt", HOME + "/table.csv", "results/table.csv"]

def check():
    study = CheckedStudy(config["study"], OUTPUTS)
    check_outputs(study, HashCache(Path()), RunState(Path()), Fingerprints(), mode_of(workflow))

if workflow.is_main_process:
    check()

onsuccess:
    check()

rule all:
    input: OUTPUTS

rule scores:
    input: "words.txt"
    output: HOME + "/scores.txt"
    params: options=settings_of({"words": config["words"]})
    shell: "cp {input} {output}"

rule table:
    input: HOME + "/scores.txt"
    output: HOME + "/table.csv"
    params: options=settings_of({"study": config["study"]})
    shell: "(echo {config[study]}; cat {input}) > {output}"

rule publish:
    input: HOME + "/table.csv"
    output: "results/table.csv"
    shell: "cp {input} {output}"
"""
STAGES = """
stages:
  all:
    cmd: snakemake all
    outs:
      - results/studies/${study}/provenance/all.jsonl
      - results/studies/${study}/scores.txt
      - results/studies/${study}/table.csv
      - results/table.csv
"""
FILES = {
    "config.yaml": "study: old\nwords: 5\n",
    "words.txt": "words",
    "dvc.yaml": STAGES,
    "workflow/Snakefile": SNAKEFILE,
}
SCORES, TABLE = "results/studies/new/scores.txt", "results/studies/new/table.csv"
TAKEN_OVER = {path: ["made as study old"] for path in (SCORES, TABLE)}
EVERYTHING = Request(["all"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which Snakemake has made everything."""
    root = tmp_path_factory.mktemp("finished")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    run(root)
    return root


@pytest.fixture(autouse=True)
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it in which the study has another name."""
    root = shutil.copytree(finished, tmp_path / "project")
    monkeypatch.chdir(root)
    Path("results/studies/old").rename("results/studies/new")
    Path("config.yaml").write_text("study: new\nwords: 5\n")
    return root


def run(root: Path) -> None:
    subprocess.run(
        ["snakemake", "--cores", "1", "all"], cwd=root, env=ENVIRONMENT | warm_path(), check=True, capture_output=True
    )


def still_planned() -> list[str]:
    with planned(EVERYTHING) as plan:
        return [job.rule for job in plan.jobs]


def accept_all() -> dict[str, list[str]]:
    return accept(EVERYTHING, Path())


def test_without_a_word_nothing_is_trusted() -> None:
    with pytest.raises(ClipnError, match="no record says how this was made"):
        still_planned()


def test_only_what_says_the_name_is_re_run() -> None:
    assert accept_all() == TAKEN_OVER
    assert still_planned() == ["table", "publish"]
    before = Path(SCORES).stat()
    run(Path())
    assert Path("results/table.csv").read_text() == "new\nwords"
    assert Path(SCORES).stat().st_mtime_ns == before.st_mtime_ns
    assert still_planned() == []


def test_the_records_say_so_and_travel() -> None:
    accept_all()
    for records in (read_records(Path()), read_stage_records(Path("results/studies/new/provenance/all.jsonl")).records):
        assert records[SCORES].accepted == records[TABLE].accepted == ("made as study old",)
        assert records[TABLE].hashes == {SCORES: sha256("words")}
        assert records[TABLE].inputs == [SCORES]
        assert records[SCORES].shell == "cp words.txt results/studies/old/scores.txt"


def test_in_a_clone_too() -> None:
    shutil.rmtree(".snakemake")
    assert accept_all()[SCORES] == ["made as study old"]
    assert still_planned() == ["table", "publish"]


def test_a_second_word_changes_nothing() -> None:
    accept_all()
    before = read_records(Path())
    assert accept_all() == {}
    assert read_records(Path()) == before


def test_a_copied_study_is_taken_over_like_a_renamed_one() -> None:
    shutil.copytree("results/studies/new", "results/studies/old")
    assert accept_all() == TAKEN_OVER
    assert still_planned() == ["table", "publish"]


def test_a_setting_that_was_changed_with_the_name_is_accepted_by_its_name() -> None:
    Path("config.yaml").write_text("study: new\nwords: 6\n")
    accepted = accept_all()
    assert accepted[SCORES] == ["setting words: 5 -> 6"]
    assert read_records(Path())[SCORES].accepted == ("made as study old", "setting words: 5 -> 6")
    assert still_planned() == ["table", "publish"]


def test_an_edited_file_is_no_file_of_the_old_study() -> None:
    Path(SCORES).write_text("other")
    accepted = accept_all()
    assert accepted[SCORES] == [WITHOUT_RECORD]


def test_another_input_is_refused_and_nothing_stays_of_what_was_taken_over() -> None:
    Path("words.txt").write_text("other words")
    before = read_records(Path())
    with pytest.raises(ClipnError, match=r"^results/studies/new/scores\.txt: file words\.txt: "):
        accept_all()
    assert read_records(Path()) == before


def test_inputs_of_a_third_study_keep_their_names() -> None:
    inputs = ["results/studies/old/a", "results/studies/third/b", "words.txt"]
    checksums = dict.fromkeys(inputs, "sha256:0")
    record = JobRecord({"rule": "join", "input": inputs, "input_checksums": checksums}, sha256=sha256("words"))
    path = "results/studies/new/x"
    Path(path).write_text("words")
    (found,) = renamed_records([path], {"results/studies/old/x": record}, HashCache(Path())).values()
    assert found.inputs == ["results/studies/new/a", *inputs[1:]]
    assert sorted(found.hashes) == sorted(found.inputs)
