"""The whole workflow, on a reduced demo in fresh folders."""

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.project import Outcome, Project

STUDY = "results/studies/demo"
COLUMNS = [
    "study",
    "id",
    "ood",
    "ood_version",
    "backbone",
    "variant",
    "prompts",
    "method",
    "auroc",
    "auroc_sd",
    "fpr95",
    "fpr95_sd",
    "runs",
    "convention",
]
PUBLISH = Counter({"publish": 8, "publish_figures": 1, "publish_page": 2})
FIGURES = Counter({"score_figure": 3, "roc_figure": 3})
TABLES = Counter({"ood_table": 3, "id_accuracy_table": 1, "decisions_table": 1, "metrics_summary": 1})
ALL = Counter({"all": 1, "report_page": 1})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which `snakemake --cores 8 all` has run."""
    project = Project(tmp_path_factory.mktemp("project"))
    succeeded(project.snakemake("--cores", "8", "all"))
    return project


def succeeded(outcome: Outcome) -> Outcome:
    assert outcome.status == 0, outcome.text[-3000:]
    return outcome


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / "results" / "tables" / name, keep_default_na=False)


def test_tables_have_the_promised_form(finished: Project) -> None:
    for known, sets in {"imagenet": 4, "cifar10": 3, "cifar100": 3}.items():
        rows = table(finished, f"{known}_ood.csv")
        assert list(rows.columns) == COLUMNS
        assert set(rows["method"]) == {"msp", "max_logit", "energy", "mcm", "ctw", "atd"}
        assert Counter(rows["variant"]) == {
            "none": 4 * (sets + 1),
            "learnable": 2 * (sets + 1),
            "untrained": 2 * (sets + 1),
        }
        assert set(rows.loc[rows["variant"] == "learnable", "runs"]) == {2}
        assert rows["auroc"].astype(str).str.fullmatch(r"\d{1,3}\.\d{2}|\d{1,3}\.\d").all()


def test_an_untrained_no_tower_is_blind(finished: Project) -> None:
    rows = table(finished, "imagenet_ood.csv")
    assert set(rows.loc[rows["variant"] == "untrained", "auroc"]) == {50.0}


def test_short_paths_hold_copies_of_the_active_study(finished: Project) -> None:
    for pattern in ("tables/*", "figures/*", "metrics.json", "report.html"):
        copies = finished.hashes(f"results/{pattern}")
        originals = finished.hashes(f"{STUDY}/{pattern}")
        assert copies
        assert list(copies.values()) == list(originals.values())


def test_metrics_summary_agrees_with_the_table(finished: Project) -> None:
    summary = json.loads((finished.folder / "results/metrics.json").read_text())
    rows = table(finished, "cifar10_ood.csv").set_index(["variant", "method", "ood"])
    assert summary["cifar10"]["tiny"]["learnable"]["atd"]["auroc"] == rows.loc[("learnable", "atd", "average"), "auroc"]


def test_a_second_run_does_nothing(finished: Project) -> None:
    assert not succeeded(finished.snakemake("--cores", "8", "all")).planned


def test_a_single_table_needs_no_more_than_itself(finished: Project) -> None:
    outcome = finished.snakemake("-n", "results/tables/imagenet_ood.csv")
    assert not succeeded(outcome).planned


DEPENDENTS = {
    "archives/sun/SUN.tar.gz": Counter(
        {"fetch_archive": 1, "verify_dataset": 1, "cache_image_features": 1, "score_run": 4, "evaluate_run": 4}
    )
    + TABLES + FIGURES + ALL + PUBLISH,
    "features/tiny/sun.safetensors": Counter({"cache_image_features": 1, "score_run": 4, "evaluate_run": 4})
    + TABLES + FIGURES + ALL + PUBLISH,
    "runs/tiny/learnable/seed2.safetensors": Counter({"train_clipn": 1, "score_run": 1, "evaluate_run": 1})
    + TABLES + FIGURES + ALL + PUBLISH + Counter({"training_figure": 1}),
    "scores/tiny/none/seed0.parquet": Counter({"score_run": 1, "evaluate_run": 1})
    + TABLES + FIGURES + ALL + PUBLISH,
    "metrics/tiny/none/seed0.json": Counter({"evaluate_run": 1})
    + TABLES + ALL + Counter({"publish": 8, "publish_page": 2}),
    "tables/cifar10_ood.csv": Counter({"ood_table": 1, "all": 1, "publish": 2}),
    "figures/training.pdf": Counter({"training_figure": 1, "publish_figures": 1, "publish_page": 1}) + ALL,
}  # fmt: skip


@pytest.mark.parametrize("file", DEPENDENTS)
def test_a_missing_file_is_remade_with_exactly_its_dependents(finished: Project, file: str) -> None:
    path = finished.folder / STUDY / file
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        assert succeeded(finished.snakemake("-n", "all")).planned == DEPENDENTS[file]
    finally:
        aside.rename(path)


def test_remaking_an_intermediate_file_gives_the_same_bytes(finished: Project) -> None:
    before = finished.hashes("results/tables/*.csv")
    path = finished.folder / STUDY / "features/tiny/textures.safetensors"
    digest = finished.hashes(f"{STUDY}/features/tiny/textures.safetensors")
    path.unlink()
    succeeded(finished.snakemake("--cores", "8", "all"))
    assert finished.hashes(f"{STUDY}/features/tiny/textures.safetensors") == digest
    assert finished.hashes("results/tables/*.csv") == before
    assert not succeeded(finished.snakemake("-n", "all")).planned


def test_another_folder_and_one_core_give_the_same_bytes(finished: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    succeeded(other.snakemake("--cores", "1", "all"))
    for pattern in ("results/tables/*", "results/figures/*", "results/report.html", f"{STUDY}/runs/**/*.safetensors"):
        assert other.hashes(pattern) == finished.hashes(pattern)
        assert other.hashes(pattern)


def test_snakemake_report_shows_tables_and_figures(finished: Project) -> None:
    succeeded(finished.snakemake("--report", "results/snakemake-report.html"))
    text = (finished.folder / "results/snakemake-report.html").read_text()
    assert "imagenet_roc_tiny.png" in text
    assert "95 % ID recall" in text


def test_lint_finds_the_one_environment_only(tmp_path: Path) -> None:
    outcome = Project(tmp_path / "project").run("snakemake", "--lint")
    findings = set(re.findall(r"^    \* (.+?)(?: for each rule)?\.?:?$", outcome.text, re.MULTILINE))
    assert findings == {"Specify a conda environment or container"}


def test_every_study_of_the_config_can_be_planned(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    for path in (project.folder / "config" / "studies").glob("*.yaml"):
        plan = succeeded(project.run("snakemake", "-n", "all", "--config", f"study={path.stem}")).planned
        assert plan["score_run"] > 1
        assert plan["ood_table"] == 3


def test_every_rule_says_what_it_needs(tmp_path: Path) -> None:
    """Each rule with a command has log, benchmark, threads and resources."""
    for path in (Project(tmp_path / "project").folder / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *(?=(?:use )?rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            if "shell:" in rule:
                assert [word for word in ("log:", "benchmark:", "threads:", "resources:") if word not in rule] == []


@pytest.mark.parametrize(
    ("overlay", "complaint"),
    [
        ("demoo: 1", "config/studies/demo.yaml: demoo: unknown key; remove it or correct its spelling"),
        ("captions: {shards: many}", "config/studies/demo.yaml: captions.shards: Input should be a valid integer"),
        ("pairs: {imagenet: [sunn]}", "config/studies/demo.yaml: pairs: 'sunn' is not in the registry"),
        ("prompts: clip", "config/studies/demo.yaml: prompts: no such pool"),
        ("study: nosuch", "config/studies/nosuch.yaml: no such study; set `study` in config/config.yaml to one of"),
    ],
)
def test_a_wrong_configuration_ends_in_one_line(tmp_path: Path, overlay: str, complaint: str) -> None:
    project = Project(tmp_path / "project")
    (tmp_path / "overlay.yaml").write_text(overlay)
    outcome = project.run("snakemake", "-n", "all", "--configfile", str(tmp_path / "overlay.yaml"))
    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert outcome.errors[0].startswith(f"error: {complaint}")
    assert "Traceback" not in outcome.text
