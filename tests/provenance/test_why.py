"""Why results would be rebuilt is said in the project's words."""

from pathlib import Path
from typing import Any

import pytest

from clipn.provenance.records import STALE
from clipn.provenance.why import OLD_RECORD, REGROUPED, UNKNOWN, reasons
from clipn.study.snakemake import PlannedJob
from tests.helpers.planned_jobs import EPOCHS, NEW, OLD, OUTPUT, Project, contents, job, settings
from tests.helpers.records import sha256, write_record


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


class TestParameters:
    """Settings and contents are recorded with their keys, so that what changed is read off."""

    def test_a_setting(self, project: Project) -> None:
        then, now = settings({EPOCHS: 5, "device": "cpu"}), settings({EPOCHS: 10, "device": "cpu"})
        assert project.causes_of_change([then], {"options": now}) == [f"setting {EPOCHS}: 5 -> 10"]

    def test_several_settings_in_the_order_of_their_keys(self, project: Project) -> None:
        then = [settings({"rules": ["ctw", "atd"], "threads": 1}), settings({EPOCHS: 5})]
        now = {"one": settings({EPOCHS: 10}), "other": settings({"threads": 2, "rules": ["ctw"]})}
        assert project.causes_of_change(then, now) == [
            'setting rules: ["ctw", "atd"] -> ["ctw"]',
            "setting threads: 1 -> 2",
            f"setting {EPOCHS}: 5 -> 10",
        ]

    def test_a_setting_that_another_parameter_holds_now(self, project: Project) -> None:
        then, now = [settings({"threads": 1, EPOCHS: 5})], {"a": settings({"threads": 1}), "b": settings({EPOCHS: 5})}
        assert project.causes_of_change(then, now) == [REGROUPED]

    @pytest.mark.parametrize(
        ("then", "now", "shown"),
        [
            (None, 8, "none -> 8"),
            (False, True, "false -> true"),
            ("größe", "sun", "größe -> sun"),
            (["a"], [], '["a"] -> []'),
            ({"epochs": 12}, None, '{"epochs": 12} -> none'),
        ],
    )
    def test_values_of_all_kinds(self, project: Project, then: object, now: object, shown: str) -> None:
        found = project.causes_of_change([settings({"key": then})], {"options": settings({"key": now})})
        assert found == [f"setting key: {shown}"]

    def test_settings_that_are_new_or_gone(self, project: Project) -> None:
        found = project.causes_of_change([settings({"mirror": "m"})], {"options": settings({"threads": 1})})
        assert found == ["setting mirror: m -> nothing", "setting threads: nothing -> 1"]

    def test_contents(self, project: Project) -> None:
        then = contents({"the prompt pool": "a" * 64, "the word list": "b" * 64})
        now = contents({"the prompt pool": "c" * 64, "the word list": "b" * 64})
        assert project.causes_of_change([then], {"pool": now}) == ["the prompt pool"]

    def test_contents_come_after_settings_and_code_after_both(self, project: Project) -> None:
        project.state.modules = {OLD: {"clipn.losses": "1"}, NEW: {"clipn.losses": "2"}}
        then = [contents({"the prompt pool": 1}), settings({"threads": 1}), repr(OLD), "'cpu'"]
        now = {
            "code": repr(NEW),
            "pool": contents({"the prompt pool": 2}),
            "options": settings({"threads": 2}),
            "device": "'cuda'",
        }
        assert project.causes_of_change(then, now) == [
            "setting threads: 1 -> 2",
            "the prompt pool",
            "module clipn/losses.py",
            "parameter device: now 'cuda'",
            "parameter no longer given: 'cpu'",
        ]

    def test_parameters_without_keys(self, project: Project) -> None:
        assert project.causes_of_change([], {"device": "'cuda'"}) == ["parameter device: now 'cuda'"]
        assert project.causes_of_change(["'cpu'"], {}) == ["parameter no longer given: 'cpu'"]

    def test_a_record_of_an_older_version_did_not_name_its_settings(self, project: Project) -> None:
        project.state.modules = {OLD: {"clipn.losses": "1"}, NEW: {"clipn.losses": "2"}}
        then, now = ["'--epochs 5'", repr(OLD)], {"options": settings({EPOCHS: 5}), "code": repr(NEW)}
        assert project.causes_of_change(then, now) == [OLD_RECORD, "module clipn/losses.py"]


class TestCode:
    """The modules behind another fingerprint."""

    @pytest.fixture
    def modules(self, project: Project) -> Any:
        """Causes of a job whose code is another."""

        def causes(then: dict[str, str] | None, now: dict[str, str]) -> list[str]:
            project.state.modules = ({OLD: then} if then else {}) | {NEW: now}
            return project.causes_of_change([repr(OLD), "'--epochs 5'"], {"code": repr(NEW), "options": "'--epochs 5'"})

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
        found = project.causes(outputs=["a.csv", OUTPUT], now={"device": "'2'"})
        assert found == ["parameter device: now '2'"]


class TestStale:
    """Snakemake knows another parameter of a stale record, and nothing of the input behind it."""

    THEN = sha256("old")

    @pytest.fixture(autouse=True)
    def stale(self, project: Project) -> None:
        """A record that is stale as its input is another one."""
        inputs = {"input": ["a"], "input_checksums": {"a": f"sha256:{self.THEN}"}}
        project.record |= {**inputs, "params": [repr(STALE)], "void": [settings({EPOCHS: 5}), "'cpu'"]}

    def planned(self, epochs: int = 5, **fields: Any) -> PlannedJob:
        now = {"options": settings({EPOCHS: epochs}), "device": "'cpu'"}
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
        (project.root / "a").write_text("new")
        assert project.reason(self.planned(epochs=10)).causes == [
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
            command_changed=True,
            now={"device": "'cuda'"},
        )
        assert found == [
            "its job was begun and not ended",
            f"not here: {OUTPUT}",
            "file a: newer than what it made",
            "made from other files: also b",
            "the command of the rule, in workflow/rules",
            "parameter device: now 'cuda'",
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
            ({"command_changed": True}, True),
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
