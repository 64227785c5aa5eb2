"""The summary of the page, and what it says is behind the numbers."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipn.report.page.standings import Standing, scale_start, standings
from clipn.report.page.traces import Trace, TracedRun, traces
from clipn.report.tables.ood import ood_table
from tests.helpers.report_runs import BASELINE, SEEDS, run

Settings = dict[str, Any]


def test_the_best_average_stands_first() -> None:
    found = standings(ood_table([BASELINE, *SEEDS], "cifar10", {"near": ["svhn"]}))
    assert found == [
        Standing("CLIPN-CTW", "tiny, learnable", True, pytest.approx(86.0), pytest.approx(35.0)),
        Standing("MSP", "tiny, none", False, pytest.approx(80.0), pytest.approx(50.0)),
    ]


def test_of_averages_that_print_alike_the_lower_fpr95_stands_first() -> None:
    figures = {("msp", "svhn"): (0.800001, 0.5), ("mcm", "svhn"): (0.8, 0.4)}
    found = standings(ood_table([run("none", 0, figures)], "cifar10"))
    assert [item.name for item in found] == ["MCM", "MSP"]


@pytest.mark.parametrize(("lowest", "start"), [(45.2, 40), (50.0, 50), (99.9, 90), (100.0, 90), (7.0, 0)])
def test_the_axis_begins_at_a_multiple_of_ten_below_all(lowest: float, start: int) -> None:
    assert scale_start([Standing("a", "", False, value, 0.0) for value in (100.0, lowest)]) == start


def test_traces_name_settings_files_and_hashes(tmp_path: Path) -> None:
    runs = [BASELINE, *SEEDS]
    paths = [tmp_path / "more" / f"{number}.json" for number in range(len(runs) - 1)] + [tmp_path / "demo/last.json"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.name)
    settings = {"backbones": {"tiny": {"layers": 2}, "other": {}}, "variants": {"learnable": {"epochs": 2}}}
    plain, taught = traces(paths, runs, yaml.safe_dump(settings), "more", tmp_path / "more")
    first = TracedRun("clipn128", 0, "results/studies/more/0.json", hashlib.sha256(b"0.json").hexdigest())
    assert plain == Trace("tiny", "none", "backbones:\n  tiny:\n    layers: 2\n", [first])
    assert yaml.safe_load(taught.settings) == {"backbones": {"tiny": {"layers": 2}}, "variants": settings["variants"]}
    assert [found.seed for found in taught.runs] == [one["seed"] for one in SEEDS]
    # Of the study that is extended.
    assert taught.runs[-1].metrics == "results/studies/demo/last.json"


def test_a_trace_has_the_settings_of_all_trainings_of_its_backbone(tmp_path: Path) -> None:
    backbones = {"tiny.seed1": {"layers": 2}, "tiny.seed2": {"layers": 2}, "tiny.other": {}, "tinier.seed1": {}}
    assert settings_of("none", {"backbones": backbones}, tmp_path) == {
        "backbones": {"tiny.seed1": {"layers": 2}, "tiny.seed2": {"layers": 2}}
    }


def test_a_trace_of_a_fitted_classifier_says_what_it_was_fitted_on(tmp_path: Path) -> None:
    few: Settings = {"dataset": "cifar10_train", "shots": 4, "seeds": [1], "alpha": 1.0}
    probe: Settings = {"kind": "cooked", "network": "resnet", "shots": "all", "seeds": [1], "probes": {}}
    fitted, given = probe | {"dataset": "cifar10_train"}, probe | {"network": "vgg", "probes": {"tiny": "p.ckpt"}}
    study = {
        "train": {"cifar10": [few, fitted], "cifar100": [few | {"shots": 8}, given], "pets": [few]},
        "networks": {"resnet": {"model": "timm/a"}, "vgg": {"model": "timm/b"}},
    }
    expected: dict[str, Settings] = {
        "gda-4shot-alpha1.0": {"train": {"cifar10": [few], "pets": [few]}},
        "gda-8shot-alpha1.0": {"train": {"cifar100": [few | {"shots": 8}]}},
        "cooked-allshot-resnet": {"train": {"cifar10": [fitted]}, "networks": {"resnet": {"model": "timm/a"}}},
        "cooked-imported-vgg": {"train": {"cifar100": [given]}, "networks": {"vgg": {"model": "timm/b"}}},
    }
    assert {variant: settings_of(variant, study, tmp_path) for variant in expected} == expected


def settings_of(variant: str, study: Settings, folder: Path) -> Settings:
    """What the trace of a run says of the settings."""
    (path := folder / "1.json").touch()
    (trace,) = traces([path], [run(variant, 1, {})], yaml.safe_dump(study), "demo", folder)
    found: Settings = yaml.safe_load(trace.settings)
    return found
