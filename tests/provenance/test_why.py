"""Why results would be rebuilt is said in the project's words."""

from pathlib import Path
from typing import Any

import pytest

from clipn.provenance.records import STALE
from clipn.provenance.snakemake import PlannedJob
from clipn.provenance.why import CONTENTS, UNKNOWN, reasons
from tests.helpers.planned_jobs import NEW, OLD, OUTPUT, OWN_EPOCHS, Project, job, texts
from tests.helpers.records import sha256, write_record


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


class TestParameters:
    """Which text was which parameter before is not written down."""

    @pytest.mark.parametrize(("name", "words"), CONTENTS.items())
    def test_those_that_hold_a_content(self, project: Project, name: str, words: str) -> None:
        project.change(OWN_EPOCHS)
        assert project.causes(before=texts("5"), now={name: "'10'"}) == [words]

    def test_several_at_once(self, project: Project) -> None:
        changes = OWN_EPOCHS | {("rules",): ["ctw"], ("logit_scale",): 50.0, ("resamples",): 5}
        project.change(changes)
        then = ["--epochs 5 --tokens 8", "--rule ctw --rule atd", "--prompts single --logit-scale 100.0", 1000]
        now = {
            "resamples": "5",
            "score": "'--prompts single --logit-scale 50.0'",
            "rules": "'--rule ctw'",
            "options": "'--epochs 10 --tokens 8'",
        }
        assert project.causes(before=texts(*then), now=now) == [
            "setting resamples: 1000 -> 5",
            "setting logit_scale: 100.0 -> 50.0",
            'setting rules: ["ctw", "atd"] -> ["ctw"]',
            "setting variants.learnable.epochs: 5 -> 10",
        ]

    def test_contents_beside_a_number(self, project: Project) -> None:
        now = {"pool": repr("b" * 64), "resamples": "500"}
        assert project.causes(before=texts("a" * 64, 1000), now=now) == ["the prompt pool", "resamples: 1000 -> 500"]

    def test_a_new_one_takes_no_others_text(self, project: Project) -> None:
        now = {"rules": "'--rule ctw --rule atd'", "methods": "'--method msp --method mcm'"}
        assert project.causes(before=texts("--method msp"), now=now) == [
            "rules: nothing -> --rule ctw --rule atd",
            "methods: nothing -> --method mcm",
        ]

    def test_code_is_paired_with_nothing_else(self, project: Project) -> None:
        project.record["params"] = [repr(OLD)]
        project.state.modules = {OLD: {"clipn.training.clipn": "1"}, NEW: {"clipn.training.clipn": "2"}}
        found = project.causes(before=texts(OLD, 1000), now={"code": repr(NEW), "resamples": "500"})
        assert found == ["module clipn/training/clipn.py", "resamples: 1000 -> 500"]
        assert project.causes(before=texts(1000), now={"code": repr(NEW), "resamples": "500"})[1:] == found[1:]

    def test_a_cause_of_two_is_told_once(self, project: Project) -> None:
        project.change({("variants", "learnable", "processes"): 2})
        then = texts("", "--processes 1")
        now = {"launcher": "'torchrun --nproc-per-node 2 --no-python '", "options": "'--processes 2'"}
        assert project.causes(before=then, now=now) == ["setting variants.learnable.processes: 1 -> 2"]

    def test_contents_of_two_are_told_once(self, project: Project) -> None:
        found = project.causes(before=texts("1", "2"), now={"record": "'3'", "content": "'4'"})
        assert found == ["its record in the registry", "the weight file"]


class TestCode:
    """The modules behind another fingerprint."""

    @pytest.fixture
    def modules(self, project: Project) -> Any:
        """Causes of a job whose code is another."""

        def causes(then: dict[str, str] | None, now: dict[str, str]) -> list[str]:
            project.record["params"] = [repr(OLD), "'--epochs 5'"]
            project.state.modules = ({OLD: then} if then else {}) | {NEW: now}
            return project.causes(before=texts(OLD), now={"code": repr(NEW)})

        return causes

    def test_a_module_is_named_by_its_file(self, modules: Any) -> None:
        then = {"clipn.model.clipn": "1", "clipn.losses": "2"}
        assert modules(then, then | {"clipn.losses": "3"}) == ["module clipn/losses.py"]

    def test_a_package_is_named_by_its_file(self, modules: Any) -> None:
        assert modules({"clipn.report": "1"}, {"clipn.report": "2"}) == ["module clipn/report/__init__.py"]

    def test_modules_that_were_added_and_removed(self, modules: Any) -> None:
        found = modules({"clipn.model.clipn": "1", "clipn.old": "2"}, {"clipn.model.clipn": "1", "clipn.data.new": "3"})
        assert found == ["module clipn/data/new.py", "module clipn/old.py"]

    def test_code_that_nobody_remembers(self, modules: Any) -> None:
        found = modules(None, {"clipn.model.clipn": "1"})
        assert found == [f"code: {OLD} -> {NEW}, made too long ago to name the module"]

    def test_another_fingerprint_of_the_same_modules(self, modules: Any) -> None:
        found = modules({"clipn.model.clipn": "1"}, {"clipn.model.clipn": "1"})
        assert found == [f"code: {OLD} -> {NEW}, the same modules"]

    def test_a_record_without_code(self, project: Project) -> None:
        project.state.modules = {NEW: {"clipn.model.clipn": "1"}}
        found = project.causes(now={"code": repr(NEW)})
        assert found == [f"code: unknown -> {NEW}, made too long ago to name the module"]


class TestFiles:
    """Inputs and outputs."""

    def test_another_content(self, project: Project) -> None:
        (project.root / "a.csv").write_text("new")
        project.record |= {"input": ["a.csv"], "input_checksums": {"a.csv": f"sha256:{sha256('old')}"}}
        found = project.causes(inputs=["a.csv"], newer=["a.csv"])
        assert found == [f"file a.csv: {sha256('old')[:12]} -> {sha256('new')[:12]}"]

    @pytest.mark.parametrize("checksums", [{}, {"a.csv": f"sha256:{sha256('new')}"}])
    def test_a_content_that_is_not_known_to_be_another(self, project: Project, checksums: dict[str, str]) -> None:
        (project.root / "a.csv").write_text("new")
        project.record |= {"input": ["a.csv"], "input_checksums": checksums}
        assert project.causes(inputs=["a.csv"], newer=["a.csv"]) == ["file a.csv: newer than what it made"]

    def test_a_newer_input_of_a_file_without_record(self, project: Project) -> None:
        found = project.causes(outputs=["other"], inputs=["a.csv"], newer=["a.csv"])
        assert found == ["file a.csv: newer than what it made"]

    def test_another_content_that_is_no_newer(self, project: Project) -> None:
        (project.root / "a").write_text("new")
        project.record |= {"input": ["a"], "input_checksums": {"a": f"sha256:{sha256('old')}"}}
        found = project.reason(job(inputs=["a"], follows=["b"]))
        assert found.causes == [f"file a: {sha256('old')[:12]} -> {sha256('new')[:12]}"]
        assert not found.can_be_accepted

    def test_other_inputs(self, project: Project) -> None:
        project.record |= {"input": ["a", "b", "c"], "input_checksums": {"z": "sha256:1"}}
        found = project.causes(inputs=["a", "d"])
        assert found == ["made from other files: also d", "made from other files: no longer b and 2 more"]

    def test_a_copy_of_another_study(self, project: Project) -> None:
        project.record |= {"input": [f"results/studies/real/figures/{name}" for name in "ab"]}
        own = [f"results/studies/demo/figures/{name}" for name in "abc"]
        assert project.causes(inputs=own[:2]) == ["made from files of study real"]
        assert len(project.causes(inputs=own)) == 2

    def test_the_same_inputs(self, project: Project) -> None:
        project.record |= {"input": ["a", "b"]}
        assert project.causes(inputs=["a", "b"], follows=["a"]) == []

    def test_missing_outputs(self, project: Project) -> None:
        assert project.causes(missing=["a"]) == ["not here: a"]
        assert project.causes(missing=["a", "b", "c"]) == ["not here: a and 2 more"]

    def test_a_job_without_record(self, project: Project) -> None:
        assert project.causes(outputs=["other"], missing=["other"], inputs=["a"]) == ["not here: other"]

    def test_the_record_of_any_output(self, project: Project) -> None:
        found = project.causes(outputs=["a.csv", OUTPUT], before=["'1'"], now={"device": "'2'"})
        assert found == ["device: 1 -> 2"]


class TestStale:
    """Snakemake knows another parameter of a stale record, and nothing of the input behind it."""

    THEN = sha256("old")

    @pytest.fixture(autouse=True)
    def stale(self, project: Project) -> None:
        """A record that is stale as its input is another one."""
        inputs = {"input": ["a"], "input_checksums": {"a": f"sha256:{self.THEN}"}}
        project.record |= {**inputs, "params": [repr(STALE)], "void": ["'--epochs 5'", "'cpu'"]}

    def planned(self, options: str = "--epochs 5", **fields: Any) -> PlannedJob:
        now = {"options": repr(options), "device": "'cpu'"}
        return job(inputs=["a"], before=[repr(STALE)], now=now, **fields)

    def test_an_input_that_is_here(self, project: Project) -> None:
        (project.root / "a").write_text("new")
        assert project.reason(self.planned()).causes == [f"file a: {self.THEN[:12]} -> {sha256('new')[:12]}"]

    def test_an_input_that_is_newer_too_is_named_once(self, project: Project) -> None:
        (project.root / "a").write_text("new")
        found = project.reason(self.planned(newer=["a"])).causes
        assert found == [f"file a: {self.THEN[:12]} -> {sha256('new')[:12]}"]

    @pytest.mark.parametrize(("known", "shown"), [(sha256("new"), sha256("new")[:12]), (None, "unknown")])
    def test_an_input_of_which_only_the_record_is_here(self, project: Project, known: str | None, shown: str) -> None:
        write_record(project.root, "a", sha256=known)
        assert project.reason(self.planned()).causes == [f"file a: {self.THEN[:12]} -> {shown}"]

    def test_changed_settings_beside_it(self, project: Project) -> None:
        project.change(OWN_EPOCHS)
        (project.root / "a").write_text("new")
        assert project.reason(self.planned("--epochs 10")).causes == [
            f"file a: {self.THEN[:12]} -> {sha256('new')[:12]}",
            "setting variants.learnable.epochs: 5 -> 10",
        ]

    def test_it_cannot_be_accepted(self, project: Project) -> None:
        (project.root / "a").write_text("new")
        assert not project.reason(self.planned()).can_be_accepted


class TestReasons:
    """Reasons as a whole."""

    def test_their_order(self, project: Project) -> None:
        (project.root / "a").write_text("new")
        project.record |= {"input": ["a"]}
        found = project.causes(
            incomplete=True,
            missing=[OUTPUT],
            newer=["a"],
            inputs=["a", "b"],
            reworded=True,
            before=texts("cpu"),
            now={"device": "'cuda'"},
        )
        assert found == [
            "its job was begun and not ended",
            f"not here: {OUTPUT}",
            "file a: newer than what it made",
            "made from other files: also b",
            "the command of the rule, in workflow/rules",
            "device: cpu -> cuda",
        ]

    def test_what_only_snakemake_can_tell(self, project: Project) -> None:
        assert project.causes() == [UNKNOWN]

    def test_one_for_every_job_in_the_order_of_the_plan(self, project: Project) -> None:
        jobs = [job(outputs=[name], missing=[name]) for name in ("b", "a")] + [job(follows=["a"])]
        project.reason(jobs[0])
        found = reasons(jobs, project.root)
        assert [reason.job for reason in found] == jobs
        assert [reason.causes for reason in found] == [["not here: b"], ["not here: a"], []]

    @pytest.mark.parametrize(
        ("fields", "accepted"),
        [
            ({"reworded": True}, True),
            ({"before": ["'1'"], "now": {"device": "'2'"}}, True),
            ({"follows": ["a"]}, True),
            ({"missing": [OUTPUT]}, False),
            ({"incomplete": True}, False),
            ({"newer": ["a"]}, False),
            ({"inputs": ["a", "b"]}, False),
            ({"inputs": []}, False),
            ({"newer": ["a"], "outputs": ["without record"]}, True),
            ({"missing": ["without record"], "outputs": ["without record"]}, False),
        ],
    )
    def test_only_settings_and_code_can_be_accepted(
        self, project: Project, fields: dict[str, Any], accepted: bool
    ) -> None:
        (project.root / "a").write_text("new")
        project.record |= {"input": ["a"]}
        assert project.reason(job(**{"inputs": ["a"]} | fields)).can_be_accepted is accepted
