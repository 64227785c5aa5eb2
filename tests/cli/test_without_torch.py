"""Commands from cached features to figures: they import no torch, and give what their functions give."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.planted import ID, SCALE, scoring_inputs
from clipn.evaluation.evaluate import MetricOptions, evaluate
from clipn.evaluation.replicates import read_replicates
from clipn.evaluation.scoring import Methods, RunScoring, score_runs
from tests.helpers.project import ENVIRONMENT
from tests.helpers.scored_study import COMMANDS, DRAWN, FIT, GDA, PLAIN, RUN, SIZE, plant_study

CODE = """
import json, sys
from clipn.cli.main import app
for name, words in json.loads(sys.argv[1]).items():
    app(words.split(), standalone_mode=False)
    print(name, *(module for module in ("torch", "open_clip") if module in sys.modules))
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    plant_study(folder)
    return folder


@pytest.fixture(scope="module")
def output(study: Path) -> list[str]:
    """A line per command, with what it should not have imported."""
    command = [sys.executable, "-c", CODE, json.dumps(COMMANDS)]
    done = subprocess.run(command, cwd=study, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()


def test_none_of_them_imports_torch_or_open_clip(output: list[str]) -> None:
    assert output == list(COMMANDS)


@pytest.mark.usefixtures("output")
def test_scores_are_those_of_the_function(study: Path, tmp_path: Path) -> None:
    """Rules are of the runs: plain CLIP decides nothing."""
    plain = Methods(["msp", "mcm"])
    methods = {PLAIN: plain, FIT: plain, RUN: Methods(["ctw", "atd"], ["ctw", "atd"])}
    runs = {PLAIN: "none", FIT: "none", RUN: "learnable/seed1"}
    fits = {FIT: {ID: study / f"features/tiny/discriminants/{ID}/seed2.safetensors"}}
    scorings = [
        RunScoring("tiny", runs[name], "single", of_run, tmp_path / f"{name}.parquet", fits.get(name, {}))
        for name, of_run in methods.items()
    ]
    score_runs(scoring_inputs(study), study / "classifiers", scorings, SIZE.pairs, SCALE)
    for name in methods:
        found, expected = (pd.read_parquet(folder / f"{name}.parquet") for folder in (study / "scores", tmp_path))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.usefixtures("output")
def test_metrics_are_those_of_the_function(study: Path, tmp_path: Path) -> None:
    names: dict[str, str | int] = {
        "study": "demo",
        "backbone": "tiny",
        "variant": "learnable",
        "prompts": "single",
        "seed": 1,
    }
    output, replicates = tmp_path / "metrics.json", tmp_path / "metrics.parquet"
    evaluate(study / f"scores/{RUN}.parquet", SIZE.pairs, names, MetricOptions(resamples=5), output, replicates)
    assert json.loads((study / f"metrics/{RUN}.json").read_text()) == json.loads(output.read_text())
    found = read_replicates(study / f"metrics/{RUN}.parquet")
    pd.testing.assert_frame_equal(found, read_replicates(replicates), check_exact=True)


@pytest.mark.usefixtures("output")
def test_streams_have_a_table_of_their_own_and_are_in_no_other(study: Path) -> None:
    table = pd.read_csv(study / "tables/test_time.csv")
    assert set(table["method"]) == {"adaneg", "zpe"}
    assert sorted(table["order_seed"]) == ["1", "1", "2", "2", "all", "all", "any", "any"]
    others = [path for path in study.glob("tables/*") if path.stem != "test_time"]
    assert len(others) > 5
    assert not [path.name for path in others if any(name in path.read_text().lower() for name in ("adaneg", "zpe"))]


@pytest.mark.usefixtures("output")
def test_tables_and_figures_are_there(study: Path) -> None:
    table = pd.read_csv(study / f"tables/{ID}_ood.csv", keep_default_na=False)
    shown = set(zip(table["variant"], table["method"], strict=True))
    plain = {(variant, method) for variant in ("none", GDA) for method in ("msp", "mcm")}
    assert shown == plain | {("learnable", "ctw"), ("learnable", "atd")}
    accuracy = pd.read_csv(study / "tables/id_accuracy.csv", keep_default_na=False)
    assert accuracy["variant"].tolist() == ["none", GDA]
    figures = {f"{ID}_{kind}_tiny.{ending}" for kind in DRAWN for ending in ("png", "pdf")}
    assert {path.name for path in (study / "figures").iterdir()} == figures
