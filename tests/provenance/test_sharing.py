"""What one checkout tries, changes or accepts, and another takes over."""

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.checkout import DEMO, TABLE, Checkout, agree_on_nothing_to_do
from tests.helpers.project import succeeded
from tests.provenance.test_agreement import STAGES
from tests.workflow.test_runs import STUDY

pytestmark = pytest.mark.workflow

SUMMARY = "summary/imagenet.json"


def test_an_experiment_gives_the_number_of_a_run(pulled: Checkout, clone: Checkout, tmp_path: Path) -> None:
    """One checkout tries values aside; another runs with them and shares what came out."""
    before = clone.hashes(TABLE)
    values = ("-S", f"{DEMO}:+logit_scale=20", "-S", f"{DEMO}:baselines=[mcm]")
    clone.dvc("exp", "run", "--temp", "--name", "softer", *values, "imagenet_ood")
    assert clone.hashes(TABLE) == before
    agree_on_nothing_to_do(clone)
    clone.dvc("exp", "apply", "softer")
    found = clone.hashes(TABLE)
    assert not clone.plan(TABLE)

    other = pulled.copied_to(tmp_path / "other")
    other.set(logit_scale=20, baselines=["mcm"])
    succeeded(other.run("snakemake", "--cores", "8", f"{STUDY}/{SUMMARY}", TABLE))
    assert other.hashes(TABLE) == found != before
    # The job that copies it waits for the page, and so for all figures.
    shutil.copy(other.folder / f"{STUDY}/{SUMMARY}", other.folder / f"results/{SUMMARY}")
    summary = json.loads((other.folder / f"results/{SUMMARY}").read_text())
    change = json.loads(other.dvc("metrics", "diff", "--json").text)[f"results/{SUMMARY}"]
    assert change["atd.auroc"]["new"] == summary["atd"]["auroc"] != change["atd.auroc"]["old"]
    plots = json.loads(other.dvc("plots", "diff", "--json").text)["data"]["AUROC, imagenet as ID"]
    assert {value["rev"] for value in plots[0]["content"]["data"]["values"]} == {"workspace", "HEAD"}


def test_newer_results_are_pulled_over_older_ones(pulled: Checkout, clone: Checkout, tmp_path: Path) -> None:
    assert not clone.plan()
    other = pulled.copied_to(tmp_path / "other")
    other.set(resamples=60)
    other.dvc("repro", "imagenet_ood")
    other.share("more resamples")
    clone.git("pull", "--quiet", str(other.folder), "main")
    clone.dvc("pull", "features", "imagenet_ood")
    assert not clone.plan(TABLE)
    assert clone.hashes(f"{STUDY}/metrics/**/*") == other.hashes(f"{STUDY}/metrics/**/*")


def test_a_change_that_a_person_declares_harmless_travels(clone: Checkout, tmp_path: Path) -> None:
    losses = clone.folder / "clipn/losses.py"
    losses.write_text(losses.read_text().replace("weight * opposite", "opposite * weight"))
    before = clone.hashes("results/tables/*")
    accepted = succeeded(clone.clipn("accept", "all")).text
    assert "module clipn/losses.py" in accepted
    assert not clone.plan()
    assert clone.dvc("repro").text.count("finished: Snakemake has nothing to do") == len(STAGES)
    agree_on_nothing_to_do(clone)
    clone.share("harmless")
    other = clone.clone(tmp_path / "other", "imagenet_ood")
    assert not other.plan(TABLE)
    assert "accepted: module clipn/losses.py" in succeeded(other.clipn("trace", TABLE, "--all")).text
    assert clone.hashes("results/tables/*") == before
