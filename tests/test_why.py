"""Why results would be made anew is said in the project's words, and blamed on nothing that has no part in it."""

import copy
from pathlib import Path
from typing import Any

import pytest

from clipn.ledger import Ledger
from clipn.planned import PlannedJob
from clipn.settings import Variant
from clipn.why import CONTENTS, UNKNOWN, Reason, reasons
from tests.records import sha256, write_record

OUTPUT = "study/runs/tiny/learnable/seed1.safetensors"
OLD, NEW = "0123456789abcdef", "fedcba9876543210"
SETTINGS: dict[str, Any] = {
    "study": "demo",
    "threads": 1,
    "resamples": 1000,
    "mirror": None,
    "logit_scale": 100.0,
    "perturbation": 0.0014,
    "prompts": ["clipn128", "single"],
    "baselines": ["msp", "mcm"],
    "conventions": ["clipn"],
    "rules": ["ctw", "atd"],
    "cleaning": ["ninco"],
    "captions": {"sources": ["cc3m"], "repair": True, "shards": 4},
    "pairs": {"imagenet": ["sun", "places"], "cifar10": ["cifar100"]},
    "backbones": {"tiny": {"architecture": "tiny.json", "training": {"epochs": 12, "flip": False, "threads": 1}}},
    "variants": {
        "learnable": {"epochs": 5, "warmup_steps": 10, "prompts": 16, "tokens": None, "threads": 1, "processes": 1},
        "handcrafted": {"epochs": 5, "warmup_steps": 10, "prompts": 16, "tokens": None, "threads": 1, "processes": 1},
        "v1.5": {"epochs": 5},
        "v1": {"epochs": 5},
    },
    "runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [1]}],
}
Changes = dict[tuple[str, ...], Any]
OWN_EPOCHS: Changes = {("variants", "learnable", "epochs"): 10}


def job(*names: str, **fields: Any) -> PlannedJob:
    """A planned job with the values of its wildcards; by default, those of a run."""
    known = {"rule": "train_clipn", "outputs": [OUTPUT], "inputs": [], "names": frozenset(names or RUN)}
    return PlannedJob(**known | fields)


RUN = ("tiny", "learnable", "1")


class Project:
    """A folder with the record of one file, and what is known of its past."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger = Ledger(root)
        self.ledger.running = "now"
        self.record: dict[str, Any] = {"settings": "then"}
        self.change({})

    def change(self, changes: Changes) -> None:
        """Change settings after the record was made."""
        now = copy.deepcopy(SETTINGS)
        for (*above, name), value in changes.items():
            inner = now
            for key in above:
                inner = inner[key]
            inner[name] = value
        self.ledger.settings = {"then": SETTINGS, "now": now}

    def reason(self, planned: PlannedJob) -> Reason:
        """Why a job would run."""
        write_record(self.root, OUTPUT, **self.record)
        self.ledger.save()
        (reason,) = reasons([planned], self.root)
        return reason

    def causes(self, *names: str, **fields: Any) -> list[str]:
        """Causes of a job with the record."""
        return self.reason(job(*names, **fields)).causes


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def texts(*values: object) -> list[str]:
    """Parameters as Snakemake writes them down."""
    return sorted(map(repr, values))


class TestSettings:
    """The setting behind a changed parameter, and no other."""

    @pytest.fixture
    def blamed(self, project: Project) -> Any:
        """Causes of a job, one parameter of which has another value since settings changed."""

        def causes(changes: Changes, then: object, now: object, *names: str, name: str = "options") -> list[str]:
            project.change(changes)
            return project.causes(*names, before=texts(then), now={name: repr(now)})

        return causes

    def test_of_the_own_variant(self, blamed: Any) -> None:
        found = blamed(OWN_EPOCHS, "--epochs 5 --tokens 8", "--epochs 10 --tokens 8")
        assert found == ["setting variants.learnable.epochs: 5 -> 10"]

    def test_not_of_another_variant(self, blamed: Any) -> None:
        changes = OWN_EPOCHS | {("variants", "handcrafted", "epochs"): 10}
        assert blamed(changes, "--epochs 5", "--epochs 10") == ["setting variants.learnable.epochs: 5 -> 10"]

    @pytest.mark.parametrize("name", ["v1", "v1.5"])
    def test_of_a_variant_with_a_dot_in_its_name(self, blamed: Any, name: str) -> None:
        changes = {("variants", "v1", "epochs"): 10, ("variants", "v1.5", "epochs"): 10}
        found = blamed(changes, "--epochs 5", "--epochs 10", "tiny", name)
        assert found == [f"setting variants.{name}.epochs: 5 -> 10"]

    def test_of_any_variant_where_a_job_is_of_none(self, project: Project) -> None:
        changes = {("variants", "learnable", "tokens"): 8, ("variants", "handcrafted", "epochs"): 30}
        project.change(changes)
        fields = {"before": texts("tokens: all epochs: 5"), "now": {"ablations": "'tokens: 8 epochs: 30'"}}
        found = project.reason(PlannedJob("tables", [OUTPUT], [], frozenset(), **fields)).causes
        assert found == ["setting variants.handcrafted.epochs: 5 -> 30", "setting variants.learnable.tokens: none -> 8"]

    def test_of_the_backbone(self, blamed: Any) -> None:
        changes = {("backbones", "tiny", "training", "epochs"): 14}
        assert blamed(changes, "--epochs 12", "--epochs 14") == ["setting backbones.tiny.training.epochs: 12 -> 14"]

    def test_not_a_value_of_the_same_kind_that_another_option_has(self, blamed: Any) -> None:
        changes = OWN_EPOCHS | {("threads",): 10, ("variants", "learnable", "prompts"): 10}
        found = blamed(changes, "--prompts 16 --epochs 5 --threads 1", "--prompts 16 --epochs 10 --threads 1")
        assert found == ["setting variants.learnable.epochs: 5 -> 10"]

    def test_not_one_that_changed_in_the_same_way(self, blamed: Any) -> None:
        changes = {("resamples",): 500, ("captions", "shards"): 500}
        assert blamed(changes, 1000, 500, name="resamples") == ["setting resamples: 1000 -> 500"]

    def test_not_the_one_for_all_of_the_same_name(self, blamed: Any) -> None:
        changes = {("threads",): 2, ("variants", "learnable", "threads"): 2}
        found = blamed(changes, "--threads 1", "--threads 2")
        assert found == ["setting variants.learnable.threads: 1 -> 2"]

    def test_not_one_with_another_value_of_the_same_name(self, blamed: Any) -> None:
        changes = {("prompts",): ["nice", "single"], ("variants", "learnable", "prompts"): 4}
        found = blamed(changes, "--prompts clipn128", "--prompts nice")
        assert found == ['setting prompts: ["clipn128", "single"] -> ["nice", "single"]']

    def test_a_value_that_occurs_elsewhere_in_the_same_parameter(self, blamed: Any) -> None:
        found = blamed(OWN_EPOCHS, "--epochs 5 --warmup-steps 10", "--epochs 10 --warmup-steps 10")
        assert found == ["setting variants.learnable.epochs: 5 -> 10"]

    @pytest.mark.parametrize("between", ["", "--share 1.0 --learning-rate 0.001 "])
    def test_swapped_values(self, blamed: Any, between: str) -> None:
        changes = OWN_EPOCHS | {("variants", "learnable", "warmup_steps"): 5}
        found = blamed(changes, f"--epochs 5 {between}--warmup-steps 10", f"--epochs 10 {between}--warmup-steps 5")
        assert found == [
            "setting variants.learnable.epochs: 5 -> 10",
            "setting variants.learnable.warmup_steps: 10 -> 5",
        ]

    def test_a_list_that_grew(self, blamed: Any) -> None:
        changes = {("baselines",): ["msp", "mcm", "gen"]}
        found = blamed(changes, "--method msp --method mcm", "--method msp --method mcm --method gen", name="methods")
        assert found == ['setting baselines: ["msp", "mcm"] -> ["msp", "mcm", "gen"]']

    def test_a_list_that_shrank(self, blamed: Any) -> None:
        changes = {("baselines",): ["mcm"]}
        found = blamed(changes, "--method msp --method mcm", "--method mcm", name="methods")
        assert found == ['setting baselines: ["msp", "mcm"] -> ["mcm"]']

    def test_lists_that_grew_by_the_same_word(self, blamed: Any) -> None:
        changes = {("baselines",): ["msp", "mcm", "first"], ("conventions",): ["clipn", "first"]}
        methods = blamed(changes, "--method msp --method mcm", "--method msp --method mcm --method first")
        conventions = blamed(changes, "--convention clipn", "--convention clipn --convention first")
        assert methods == ['setting baselines: ["msp", "mcm"] -> ["msp", "mcm", "first"]']
        assert conventions == ['setting conventions: ["clipn"] -> ["clipn", "first"]']

    @pytest.mark.parametrize(
        ("then", "now"), [("--rule ctw --rule atd", "--rule atd --rule ctw"), (["ctw", "atd"], ["atd", "ctw"])]
    )
    def test_a_list_in_another_order(self, blamed: Any, then: object, now: object) -> None:
        found = blamed({("rules",): ["atd", "ctw"]}, then, now)
        assert found == ['setting rules: ["ctw", "atd"] -> ["atd", "ctw"]']

    def test_another_first_of_a_list(self, blamed: Any) -> None:
        found = blamed({("prompts",): ["single", "clipn128"]}, "clipn128", "single", name="prompts")
        assert found == ['setting prompts: ["clipn128", "single"] -> ["single", "clipn128"]']

    def test_a_list_that_is_empty_now_although_another_parameter_was_so_before(self, project: Project) -> None:
        project.change({("cleaning",): []})
        found = project.causes(before=texts("--cleaning ninco", "a" * 64), now={"in_place": repr("b" * 64)})
        assert found == ["the files that are read in place", 'setting cleaning: ["ninco"] -> []']

    def test_words_of_a_pair_that_moved_to_another(self, blamed: Any) -> None:
        changes = {("pairs", "imagenet"): ["sun"], ("pairs", "cifar10"): ["cifar100", "places"]}
        then = "--pair imagenet:sun,places --pair cifar10:cifar100"
        found = blamed(changes, then, "--pair imagenet:sun --pair cifar10:cifar100,places", name="pairs")
        assert found == [
            'setting pairs.cifar10: ["cifar100"] -> ["cifar100", "places"]',
            'setting pairs.imagenet: ["sun", "places"] -> ["sun"]',
        ]

    def test_not_the_pair_of_another_dataset(self, blamed: Any) -> None:
        changes = {("pairs", name): [*SETTINGS["pairs"][name], "lsun"] for name in ("imagenet", "cifar10")}
        then, now = ["cifar10", "cifar100"], ["cifar10", "cifar100", "lsun"]
        found = blamed(changes, then, now, "tiny", "cifar10", name="names")
        assert found == ['setting pairs.cifar10: ["cifar100"] -> ["cifar100", "lsun"]']

    @pytest.mark.parametrize("flip", [True, False])
    def test_a_switch(self, project: Project, flip: bool) -> None:
        before, now = ("--flip", "--no-flip") if not flip else ("--no-flip", "--flip")
        changed = copy.deepcopy(SETTINGS)
        changed["backbones"]["tiny"]["training"]["flip"] = True
        project.ledger.settings = {"then": SETTINGS, "now": changed}
        if not flip:
            project.ledger.settings = {"then": changed, "now": SETTINGS}
        found = project.causes(before=texts(f"{before} --crop 0.9"), now={"options": repr(f"{now} --crop 0.9")})
        shown = "false -> true" if flip else "true -> false"
        assert found == [f"setting backbones.tiny.training.flip: {shown}"]

    def test_an_option_that_only_begins_like_a_switch(self, blamed: Any) -> None:
        changes = {("variants", "learnable", "no_texts"): "learnable", ("captions", "repair"): False}
        found = blamed(changes, "--no-texts handcrafted", "--no-texts learnable")
        assert found == ["setting variants.learnable.no_texts: none -> learnable"]

    def test_a_value_that_was_none(self, blamed: Any) -> None:
        changes = {("variants", "learnable", "tokens"): 8}
        found = blamed(changes, "--epochs 5", "--epochs 5 --tokens 8")
        assert found == ["setting variants.learnable.tokens: none -> 8"]

    def test_a_value_that_was_none_and_is_no_option(self, blamed: Any) -> None:
        changes = {("mirror",): "/shared/archives"}
        found = blamed(changes, "study/mirror", "/shared/archives", name="place")
        assert found == ["setting mirror: none -> /shared/archives"]

    def test_an_option_that_is_called_otherwise(self, blamed: Any) -> None:
        changes = {("perturbation",): 0.002, ("logit_scale",): 0.002}
        found = blamed(changes, "--epsilon 0.0014 --logit-scale 50.0", "--epsilon 0.002 --logit-scale 50.0")
        assert found == ["setting perturbation: 0.0014 -> 0.002"]

    def test_a_text_of_several_lines(self, blamed: Any) -> None:
        then, now = (f"study: demo\nresamples: {number}\nthreads: 1\n" for number in (1000, 500))
        assert blamed({("resamples",): 500}, then, now, name="settings") == ["setting resamples: 1000 -> 500"]

    def test_a_path_that_is_not_english(self, blamed: Any) -> None:
        found = blamed({("cleaning",): ["größe"]}, "--cleaning ninco", "--cleaning größe", name="cleaning")
        assert found == ['setting cleaning: ["ninco"] -> ["größe"]']

    def test_a_variant_that_is_new(self, project: Project) -> None:
        changes = {
            ("variants", "long"): {"epochs": 30, "prompts": 16},
            ("runs",): [*SETTINGS["runs"], {"backbone": "tiny", "variant": "long", "seeds": [2]}],
        }
        project.change(changes)
        fields = {"before": texts("--variant learnable"), "now": {"shown": "'--variant learnable --variant long'"}}
        (cause,) = project.reason(PlannedJob("tables", [OUTPUT], [], frozenset(), **fields)).causes
        assert cause.startswith("setting runs: [")

    def test_a_part_that_is_new_is_not_written_out(self, blamed: Any) -> None:
        changes = {("backbones", "tiny", "training"): None}
        found = blamed(changes, "--epochs 12", "", name="options")
        assert found == ["setting backbones.tiny.training: given -> none"]

    @pytest.mark.parametrize("field", Variant.model_fields)
    def test_every_setting_of_a_variant_by_itself(self, project: Project, field: str) -> None:
        then, now = Variant().model_dump(), Variant().model_dump()
        now[field] = {int: 3, float: 0.25, str: "other", type(None): 3}[type(then[field])]
        settings = [{"threads": 1, "prompts": ["single"], "variants": {"learnable": fields}} for fields in (then, now)]
        project.ledger.settings = dict(zip(("then", "now"), settings, strict=True))
        before, after = (
            " ".join(f"--{name.replace('_', '-')} {value}" for name, value in fields.items() if value is not None)
            for fields in (then, now)
        )
        found = project.causes(before=texts(before), now={"options": repr(after)})
        old = "none" if then[field] is None else then[field]
        assert found == [f"setting variants.learnable.{field}: {old} -> {now[field]}"]


class TestNoSetting:
    """A changed parameter that no setting explains."""

    @pytest.mark.parametrize("unknown", ["then", "now"])
    def test_settings_that_are_not_known(self, project: Project, unknown: str) -> None:
        project.change(OWN_EPOCHS)
        del project.ledger.settings[unknown]
        found = project.causes(before=texts("--epochs 5 --tokens 8"), now={"options": "'--epochs 10 --tokens 8'"})
        assert found == ["options: --epochs 5 -> --epochs 10"]

    def test_a_record_without_settings(self, project: Project) -> None:
        project.record = {"settings": None}
        assert project.causes(before=texts("cpu"), now={"device": "'cuda'"}) == ["device: cpu -> cuda"]

    def test_settings_that_have_no_part_in_it(self, project: Project) -> None:
        project.change({("resamples",): 500})
        assert project.causes(before=texts("cpu"), now={"device": "'cuda'"}) == ["device: cpu -> cuda"]

    def test_a_parameter_that_is_new(self, project: Project) -> None:
        assert project.causes(now={"device": "'cuda'"}) == ["device: nothing -> cuda"]

    def test_a_parameter_that_became_empty(self, project: Project) -> None:
        assert project.causes(before=texts("--all"), now={"options": "''"}) == ["options: --all true -> nothing"]

    def test_a_parameter_that_is_gone(self, project: Project) -> None:
        assert project.causes(before=texts("--rule ctw")) == ["no longer given: --rule ctw"]

    def test_words_in_another_order(self, project: Project) -> None:
        found = project.causes(before=texts(["a", "b"]), now={"names": "['b', 'a']"})
        assert found == ["names: a b -> b a"]


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
        project.ledger.modules = {OLD: {"clipn.train": "1"}, NEW: {"clipn.train": "2"}}
        found = project.causes(before=texts(OLD, 1000), now={"code": repr(NEW), "resamples": "500"})
        assert found == ["module clipn/train.py", "resamples: 1000 -> 500"]
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
            project.ledger.modules = ({OLD: then} if then else {}) | {NEW: now}
            return project.causes(before=texts(OLD), now={"code": repr(NEW)})

        return causes

    def test_a_module_is_named_by_its_file(self, modules: Any) -> None:
        then = {"clipn.model": "1", "clipn.losses": "2"}
        assert modules(then, then | {"clipn.losses": "3"}) == ["module clipn/losses.py"]

    def test_a_package_is_named_by_its_file(self, modules: Any) -> None:
        assert modules({"clipn.report": "1"}, {"clipn.report": "2"}) == ["module clipn/report/__init__.py"]

    def test_modules_that_were_added_and_removed(self, modules: Any) -> None:
        found = modules({"clipn.model": "1", "clipn.old": "2"}, {"clipn.model": "1", "clipn.data.new": "3"})
        assert found == ["module clipn/data/new.py", "module clipn/old.py"]

    def test_code_that_nobody_remembers(self, modules: Any) -> None:
        found = modules(None, {"clipn.model": "1"})
        assert found == [f"code: {OLD} -> {NEW}, made too long ago to name the module"]

    def test_another_fingerprint_of_the_same_modules(self, modules: Any) -> None:
        found = modules({"clipn.model": "1"}, {"clipn.model": "1"})
        assert found == [f"code: {OLD} -> {NEW}, the same modules"]

    def test_a_record_without_code(self, project: Project) -> None:
        project.ledger.modules = {NEW: {"clipn.model": "1"}}
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
