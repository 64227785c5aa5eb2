"""Which files belong to a stage of dvc.yaml."""

from pathlib import Path

import pytest
import yaml

from clipn.errors import ClipnError
from clipn.provenance.stages import Stage, load_stages
from tests.helpers.project import ROOT
from tests.helpers.records import STAGES, files_of


@pytest.fixture
def stages(tmp_path: Path) -> list[Stage]:
    (tmp_path / "dvc.yaml").write_text(STAGES)
    return load_stages(tmp_path, "demo")


def error_of(root: Path) -> str:
    with pytest.raises(ClipnError) as caught:
        load_stages(root, "demo")
    return str(caught.value)


def test_stages_are_in_the_order_of_the_file(stages: list[Stage]) -> None:
    assert [stage.name for stage in stages] == ["data", "report"]


def test_outputs_are_those_of_the_study_and_metrics_are_among_them(stages: list[Stage]) -> None:
    assert stages[1].outputs == [
        "results/studies/demo/provenance/report.jsonl",
        "results/studies/demo/figures",
        "results/studies/demo/tables/x.csv",
        "results/tables/x.csv",
    ]


def test_every_stage_has_a_file_of_records(stages: list[Stage]) -> None:
    assert [stage.records for stage in stages] == [
        "results/studies/demo/provenance/data.jsonl",
        "results/studies/demo/provenance/report.jsonl",
    ]


def test_folders_are_the_outputs_without_an_ending(stages: list[Stage]) -> None:
    assert [stage.folders for stage in stages] == [
        ["results/studies/demo/archives", "results/studies/demo/datasets"],
        ["results/studies/demo/figures"],
    ]


def test_every_file_belongs_to_one_stage(stages: list[Stage]) -> None:
    owners = [[stage.name for stage in stages if stage.has(path)] for path in files_of("demo")]
    assert owners == [["data"], ["data"], ["data"], ["data"], ["report"], ["report"]]


@pytest.mark.parametrize(
    "path",
    [
        "results/studies/demo/archives_of_others/sun.tar",
        "results/studies/demo/tables/x.csv.md",
        "results/studies/other/archives/sun.tar",
        "archives/sun.tar",
    ],
)
def test_files_beside_the_outputs_belong_to_no_stage(stages: list[Stage], path: str) -> None:
    assert not any(stage.has(path) for stage in stages)


def test_copies_that_no_stage_names_belong_to_that_of_their_originals(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(STAGES)
    home = "results/studies/demo"
    made = [f"{home}/figures/x.png", "results/figures/x.png", f"{home}/tables/x.csv", "results/tables/x.csv"]
    stages = load_stages(tmp_path, "demo", made)
    assert [[stage.name for stage in stages if stage.has(path)] for path in made] == [["report"]] * 4
    assert [stage.copies for stage in stages] == [[], ["results/figures/x.png"]]


def test_files_deep_in_a_folder_belong_to_its_stage(stages: list[Stage]) -> None:
    assert stages[0].has("results/studies/demo/datasets/sun/images/1.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "stages:", "stages: [data]", "stages: {data: }", "outs: []"])
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.yaml").write_text(text)
    assert error_of(tmp_path).startswith("dvc.yaml: cannot be read (")
    assert error_of(tmp_path).endswith("); restore it with `git checkout dvc.yaml`")


def test_a_missing_file(tmp_path: Path) -> None:
    assert error_of(tmp_path).endswith("; restore it with `git checkout dvc.yaml`")


@pytest.mark.parametrize("outs", [None, [], ["results/studies/${study}/provenance/other.jsonl"]])
def test_a_stage_without_a_file_of_records_is_none_of_ours(tmp_path: Path, outs: list[str] | None) -> None:
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"data": {"outs": outs}}}))
    assert load_stages(tmp_path, "demo") == []


def test_no_output_of_the_project_belongs_to_two_stages() -> None:
    stages = load_stages(ROOT, "demo")
    outputs = [path for stage in stages for path in stage.outputs]
    assert len(outputs) > 50
    for path in outputs:
        assert len([stage.name for stage in stages if stage.has(path)]) == 1, path


def test_every_stage_of_the_project_has_a_file_of_records() -> None:
    names = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert [stage.name for stage in load_stages(ROOT, "demo")] == list(names)
