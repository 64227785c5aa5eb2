"""Snakemake and DVC agree: a clone that pulls has nothing to do, and after a change both say what is to be done."""

import json
import os
import random
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from clipn.compute import processor
from clipn.study.run_lock import only_run
from tests.helpers.checkout import DEMO, NOTHING, TABLE, Checkout, agree_on_nothing_to_do
from tests.helpers.project import REDUCED_NUMBERS, Project, succeeded
from tests.workflow.test_runs import FROM_METRICS, PAGE, SCORED, STREAMS, STUDY

pytestmark = pytest.mark.workflow

STAGES = ["data", "models", "features", "imagenet_ood", "cifar10_ood", "cifar100_ood", "own_ood", "report"]
CHAIN_OF_A_TABLE = Counter(
    {
        "generate_demo": 1,
        "fetch_archive": 12,
        "verify_dataset": 9,
        "prepare_captions": 1,
        "build_shards": 1,
        "train_backbone": 1,
        "cache_caption_features": 1,
        "cache_caption_images": 1,
        "cache_small_image_features": 1,
        "negative_labels": 1,
        "perturbed_features": 3,
        "train_clipn": 4,
        "average_runs": 1,
        "encode_classes": 1,
        "score_runs": 1,
        "evaluate_runs": 1,
        "ood_table": 1,
        "publish_ood_table": 1,
    }
)
METRICS = f"{STUDY}/metrics/tiny/none/single/seed0.json"
"""The first file of the job that evaluates."""


def test_recording_a_finished_run_runs_nothing(finished: Project, recorded: Checkout) -> None:
    assert recorded.hashes("results/**/*") == finished.hashes("results/**/*")
    again = recorded.dvc("repro").text
    assert [stage for stage in STAGES if f"Stage '{stage}' didn't change, skipping" in again] == STAGES
    agree_on_nothing_to_do(recorded)


def test_a_clone_that_pulled_has_nothing_to_do(clone: Checkout) -> None:
    assert NOTHING in clone.status()
    agree_on_nothing_to_do(clone)
    assert clone.why("all") == "all: up to date\n"


def test_a_clone_has_the_recorded_numbers_and_the_recorded_lock(clone: Checkout) -> None:
    verified = succeeded(clone.clipn("study", "verify", "--file", str(REDUCED_NUMBERS))).text
    if processor() in json.loads(REDUCED_NUMBERS.read_text())["processors"]:
        assert re.match(r"demo: all \d+ files with numbers are as recorded on ", verified)
    clone.dvc("repro")
    succeeded(clone.run("git", "diff", "--exit-code", "dvc.lock"))


def test_an_archive_that_is_fetched_again_re_runs_nothing(clone: Checkout) -> None:
    archive = f"{STUDY}/archives/sun/SUN.tar.gz"
    before = clone.hashes(archive)
    (clone.folder / archive).unlink()
    assert clone.plan(archive) == Counter({"fetch_archive": 1})
    succeeded(clone.run("snakemake", "--cores", "1", archive))
    assert clone.hashes(archive) == before
    agree_on_nothing_to_do(clone)


def test_the_order_of_dates_says_nothing(clone: Checkout) -> None:
    draw = random.Random(5)
    for path in clone.folder.glob("results/**/*"):
        date = draw.randrange(1_600_000_000, 1_800_000_000)
        os.utime(path, (date, date))
    agree_on_nothing_to_do(clone)


def test_touched_files_re_run_nothing(clone: Checkout) -> None:
    assert not clone.plan()
    for path in (f"{STUDY}/shards/00000.tar", f"{STUDY}/runs/tiny/learnable/seed1.safetensors", TABLE, DEMO):
        (clone.folder / path).touch()
    for path in ("config/published.yaml", "clipn/losses.py", "workflow/rules/models.smk"):
        (clone.folder / path).touch()
    agree_on_nothing_to_do(clone)


def test_a_setting_re_runs_exactly_what_depends_on_it(clone: Checkout) -> None:
    clone.set(resamples=60)
    assert clone.plan() == Counter({"evaluate_runs": 1}) + FROM_METRICS
    jobs = json.loads(succeeded(clone.clipn("why", "all", "--json")).text)["jobs"]
    changed = {job["outputs"][0]: job["causes"] for job in jobs if job["causes"]}
    assert changed == {path: ["setting resamples: 50 -> 60"] for path in (METRICS, f"{STUDY}/report.html")}
    assert "resamples" in clone.status()


GALLERY = PAGE + Counter({"id_figures": 3, "publish_figures_of_taught": 1})


@pytest.mark.parametrize(
    ("module", "line", "dependents"),
    [
        ("clipn/report/figures/gallery.py", "COUNT = 13", GALLERY),
        ("clipn/text/wordlists.py", 'LICENCE = "#"', SCORED + STREAMS + Counter({"negative_labels": 1})),
    ],
)  # fmt: skip
def test_a_constant_re_runs_exactly_what_uses_it(
    finished: Project, module: str, line: str, dependents: Counter[str]
) -> None:
    with finished.edited(module, f"\n{line}\n"):
        assert finished.plan() == dependents
        assert f"module {module}" in succeeded(finished.clipn("why", "all")).text
    for harmless in ("# a comment", "UNUSED = 1"):
        with finished.edited(module, f"\n{harmless}\n"):
            assert not finished.plan()


def test_a_table_that_was_edited_by_hand_is_noticed_by_both(clone: Checkout) -> None:
    (clone.folder / TABLE).write_text("prettier,figures\n")
    remedy = f"dvc checkout --force {TABLE}"
    dry_run = clone.run("snakemake", "-n", "results/summary/imagenet.json")
    for outcome in (clone.run("snakemake", "all"), dry_run, clone.clipn("why", "all")):
        assert outcome.status == 1
        (error,) = outcome.errors
        assert error.startswith(f"error: {TABLE}: not as made; `{remedy}` gets back what was made")
    assert f"modified:           {TABLE}" in clone.status()
    clone.dvc(*remedy.split()[1:])
    agree_on_nothing_to_do(clone)


def test_the_lock_of_a_killed_run_skips_no_check(clone: Checkout) -> None:
    (clone.folder / ".snakemake/locks").mkdir(parents=True, exist_ok=True)
    (clone.folder / ".snakemake/locks/0.output.lock").write_text(f"{TABLE}\n")
    assert not clone.plan()
    (clone.folder / TABLE).write_text("prettier,figures\n")
    for outcome in (clone.run("snakemake", "all"), clone.clipn("why", "all")):
        (error,) = outcome.errors
        assert error.startswith(f"error: {TABLE}: not as made")


def test_of_two_runs_the_second_says_so(clone: Checkout) -> None:
    with only_run(clone.folder):
        (error,) = clone.run("snakemake", "all").errors
        assert error.startswith("error: .snakemake/run.lock: another run is going on in this folder")
        assert "so results are not checked now" in succeeded(clone.run("clipn", "why", "all")).text
    succeeded(clone.run("snakemake", "all"))


def test_results_without_records_are_not_trusted(clone: Checkout) -> None:
    for file in clone.folder.glob(f"{STUDY}/provenance/*"):
        file.unlink()
    for outcome in (clone.clipn("why", "all"), clone.run("snakemake", TABLE), clone.run("dvc", "repro")):
        assert outcome.status != 0
        (error,) = outcome.errors
        assert "no record says how this was made" in error
        assert all(remedy in error for remedy in ("`dvc pull`", "what is removed is rebuilt", "`clipn accept all`"))
    clone.dvc("pull")
    agree_on_nothing_to_do(clone)


def test_a_person_vouches_for_results_without_records(clone: Checkout) -> None:
    for file in clone.folder.glob(f"{STUDY}/provenance/*"):
        file.unlink()
    assert "no record" in succeeded(clone.clipn("accept", "all")).text
    assert not clone.plan()
    assert "accepted: no record" in succeeded(clone.clipn("trace", TABLE)).text


@pytest.fixture
def table_alone(recorded: Checkout, tmp_path: Path) -> Checkout:
    """A checkout with the files of one table and nothing else."""
    clone = recorded.clone(tmp_path / "clone", "imagenet_ood")
    assert {path for path in clone.hashes("results/**/*") if "imagenet_ood" not in path} == set()
    return clone


def test_one_table_alone_has_nothing_to_do(table_alone: Checkout) -> None:
    assert not table_alone.plan(TABLE)
    assert NOTHING in table_alone.dvc("repro", "--dry", "--allow-missing", "imagenet_ood").text


def test_one_table_alone_knows_its_whole_past(table_alone: Checkout) -> None:
    trace = succeeded(table_alone.clipn("trace", TABLE)).text
    assert f"{STUDY}/archives/mirror/datasets.yaml" in trace
    assert re.search(r"^95 files, 90 of them not here; .* no faults$", trace, re.MULTILINE)


def test_one_table_alone_notices_a_setting_of_the_training(table_alone: Checkout) -> None:
    variants = yaml.safe_load((table_alone.folder / DEMO).read_text())["variants"]
    for name in ("learnable", "handcrafted"):
        variants[name]["learning_rate"] = 0.003
    table_alone.set(variants=variants)
    assert table_alone.plan(TABLE) == CHAIN_OF_A_TABLE
    assert "setting variants.learnable.learning_rate: 0.002 -> 0.003" in table_alone.why(TABLE)


def test_a_person_vouches_for_one_table_without_records(table_alone: Checkout) -> None:
    (table_alone.folder / f"{STUDY}/provenance/imagenet_ood.jsonl").unlink()
    (error,) = table_alone.clipn("why", TABLE).errors
    remedy = "clipn accept imagenet_ood"
    assert f"`{remedy}` vouches for what is here" in error
    succeeded(table_alone.clipn(*remedy.split()[1:]))
    assert not table_alone.plan(TABLE)


def test_a_file_that_travels_without_its_record_is_not_trusted(recorded: Checkout, tmp_path: Path) -> None:
    clone = recorded.clone(tmp_path / "clone", TABLE)
    (error,) = clone.clipn("why", TABLE).errors
    records = f"{STUDY}/provenance/imagenet_ood.jsonl"
    assert f"`dvc pull {records}` gets the records" in error
    assert "`clipn accept imagenet_ood` vouches for what is here" in error
    clone.dvc("pull", records)
    assert not clone.plan(TABLE)
