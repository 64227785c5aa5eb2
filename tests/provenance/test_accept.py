"""A person's word for results whose settings or code have changed: what it covers, what it refuses, what it leaves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from clipn.errors import ClipnError
from clipn.provenance.accept import WITHOUT_RECORD, accept
from clipn.provenance.records import JobRecord, read_records
from clipn.provenance.stage_files import read_stage_records
from clipn.study.rules.parameters import settings_of
from clipn.study.snakemake import Mode, Request, planned
from tests.helpers.project import ENVIRONMENT, warm_path
from tests.helpers.records import record_file, sha256

pytestmark = pytest.mark.workflow

SNAKEFILE = """
configfile: "config.yaml"

from clipn.study.snakemake import Mode
from clipn.study.snakemake import mode_of
from clipn.study.rules.parameters import settings_of
with open("modes", "a") as modes:
    modes.write(f"{mode_of(workflow).value} ")

rule count:
    input: "words.txt", config["notes"]
    output: "count.txt", "count.log"
    params: options=settings_of({"words": config["words"]})
    shell: "cat {input} | tee {output} > /dev/null"

rule table:
    input: "count.txt", "results/studies/demo/names.txt"
    output: "table.csv"
    params: title=settings_of({"title": config["title"]})
    shell: "cat {input} > {output}"
"""
CONFIG = "words: 5\ntitle: Old\nnotes: [notes.txt]\n"
COUNT = ["count.log", "count.txt"]
LARGE = "large " * 200_000
"""More than Snakemake hashes."""
NAMES = "results/studies/demo/names.txt"
FILES = {"config.yaml": CONFIG, "words.txt": LARGE, "notes.txt": "notes", NAMES: "names", "more.txt": "more"}
CHECK = """
from pathlib import Path
from clipn.fingerprint import Fingerprints
from clipn.provenance.check import CheckedStudy, check_outputs
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState

study = CheckedStudy("demo", ["count.txt", "count.log", "table.csv"])
check_outputs(study, HashCache(Path()), RunState(Path()), Fingerprints(), mode_of(workflow))
"""
RECORDS = Path("results/studies/demo/provenance/all.jsonl")
STAGES = f"""
stages:
  all:
    cmd: snakemake table.csv
    outs: [{RECORDS}, count.txt, count.log, table.csv]
"""
TABLE = Request(["table.csv"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which Snakemake has made everything."""
    root = tmp_path_factory.mktemp("finished")
    for name, text in (FILES | {"workflow/Snakefile": SNAKEFILE}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    command = ["snakemake", "--cores", "1", *TABLE.targets]
    subprocess.run(command, cwd=root, env=ENVIRONMENT | warm_path(), check=True, capture_output=True)
    return root


@pytest.fixture(autouse=True)
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project, in which the test runs."""
    root = shutil.copytree(finished, tmp_path / "project")
    (root / "modes").unlink()
    monkeypatch.chdir(root)
    return root


def change(old: str, new: str) -> None:
    text = Path("config.yaml").read_text()
    assert old in text
    Path("config.yaml").write_text(text.replace(old, new))


def still_planned() -> list[str]:
    with planned(TABLE) as plan:
        return [job.rule for job in plan.jobs]


def record(path: str) -> JobRecord:
    return read_records(Path())[path]


def accept_table() -> dict[str, list[str]]:
    return accept(TABLE, Path())


def refused(message: str) -> None:
    """Accepting is refused, and no record is changed by it."""
    before = read_records(Path())
    with pytest.raises(ClipnError, match=message):
        accept_table()
    assert read_records(Path()) == before


def test_nothing_to_accept() -> None:
    before = read_records(Path())
    assert accept_table() == {}
    assert read_records(Path()) == before


class TestAccepted:
    """What a person may vouch for."""

    def test_a_changed_parameter(self) -> None:
        change("words: 5", "words: 6")
        causes = ["setting words: 5 -> 6"]
        assert accept_table() == dict.fromkeys(COUNT, causes)
        assert still_planned() == []
        assert [record(path).accepted for path in (*COUNT, "table.csv")] == [tuple(causes), tuple(causes), ()]
        assert record("count.txt").parameters == [repr(settings_of({"words": 6}))]

    def test_the_record_holds_the_hashes_of_the_file_and_of_all_inputs(self) -> None:
        change("words: 5", "words: 6")
        assert set(record("count.txt").hashes) == {"notes.txt"}
        accept_table()
        assert record("count.txt").hashes == {"words.txt": sha256(LARGE), "notes.txt": sha256("notes")}
        assert record("count.txt").sha256 == sha256(f"{LARGE}notes")

    def test_files_stay_as_they_are(self) -> None:
        change("words: 5", "words: 6")
        before = {path: (Path(path).read_text(), Path(path).stat().st_mtime_ns) for path in (*COUNT, "table.csv")}
        accept_table()
        assert {path: (Path(path).read_text(), Path(path).stat().st_mtime_ns) for path in before} == before

    def test_changes_of_a_job_and_of_one_that_follows_it(self) -> None:
        change("words: 5", "words: 6")
        change("title: Old", "title: New")
        words, title = ["setting words: 5 -> 6"], ["setting title: Old -> New"]
        assert accept_table() == {"count.log": words, "count.txt": words, "table.csv": title}
        assert still_planned() == []

    def test_a_file_without_record(self) -> None:
        record_file(Path(".snakemake/metadata"), "table.csv").unlink()
        assert accept_table() == {"table.csv": [WITHOUT_RECORD]}
        assert record("table.csv").accepted == (WITHOUT_RECORD,)
        assert record("table.csv").hashes == {"count.txt": sha256(f"{LARGE}notes"), NAMES: sha256("names")}
        assert still_planned() == []

    def test_a_file_without_record_that_is_older_than_its_inputs(self) -> None:
        record_file(Path(".snakemake/metadata"), "table.csv").unlink()
        Path(NAMES).touch()
        assert still_planned() == ["table"]
        assert accept_table() == {"table.csv": [WITHOUT_RECORD]}
        assert still_planned() == []

    def test_files_of_which_there_is_neither_record_nor_file_are_left_out(self) -> None:
        Path("count.log").unlink()
        record_file(Path(".snakemake/metadata"), "count.log").unlink()
        assert accept_table() == {}

    def test_all_changes_since_the_job_ran_are_kept(self) -> None:
        for number in (6, 7):
            change(f"words: {number - 1}", f"words: {number}")
            accept_table()
        assert record("count.txt").accepted == ("setting words: 5 -> 6", "setting words: 6 -> 7")


class TestRefused:
    """What must be re-run."""

    def test_a_changed_input(self) -> None:
        Path("notes.txt").write_text("other")
        then, now = sha256("notes")[:12], sha256("other")[:12]
        refused(rf"^count\.txt: file notes\.txt: {then} -> {now}; only changes of settings and code can be accepted")

    def test_a_changed_input_although_a_parameter_changed_too(self) -> None:
        Path("notes.txt").write_text("other")
        change("words: 5", "words: 6")
        refused(r"^count\.txt: file notes\.txt: ")

    def test_a_changed_input_behind_a_changed_parameter(self) -> None:
        change("words: 5", "words: 6")
        Path(NAMES).write_text("other")
        refused(rf"^table\.csv: file {NAMES}: ")

    def test_another_set_of_inputs(self) -> None:
        change("[notes.txt]", "[notes.txt, more.txt]")
        refused(r"^count\.txt: made from other files: also more\.txt; ")

    def test_a_missing_file(self) -> None:
        Path("table.csv").unlink()
        refused(r"^table\.csv: not here: table\.csv; ")

    def test_a_missing_file_behind_a_changed_parameter(self) -> None:
        change("words: 5", "words: 6")
        Path("table.csv").unlink()
        refused(r"^table\.csv: not here: table\.csv; ")

    def test_a_killed_job(self) -> None:
        record_file(Path(".snakemake/incomplete"), "table.csv").write_text("{}")
        refused(r"^table\.csv: its job was begun and not ended; ")

    def test_a_target_that_nobody_can_make(self) -> None:
        with pytest.raises(ClipnError, match=r"^snakemake: No rule to produce tabel\.csv"):
            accept(Request(["tabel.csv"]), Path())


class TestMode:
    """The check of all results lets files without record pass while a person vouches for them, and no longer."""

    def modes(self) -> list[Mode]:
        """The modes of all checks, in order."""
        return [Mode(int(value)) for value in Path("modes").read_text().split()]

    def test_all_checks_of_an_acceptance(self) -> None:
        change("words: 5", "words: 6")
        accept_table()
        assert self.modes() == [Mode.ACCEPT | Mode.DRY_RUN] * 2 + [Mode.ACCEPT]
        still_planned()
        assert self.modes()[3:] == [Mode.DRY_RUN]

    def test_it_ends_with_a_failure(self) -> None:
        Path("notes.txt").write_text("other")
        refused("notes")
        assert self.modes() == [Mode.ACCEPT | Mode.DRY_RUN]
        still_planned()
        assert self.modes()[1:] == [Mode.DRY_RUN]

    def test_it_ends_with_a_workflow_that_ends_the_run(self) -> None:
        Path("workflow/Snakefile").write_text("raise SystemExit('error: no')")
        with pytest.raises(SystemExit):
            accept_table()
        Path("workflow/Snakefile").write_text(SNAKEFILE)
        still_planned()
        assert self.modes() == [Mode.DRY_RUN]


class TestRecordFiles:
    """The records that travel say what was accepted, once all of it is."""

    @pytest.fixture(autouse=True)
    def checked(self, project: Path) -> None:
        """A project whose workflow checks all results."""
        Path("dvc.yaml").write_text(STAGES)
        Path("workflow/Snakefile").write_text(SNAKEFILE + CHECK)

    def accepted(self) -> dict[str, tuple[str, ...]]:
        return {path: found.accepted for path, found in read_stage_records(RECORDS).records.items() if found.accepted}

    def test_they_say_what_was_accepted(self) -> None:
        change("words: 5", "words: 6")
        accept_table()
        assert self.accepted() == dict.fromkeys(COUNT, ("setting words: 5 -> 6",))

    def test_a_refusal_after_something_was_accepted_writes_none(self) -> None:
        Path("count.txt").write_text("edited before anyone hashed it")
        change("words: 5", "words: 6")
        before = {path: found.accepted for path, found in read_records(Path()).items()}
        with pytest.raises(ClipnError, match=r"^table\.csv: file count\.txt: newer than what it made; "):
            accept_table()
        assert {path: found.accepted for path, found in read_records(Path()).items()} == before
        assert Path("modes").read_text().split() == [str((Mode.ACCEPT | Mode.DRY_RUN).value)] * 2
        assert not RECORDS.exists()

    def test_a_failure_at_the_end_leaves_them_as_they_are(self) -> None:
        with planned(TABLE, Mode.CHECK):
            before, records = RECORDS.read_bytes(), read_records(Path())
        change("words: 5", "words: 6")
        last = "if Mode.DRY_RUN not in mode_of(workflow): raise SystemExit('no')"
        Path("workflow/Snakefile").write_text(f"{SNAKEFILE}\n{last}\n{CHECK}")
        with pytest.raises(SystemExit, match=r"^no$"):
            accept_table()
        assert (RECORDS.read_bytes(), read_records(Path())) == (before, records)
