"""The whole workflow, on a reduced demo in fresh folders."""

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.project import Project, succeeded

pytestmark = pytest.mark.workflow

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
    "arithmetic",
]
PROMPTS = {"neglabel": "nice", "csp": "csp", "eoe": "single"}
"""Of methods that have their own; those of the study are `single`, too."""
PLAIN_METHODS = {
    "msp", "max_logit", "energy", "mcm", "react", "odin", "odin_perturbed", "gen", "logit_gap", *PROMPTS
}  # fmt: skip
CONVENTIONS = ["clipn", "mcm", "first", "openood", "dice"]
FROM_METRICS = Counter(
    {
        "ood_table": 3,
        "tables": 1,
        "published_table": 1,
        "metrics_summary": 1,
        "id_figures": 3,
        "ablations_figure": 3,
        "report_page": 1,
        "publish_ood_table": 3,
        "publish_tables": 1,
        "publish_figures_of_taught": 1,
        "publish_figures": 1,
        "publish_page": 1,
        "all": 1,
    }
)
SCORED = Counter({"score_runs": 1, "evaluate_runs": 1}) + FROM_METRICS
PAGE = Counter({"report_page": 1, "publish_page": 1, "all": 1})
STREAMS = Counter({"evaluate_streams": 1, "streams_table": 1})


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / "results" / "tables" / name, keep_default_na=False)


def test_tables_have_the_promised_form(finished: Project) -> None:
    for known, sets in {"imagenet": 4, "cifar10": 3, "cifar100": 3}.items():
        rows = table(finished, f"{known}_ood.csv")
        assert list(rows.columns) == COLUMNS
        plain = rows["variant"] == "none"
        assert set(rows.loc[plain, "method"]) == PLAIN_METHODS
        assert set(rows.loc[~plain, "method"]) == {"ctw", "atd"}
        assert Counter(rows["variant"]) == {
            "none": len(PLAIN_METHODS) * (sets + 1),
            "learnable": 2 * (sets + 1),
            "untrained": 2 * (sets + 1),
            "handcrafted": 2 * (sets + 1),
            "soup": 2 * (sets + 1),
        }
        assert set(rows.loc[rows["variant"] == "learnable", "runs"]) == {2}
        assert all(rows["prompts"] == rows["method"].map(lambda method: PROMPTS.get(method, "single")))
        assert rows["auroc"].astype(str).str.fullmatch(r"\d{1,3}\.\d{2}|\d{1,3}\.\d").all()


def test_every_table_has_its_printed_forms(finished: Project) -> None:
    endings = {f"{known}_ood": {"csv", "md", "tex", "json"} for known in ("imagenet", "cifar10", "cifar100")}
    endings |= {name: {"csv", "md", "tex"} for name in ("id_accuracy", "decisions", "differences", "ablations")}
    endings |= {"test_time": {"csv", "md", "tex"}}
    endings |= {"metrics": {"csv"}, "published": {"csv", "md"}}
    expected = {f"{name}.{ending}" for name, forms in endings.items() for ending in forms}
    assert {path.name for path in (finished.folder / "results/tables").iterdir()} == expected


def test_all_measures_have_intervals_in_the_convention_of_the_authors(finished: Project) -> None:
    rows = table(finished, "metrics.csv")
    figures = {known: len(table(finished, f"{known}_ood.csv")) for known in ("imagenet", "cifar10", "cifar100")}
    kinds = [("auroc", ""), ("aupr_id", ""), ("aupr_ood", ""), *(("fpr95", name) for name in CONVENTIONS)]
    for (measure, convention), part in rows.groupby(["measure", "convention"]):
        kinds.remove((measure, convention))
        assert Counter(part["id"]) == figures
        if convention in ("", "clipn"):
            assert (part["low"].astype(float) <= part["high"].astype(float)).all()
        else:
            assert set(part["low"]) == set(part["high"]) == {""}
    assert kinds == []


def test_the_demo_is_compared_with_its_recorded_numbers_and_no_others(finished: Project) -> None:
    rows = table(finished, "published.csv")
    assert set(rows["study"]) == {"demo"}
    met = (rows["published"] != "") & (rows["measured"] != "")
    # The reduced demo has a prompt pool of its own; some methods' are always the same.
    assert set(rows.loc[met, "kind"]) == {"recorded"}
    assert set(rows.loc[met, "method"]) == set(PROMPTS)
    assert set(rows.loc[met, "verdict"]) <= {"equal", "agrees", "differs"}
    assert set(rows.loc[(rows["kind"] == "recorded") & ~met, "verdict"]) == {"not measured"}
    assert set(rows.loc[rows["kind"] == "", "verdict"]) == {"not published"}
    assert set(rows.loc[~rows["kind"].isin(["", "recorded"]), "verdict"]) == {"not comparable: other study"}
    assert not list((finished.folder / "results/figures").glob("published*"))
    sentence = (finished.folder / "results/tables/published.md").read_text().splitlines()[0].strip("*")
    assert sentence.startswith(f"{met.sum()} of {(rows['kind'] == 'recorded').sum()} recorded numbers were regenerated")
    assert sentence in (finished.folder / "results/report.html").read_text()


def test_an_untrained_no_tower_is_blind(finished: Project) -> None:
    for known in ("imagenet", "cifar10", "cifar100"):
        rows = table(finished, f"{known}_ood.csv")
        untrained = rows[rows["variant"] == "untrained"]
        assert set(untrained["auroc"]) == {50.0}
        assert set(untrained["fpr95"]) == {95.0}


def test_short_paths_hold_copies_of_the_active_study(finished: Project) -> None:
    for pattern in ("tables/*", "figures/*", "summary/*", "report.html"):
        copies = finished.hashes(f"results/{pattern}")
        originals = finished.hashes(f"{STUDY}/{pattern}")
        assert copies
        assert list(copies.values()) == list(originals.values())


def test_metrics_summary_agrees_with_the_table(finished: Project) -> None:
    for known in ("imagenet", "cifar10", "cifar100"):
        summary = json.loads((finished.folder / f"results/summary/{known}.json").read_text())
        rows = table(finished, f"{known}_ood.csv")
        averages = rows[(rows["ood"] == "average") & (rows["variant"] == "learnable")].set_index("method")
        assert summary == averages[["auroc", "fpr95"]].to_dict("index")


def test_a_second_run_does_nothing(finished: Project) -> None:
    assert "Nothing to be done" in succeeded(finished.run("snakemake", "--cores", "8", "all")).text


def test_a_single_table_needs_no_more_than_itself(finished: Project) -> None:
    assert not finished.plan("results/tables/imagenet_ood.csv")


def test_a_table_is_traced_to_its_archives(finished: Project) -> None:
    outcome = succeeded(finished.clipn("trace", "results/tables/imagenet_ood.csv", "--all"))
    makers = {
        "results/tables/imagenet_ood.csv": "publish_ood_table",
        f"{STUDY}/tables/imagenet_ood.csv": "ood_table",
        f"{STUDY}/metrics/tiny/learnable/single/seed2.json": "evaluate_runs",
        f"{STUDY}/scores/tiny/learnable/single/seed2.parquet": "score_runs",
        f"{STUDY}/classifiers/tiny.safetensors": "encode_classes",
        f"{STUDY}/runs/tiny/learnable/seed2.safetensors": "train_clipn",
        f"{STUDY}/caption_features/tiny/captions.safetensors": "cache_caption_features",
        f"{STUDY}/shards/00001.tar": "build_shards",
        f"{STUDY}/features/tiny/sun.safetensors": "cache_small_image_features",
        f"{STUDY}/features/tiny/perturbed/imagenet.safetensors": "perturbed_features",
        f"{STUDY}/features/tiny/negative_labels/imagenet.safetensors": "negative_labels",
        f"{STUDY}/archives/sun/SUN.tar.gz": "fetch_archive",
    }
    for path, rule in makers.items():
        assert re.search(rf" {re.escape(path)}  {rule}  [0-9a-f]{{12}}", f" {outcome.text}"), path
    assert "no faults" in outcome.text


DEPENDENTS = {
    "archives/sun/SUN.tar.gz": SCORED + STREAMS
    + Counter({"fetch_archive": 1, "verify_dataset": 1, "cache_small_image_features": 1, "perturbed_features": 1}),
    "features/tiny/sun.safetensors": SCORED + STREAMS + Counter({"cache_small_image_features": 1}),
    "features/tiny/perturbed/cifar10.safetensors": SCORED + Counter({"perturbed_features": 1}),
    "features/tiny/negative_labels/cifar10.safetensors": SCORED + STREAMS + Counter({"negative_labels": 1}),
    "features/tiny/csp/cifar10.safetensors": SCORED + STREAMS + Counter({"negative_labels": 1}),
    "runs/tiny/learnable/seed2.safetensors": SCORED
    + Counter({"train_clipn": 1, "average_runs": 1, "training_figure": 1, "encode_classes": 1}),
    "runs/tiny/soup/seed1.safetensors": SCORED + Counter({"average_runs": 1, "encode_classes": 1}),
    "metrics/streams/tiny.json": PAGE + STREAMS + Counter({"publish_tables": 1}),
    "classifiers/tiny.safetensors": SCORED + Counter({"encode_classes": 1}),
    "scores/tiny/none/single/seed0.parquet": SCORED,
    "metrics/tiny/none/single/seed0.json": FROM_METRICS + Counter({"evaluate_runs": 1}),
    "metrics/tiny/none/single/seed0.parquet": FROM_METRICS + Counter({"evaluate_runs": 1}),
    "tables/cifar10_ood.csv": Counter({"ood_table": 1, "publish_ood_table": 1, "all": 1}),
    "tables/metrics.csv": PAGE
    + Counter({"tables": 1, "published_table": 1, "id_figures": 3, "ablations_figure": 3})
    + Counter({"publish_tables": 1, "publish_figures_of_taught": 1, "publish_figures": 1}),
    "figures/cifar10_roc_tiny.pdf": PAGE + Counter({"id_figures": 1, "publish_figures_of_taught": 1}),
    "figures/training.pdf": PAGE + Counter({"training_figure": 1, "publish_figures": 1}),
}  # fmt: skip


@pytest.mark.parametrize("file", DEPENDENTS)
def test_a_missing_file_is_rebuilt_with_exactly_its_dependents(finished: Project, file: str) -> None:
    path = finished.folder / STUDY / file
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        assert finished.plan() == DEPENDENTS[file]
    finally:
        aside.rename(path)


def test_other_resamples_are_evaluated_and_nothing_is_scored_anew(finished: Project) -> None:
    assert finished.plan(resamples=60) == Counter({"evaluate_runs": 1}) + FROM_METRICS


def test_another_perturbation_re_runs_no_other_features(finished: Project) -> None:
    assert finished.plan(perturbation=0.01) == Counter({"perturbed_features": 3}) + SCORED


def test_edited_published_figures_are_compared_anew_and_nothing_else(finished: Project) -> None:
    path = finished.folder / "config/published.yaml"
    text = path.read_text()
    path.write_text(text.replace("source: CoVer", "source: the paper CoVer"))
    assert path.read_text() != text
    try:
        assert finished.plan() == PAGE + Counter({"published_table": 1, "publish_tables": 1})
    finally:
        path.write_text(text)


def test_a_prompt_pool_of_the_user(finished: Project, tmp_path: Path) -> None:
    """It is encoded and scored; an edited one is, too."""
    project = finished.copied_to(tmp_path / "project")
    pool = tmp_path / "mine.txt"
    pool.write_text("my {}.\n")
    pools = ["single", str(pool)]
    assert project.plan(prompts=pools) == Counter({"encode_classes": 1}) + SCORED
    targets = [f"{STUDY}/scores/tiny/{run}.parquet" for run in ("none/mine/seed0", "learnable/mine/seed2")]
    succeeded(project.run("snakemake", "--cores", "8", *targets, "--configfile", "overlay.yaml"))
    assert not project.plan(*targets, prompts=pools)
    pool.write_text("a {}.\n")
    assert project.plan(*targets, prompts=pools) == Counter({"encode_classes": 1, "score_runs": 1})


def test_snakemake_report_shows_tables_and_figures(finished: Project, tmp_path: Path) -> None:
    succeeded(finished.run("snakemake", "--report", str(tmp_path / "report.html")))
    text = (tmp_path / "report.html").read_text()
    for words in ("imagenet_roc_tiny.png", "ROC curves with ID", "Scores of ID and OOD images", "imagenet_ood.csv"):
        assert words in text
    assert "published.csv" in text
