"""A changed parameter is blamed on the setting behind it, and on nothing that has no part in it."""

from pathlib import Path
from typing import Any

import pytest

from clipn.provenance.snakemake import PlannedJob
from clipn.training.settings import Variant
from tests.helpers.planned_jobs import OUTPUT, OWN_EPOCHS, SETTINGS, Changes, Project, texts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


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

    @pytest.mark.parametrize(
        ("then", "now", "shown"), [("--no-flip", "--flip", "false -> true"), ("--flip", "--no-flip", "true -> false")]
    )
    def test_a_switch(self, project: Project, then: str, now: str, shown: str) -> None:
        flip = ("backbones", "tiny", "training", "flip")
        project.change(now={flip: now == "--flip"}, then={flip: then == "--flip"})
        found = project.causes(before=texts(f"{then} --crop 0.9"), now={"options": repr(f"{now} --crop 0.9")})
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
        project.state.settings = dict(zip(("then", "now"), settings, strict=True))
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
        del project.state.settings[unknown]
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
