"""A study that extends another: what it may say, which files both share, and what is refused."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config

from clipn.errors import ClipnError
from clipn.provenance.stages import load_stages
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.figures import figure_names
from clipn.study.loading import EXTENDED, ablations, load_study, merged, study_files
from clipn.study.names import RunName, Scoring
from clipn.study.paths import StudyPaths
from clipn.study.targets import all_files, checkpoints, data_files, feature_files, report_files
from clipn.study.word_lists import word_files
from tests.helpers.project import ROOT
from tests.helpers.studies import GENERATED

BASE = {key: value for key, value in GENERATED.items() if key != "study"}
RUNS = [
    {"backbone": "tiny", "variant": "learnable", "seeds": [2], "shared": True},
    {"backbone": "tiny", "variant": "short", "seeds": [1]},
]
MORE = {"extends": "base", "variants": {"short": {"epochs": 1}}, "runs": RUNS, "ablations": ["short"], "resamples": 7}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the study `base`."""
    monkeypatch.chdir(tmp_path)
    for file in ("config/studies/base.yaml", "config/architectures/tiny.json"):
        Path(file).parent.mkdir(parents=True)
        Path(file).write_text(yaml.safe_dump(BASE, sort_keys=False))
    return tmp_path


def write(name: str, settings: dict[str, Any]) -> str:
    path = Path(f"config/studies/{name}.yaml")
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return str(path)


def extending(**changes: Any) -> Study:
    write("more", MORE | changes)
    return load_study("more")


@pytest.mark.usefixtures("project")
def test_it_is_the_other_study_with_its_own_variants_and_runs() -> None:
    more, base = extending(), load_study("base")
    assert study_files("base") == ["config/studies/base.yaml"]
    assert study_files("more") == ["config/studies/base.yaml", "config/studies/more.yaml"]
    assert (more.study, more.extends, base.extends) == ("more", "base", None)
    assert list(more.variants) == ["learnable", "handcrafted", "short"]
    assert [run.variant for run in more.runs] == ["learnable", "short"]
    assert (more.resamples, base.resamples) == (7, 1000)
    theirs = set(Study.model_fields) - EXTENDED - {"study"}
    assert {name: getattr(more, name) for name in theirs} == {name: getattr(base, name) for name in theirs}


@pytest.mark.usefixtures("project")
def test_it_may_be_the_active_study() -> None:
    write("more", MORE)
    Path("config/config.yaml").write_text("study: more\nthreads: 3\n")
    assert (load_study().study, load_study().threads) == ("more", 3)


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2], "d": 3}, "e": 4}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}),
        ({"a": {"b": 1}}, {"a": 2}),
        ({"a": 1}, {}),
        ({}, {"a": {"b": 1}}),
    ],
)
def test_settings_are_laid_over_each_other_as_snakemake_does(below: dict[str, Any], above: dict[str, Any]) -> None:
    expected = deepcopy(below)
    update_config(expected, above)
    before = deepcopy((below, above))
    assert merged(below, above) == expected
    assert (below, above) == before


# Files


@pytest.fixture
def paths(project: Path) -> StudyPaths:
    more = extending()
    return StudyPaths(more, StudyData(more))


THEIRS, OURS = "results/studies/base", "results/studies/more"


def test_data_backbones_and_features_are_those_of_the_other_study(paths: StudyPaths) -> None:
    shared = [
        *data_files(paths),
        paths.backbone("tiny"),
        paths.caption_features("tiny"),
        paths.caption_images("tiny", 0),
        paths.features("tiny", "sun"),
        paths.word_features("neglabel", "tiny", "imagenet"),
        paths.perturbed_features("tiny", "imagenet"),
        paths.local_features("tiny", "imagenet"),
        *paths.registries("sun"),
        *word_files(paths),
    ]
    assert {path for path in shared if not path.startswith(f"{THEIRS}/")} == set()


def test_runs_are_its_own_unless_they_are_shared(paths: StudyPaths) -> None:
    assert checkpoints(paths) == [
        f"{THEIRS}/runs/tiny/learnable/seed2.safetensors",
        f"{OURS}/runs/tiny/short/seed1.safetensors",
    ]
    assert paths.run(RunName("tiny", "learnable", 1), "csv") == f"{OURS}/runs/tiny/learnable/seed1.csv"
    pattern = "results/studies/{study}/runs/{backbone}/{variant}/seed{seed}.csv"
    assert paths.run_pattern("csv") == pattern
    run = RunName("tiny", "learnable", 2)
    assert paths.run(run, "csv") == pattern.format(study="base", **run._asdict())


def test_what_is_measured_and_shown_is_its_own(paths: StudyPaths) -> None:
    own = [path for path in feature_files(paths) if "/features/" not in path]
    assert paths.classifiers("tiny") in own
    assert paths.scores(Scoring("tiny", "learnable", "clipn128", 2)) in own
    shown = [path for path in report_files(paths, ["training"]) if path.startswith("results/studies/")]
    assert {path for path in [*own, *shown] if not path.startswith(f"{OURS}/")} == set()


def test_logs_and_unfinished_work(paths: StudyPaths) -> None:
    assert (paths.logs, paths.shared_logs, paths.work) == ("logs/more", "logs/base", "work/base")
    write("base", BASE)
    base = load_study("base")
    alone = StudyPaths(base, StudyData(base))
    assert (alone.logs, alone.shared_logs, alone.work) == ("logs/base", "logs/base", "work/base")
    assert alone.folder == alone.shared == THEIRS


# The ablations of the demo


@pytest.fixture
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("in_project")
def test_the_ablations_of_the_demo_vary_every_setting() -> None:
    study = load_study("ablations")
    values: dict[str, list[str]] = {}
    for setting, value, _ in ablations(study):
        values.setdefault(setting, []).append(value)
    assert values == {
        "no_texts": ["learnable", "handcrafted"],
        "losses": ["both", "itbo", "tso"],
        "prompts": ["16", "1", "4"],
        "tokens": ["all", "1", "8"],
        "share": ["1.0", "0.1", "0.5"],
    }
    assert load_study("demo").ablations == []
    assert study.extends == "demo"


@pytest.mark.usefixtures("in_project")
def test_every_file_of_the_ablations_is_of_one_stage_of_one_of_both_studies() -> None:
    study = load_study("ablations")
    files = all_files(StudyPaths(study, StudyData(study)), figure_names(study, []))
    assert len(files) == len(set(files))
    stages = [stage for name in ("demo", "ablations") for stage in load_stages(ROOT, name)]
    # Both studies have their copies at the short paths.
    found = {file: sum(stage.has(file) for stage in stages) for file in files if file.startswith("results/studies/")}
    assert found == dict.fromkeys(found, 1)


# Refusals


@pytest.mark.parametrize("key", sorted(set(Study.model_fields) - EXTENDED))
@pytest.mark.usefixtures("project")
def test_what_both_share_is_not_said_anew(key: str) -> None:
    with pytest.raises(
        ClipnError, match=f"^config/studies/more.yaml: {key}: is that of base, which this study extends; leave it out$"
    ):
        extending(**{key: BASE.get(key)})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"variants": {"learnable": {"epochs": 1}}},
            "variants.learnable: base has a variant of this name; choose anot",
        ),
        ({"extends": "more"}, "extends: more extends a study itself; extend that one"),
        (
            {"runs": [RUNS[0] | {"seeds": [1, 4]}, RUNS[1]]},
            "runs: base has no run tiny/learnable/seed4 to share; leave out `shared`, or correct it",
        ),
        ({"variants": None}, "variants: Input should be a valid dictionary"),
        ({"variants": ["short"]}, "variants: Input should be a valid dictionary"),
    ],
)
@pytest.mark.usefixtures("project")
def test_contradictions_are_named_by_file_and_key(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClipnError, match=f"^config/studies/more.yaml: {complaint}"):
        extending(**changes)


@pytest.mark.usefixtures("project")
def test_a_study_that_is_not_there() -> None:
    message = (
        "^config/studies/absent.yaml: no such study; set `extends` in config/studies/more.yaml to one of base, more$"
    )
    with pytest.raises(ClipnError, match=message):
        extending(extends="absent")


@pytest.mark.usefixtures("project")
def test_a_mistake_of_the_other_study_is_named_by_its_file() -> None:
    write("base", BASE | {"runs": None})
    with pytest.raises(ClipnError, match=r"^config/studies/base\.yaml: runs: "):
        extending()


@pytest.mark.usefixtures("project")
def test_runs_are_shared_with_a_study_that_is_extended_alone() -> None:
    write("base", BASE | {"runs": [RUNS[0]]})
    with pytest.raises(
        ClipnError, match=r"^config/studies/base\.yaml: .*`shared` is for a study that `extends` another; leave it out"
    ):
        load_study("base")


@pytest.mark.usefixtures("project")
def test_a_study_may_be_named_by_its_file() -> None:
    assert load_study("config/studies/base.yaml").study == load_study("base").study == "base"
    with pytest.raises(ClipnError, match=r"gone\.yaml: no such study; set its name to one of base"):
        load_study("gone")
