"""From files to tables and back: nothing is lost on the way through CSV and JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from clipn.errors import ClipnError
from clipn.files import read_json
from clipn.report import reading
from clipn.report.figures.published import published as published_figure
from clipn.report.formatting import fixed, precise
from clipn.report.tables import build
from clipn.report.tables.ablations import Ablation
from clipn.report.tables.intervals import mean_replicates, metrics_table
from clipn.report.tables.ood import decisions_table, ood_table, to_csv
from clipn.report.tables.published import printed_published
from tests.helpers.report_runs import (
    BASELINE,
    PUBLISHED,
    SEEDS,
    Record,
    replicates,
    run,
    taught,
    write_descriptions,
    write_runs,
    write_study,
)

OPTIONS = build.TableOptions(["none", "base", "four"], "base", "clipn128", [Ablation("tokens", "4", "four")])
RUNS = [BASELINE, taught("base", 1, 0.8), taught("base", 2, 0.84), taught("four", 1, 0.7)]


def written(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """A table through CSV and back."""
    (folder / "table.csv").write_text(to_csv(table))
    return reading.read_table(folder / "table.csv")


def test_tables_come_back_from_csv(tmp_path: Path) -> None:
    table = written(tmp_path, metrics_table([BASELINE, *SEEDS], {}))
    assert list(table["variant"].unique()) == ["none", "learnable"]
    assert list(table["convention"].unique()) == ["", "clipn", "mcm"]
    assert table["mean"].iloc[0] == 70
    assert table.loc[table["variant"] == "none", "sd"].isna().all()
    assert table["low"].isna().all()
    assert table["runs"].tolist() == [1] * 15 + [3] * 15


def test_text_that_looks_like_numbers_stays_text(tmp_path: Path) -> None:
    names = {"study": "2024", "id": "cifar10", "backbone": "007", "variant": "1e3", "prompts": "4"}
    rows = [{**names, "setting": "tokens", "value": value, "auroc": 80.0} for value in ("16", "0.1", "nan")]
    table = written(tmp_path, pd.DataFrame(rows))
    assert {key: table[key].iloc[0] for key in names} == names
    assert list(table["value"]) == ["16", "0.1", "nan"]
    assert table["auroc"].tolist() == [80.0] * 3


def test_what_is_compared_is_no_rounded_number() -> None:
    table = pd.DataFrame({"mean": [1 / 3, 95, -1e-12, None], "low": [1 / 3, 95, 94.999998808, None]})
    assert to_csv(table) == "mean,low\n0.33,0.33\n95.00,95.00\n0.00,95.00\n,\n"
    assert to_csv(table, ["mean"]) == "mean,low\n0.333333333,0.33\n95.00,95.00\n0.00,95.00\n,\n"


@given(st.floats(0, 100))
def test_a_precise_number_is_printed_the_same_when_it_is_read_back(value: float) -> None:
    assert fixed(float(precise(value))) == fixed(value)


def test_numbers_of_runs_stay_whole(tmp_path: Path) -> None:
    table = pd.DataFrame({"run": pd.array([None, 2], "Int64"), "runs": [3, 1], "published": [1.5, None]})
    back = written(tmp_path, table)
    assert back["run"].tolist() == [pd.NA, 2]
    assert str(back["run"].iloc[1]) == "2"
    assert [str(runs) for runs in back["runs"]] == ["3", "1"]
    assert back["published"].isna().tolist() == [False, True]


def test_a_table_without_rows_comes_back(tmp_path: Path) -> None:
    table = written(tmp_path, decisions_table([BASELINE]))
    assert table.empty
    assert build.shown(table, ["none"], "clipn128").empty


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"metrics\.csv: no such file"):
        reading.read_table(tmp_path / "metrics.csv")


def test_records_are_json_without_nan() -> None:
    rows = build.records(ood_table([BASELINE, *SEEDS], "cifar10"))
    text = json.dumps(rows, allow_nan=False)
    assert json.loads(text) == rows
    assert (rows[0]["variant"], rows[0]["auroc"], rows[0]["auroc_sd"], rows[0]["runs"]) == ("none", 70.0, None, 1)
    assert (rows[-1]["ood"], rows[-1]["auroc"], rows[-1]["auroc_sd"], rows[-1]["runs"]) == ("average", 86.0, 1.0, 3)
    table = pd.DataFrame({"auroc": [0.125, -0.001], "runs": [1, 2]})
    assert build.records(table) == [{"auroc": 0.13, "runs": 1}, {"auroc": 0.0, "runs": 2}]


def test_shown_are_some_variants_under_one_pool_and_methods_with_a_pool_of_their_own() -> None:
    rows = [
        ("none", "clipn128", "msp"),
        ("none", "nice", "neglabel"),
        ("none", "nice", "msp"),
        ("none", "single", "msp"),
        ("base", "clipn128", "atd"),
        ("base", "nice", "atd"),
        ("four", "clipn128", "atd"),
    ]
    table = pd.DataFrame(rows, columns=["variant", "prompts", "method"])
    shown = build.shown(table, ["none", "base"], "clipn128")
    assert list(shown.itertuples(index=False, name=None)) == [rows[0], rows[1], rows[4]]
    decisions = table.drop(columns="method")
    assert build.shown(decisions, ["base"], "clipn128").index.tolist() == [4]


def test_a_wide_table_without_rows_is_a_sentence(tmp_path: Path) -> None:
    write_descriptions(tmp_path / "datasets", {"imagenet": "ImageNet-1K"})
    build.write_ood_table([], "imagenet", tmp_path / "tables", tmp_path / "datasets", ["none"], "clipn128", {})
    assert (tmp_path / "tables/imagenet_ood.md").read_text() == "**This study has no ID dataset ImageNet-1K.**\n"
    assert json.loads((tmp_path / "tables/imagenet_ood.json").read_text()) == []


def test_other_tables() -> None:
    found = mean_replicates(RUNS, map(replicates, RUNS))
    made = {name: (table, printed) for name, table, printed in build.other_tables(RUNS, found, "demo", OPTIONS, {})}
    assert list(made) == ["id_accuracy", "decisions", "metrics", "differences", "ablations"]
    assert made["metrics"][1] is None
    assert all(printed.title.endswith("study: demo") for _, printed in made.values() if printed)
    differences = made["differences"][0]
    assert set(zip(differences["method"], differences["variant"], strict=True)) == {
        ("msp", "none"),
        ("ctw", "base"),
        ("atd", "four"),
        ("ctw", "four"),
    }
    ctw = differences[(differences["variant"] == "base") & (differences["measure"] == "auroc")]
    assert ctw["difference"].tolist() == pytest.approx([-1] * 3)
    assert made["ablations"][0]["value"].tolist() == ["4", "4"]
    accuracy, printed = made["id_accuracy"]
    assert len(accuracy) == len(printed.lines if printed else []) == 1


def test_ablations_are_of_methods_with_a_no_tower_alone() -> None:
    runs = [BASELINE, BASELINE | {"backbone": "large"}]
    made = {
        name: table
        for name, table, _ in build.other_tables(runs, {}, "demo", build.TableOptions(["none"], "none", "clipn128"), {})
    }
    assert made["ablations"].empty


def test_other_tables_of_a_study_without_a_no_tower() -> None:
    options = build.TableOptions(["none"], "base", "clipn128")
    made = {name: table for name, table, _ in build.other_tables([BASELINE], {}, "demo", options, {})}
    assert [len(made[name]) for name in ("decisions", "differences", "ablations")] == [0, 0, 0]
    assert len(made["metrics"]) == 3 * 5


def test_written_tables_have_all_their_forms(tmp_path: Path) -> None:
    write_study(tmp_path, RUNS, OPTIONS)
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(
        [
            f"{name}.{end}"
            for name in ("id_accuracy", "decisions", "differences", "ablations")
            for end in ("csv", "md", "tex")
        ]
        + ["metrics.csv", "published.csv"]
    )
    assert (tmp_path / "tables/differences.md").read_text().startswith("**Paired differences, study: demo**\n")
    assert " Arithmetic: portable avx2 numpy-2.0.\n" in (tmp_path / "tables/decisions.md").read_text()
    assert set(reading.read_table(tmp_path / "tables/metrics.csv")["arithmetic"]) == {"portable avx2 numpy-2.0"}
    assert r"\toprule" in (tmp_path / "tables/decisions.tex").read_text()


def test_a_table_of_runs_of_several_arithmetics_names_all(tmp_path: Path) -> None:
    runs = write_runs(tmp_path, [BASELINE, *(seed | {"arithmetic": "cuda torch-2.0"} for seed in SEEDS)])
    build.write_ood_table(runs, "cifar10", tmp_path, tmp_path, ["learnable"], "single", {})
    both = "portable avx2 numpy-2.0 and cuda torch-2.0"
    assert set(reading.read_table(tmp_path / "cifar10_ood.csv")["arithmetic"]) == {both}
    assert {row["arithmetic"] for row in read_json(tmp_path / "cifar10_ood.json")} == {both}


def compared(folder: Path, runs: Sequence[Record], study: str, sources: Sequence[str]) -> pd.DataFrame:
    runs = [run | {"study": study} for run in runs]
    metrics = write_runs(folder, runs)
    found = mean_replicates(runs, reading.read_replicates_of(metrics))
    (folder / "metrics.csv").write_text(to_csv(metrics_table(runs, found)))
    (folder / "published.yaml").write_text(yaml.safe_dump(PUBLISHED))
    return build.compared(metrics, folder / "metrics.csv", folder / "published.yaml", study, sources)


def published(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = table[table["published"].notna()]
    return [
        tuple(
            None if pd.isna(row[key]) else row[key]
            for key in ("method", "measure", "run", "measured", "difference", "verdict")
        )
        for row in rows.to_dict("records")
    ]


@pytest.mark.filterwarnings("error")
def test_measured_numbers_meet_published_ones_by_the_weights_of_their_backbone(tmp_path: Path) -> None:
    table = compared(tmp_path, [BASELINE, *SEEDS], "paper", ["tiny:ViT-B-32/openai"])
    assert published(table) == [
        ("msp", "auroc", None, 70.0, -0.5, "agrees"),
        ("msp", "fpr95", None, 60.0, -20.0, "differs"),
        ("ctw", "auroc", 2, 92.0, 0.0, "agrees"),
        ("ctw", "fpr95", 2, 30.0, 0.0, "agrees"),
        ("theirs", "auroc", None, None, None, "not comparable: other study"),
        ("theirs", "fpr95", None, None, None, "not comparable: other study"),
    ]
    assert set(table.loc[table["verdict"] == "not published", "backbone"]) == {"ViT-B-32/openai"}
    low = table.loc[table["method"].eq("msp") & table["measure"].eq("auroc"), "low"]
    assert low.iloc[0] == pytest.approx(68.1)


@pytest.mark.filterwarnings("error")
def test_backbones_trained_here_meet_nothing(tmp_path: Path) -> None:
    table = compared(tmp_path, [BASELINE, *SEEDS], "paper", [])
    assert {verdict for *_, verdict in published(table)} == {"not comparable: other study"}


def test_a_study_that_nobody_published(tmp_path: Path) -> None:
    table = compared(tmp_path, [BASELINE], "demo", ["tiny:ViT-B-32/openai"])
    assert set(table.loc[table["published"].notna(), "verdict"]) == {"not comparable: other study"}
    assert set(table.loc[table["measured"].notna(), "verdict"]) == {"not published"}


def test_published_tables_and_figures_read_the_csv_as_well_as_the_table(tmp_path: Path) -> None:
    table = compared(tmp_path, [BASELINE, *SEEDS], "paper", ["tiny:ViT-B-32/openai"])
    back = written(tmp_path, table)
    assert printed_published(back, {}) == printed_published(table, {})
    assert [printed.header[:4] for printed in printed_published(back, {})] == [
        ("Method", "Backbone", "Variant", "Prompts"),
        ("Method", "Backbone", "Variant", "Prompts"),
        ("Method", "Backbone", "Source", "svhn"),
    ]
    for form in (table, back):
        shifted = form.assign(verdict=form["verdict"].replace("agrees", "differs"))
        words = [text.get_text() for text in published_figure(shifted, "paper").findobj(Text)]
        assert any("AUROC of run 2: 92.00 published, 92.00 measured" in text for text in words)
        assert any("FPR95: 80.00 published, 60.00 measured" in text for text in words)


def test_ablations_of_the_command_line() -> None:
    assert build.parse_ablations(["tokens:16:base", "losses:itbo:itbo_only"]) == [
        Ablation("tokens", "16", "base"),
        Ablation("losses", "itbo", "itbo_only"),
    ]
    for text in ("tokens:16", "tokens:16:base:more"):
        with pytest.raises(
            ClipnError, match=f"--ablation '{text}': write it as SETTING:VALUE:VARIANT, e.g. losses:itbo"
        ):
            build.parse_ablations([text])


def test_the_summary_is_the_average_of_every_method_over_ood_sets_and_seeds() -> None:
    neglabel = [row | {"method": "neglabel", "prompts": "nice"} for row in BASELINE["ood"]]
    plain = {"auroc": 80.0, "fpr95": 50.0}
    found = build.summary([BASELINE | {"ood": BASELINE["ood"] + neglabel}], "cifar10")
    assert found == {"msp": plain, "neglabel": plain}
    assert build.summary(SEEDS, "cifar10") == {"ctw": {"auroc": 86.0, "fpr95": 35.0}}
    assert build.summary(SEEDS, "imagenet") == {}


def test_the_summary_is_of_official_images() -> None:
    clean = [row | {"ood_version": "ninco_clean", "auroc": 1.0} for row in BASELINE["ood"]]
    assert build.summary([BASELINE | {"ood": [*BASELINE["ood"], *clean]}], "cifar10")["msp"]["auroc"] == 80


def test_the_summary_refuses_two_numbers_of_one_method() -> None:
    single = run("none", 0, {("msp", "svhn"): (0.1, 0.1), ("msp", "dtd"): (0.1, 0.1)}, prompts="single")
    with pytest.raises(ClipnError, match="several averages of msp; give metrics of one variant and prompt pool"):
        build.summary([BASELINE, single], "cifar10")


def test_summaries_are_a_file_for_each_id_dataset(tmp_path: Path) -> None:
    build.write_summary(write_runs(tmp_path, SEEDS), ["cifar10", "pets"], tmp_path / "summary")
    written = {path.name: read_json(path) for path in (tmp_path / "summary").iterdir()}
    assert written == {"cifar10.json": {"ctw": {"auroc": 86.0, "fpr95": 35.0}}, "pets.json": {}}


def test_histories_are_named_by_their_paths(tmp_path: Path) -> None:
    folder = tmp_path / "runs/tiny/learnable"
    folder.mkdir(parents=True)
    (folder / "seed1.csv").write_text("step,loss\n1,2.5\n")
    (folder / "seed2.csv").write_text("step,loss\n")
    (folder / "other.csv").write_text("step,loss\n")
    (log,) = reading.read_histories([folder / "seed1.csv", folder / "seed2.csv"])
    assert (log.backbone, log.variant, log.seed, log.log["loss"].tolist()) == ("tiny", "learnable", 1, [2.5])
    with pytest.raises(ClipnError, match=r"other\.csv: expected \.\.\./<backbone>/<variant>/seed<k>\.csv"):
        reading.read_histories([folder / "other.csv"])


def test_scores_and_replicates_lie_where_the_runs_say(tmp_path: Path) -> None:
    (metrics,) = write_runs(tmp_path, [SEEDS[0]])
    (table,) = reading.read_replicates_of([metrics])
    assert table["method"].tolist() == ["ctw"] * 8
    assert np.mean(table["values"][0]) == pytest.approx(0.9)
    path = tmp_path / "scores/tiny/none/single/seed0.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame({"id": ["a"], "dataset": ["a"], "msp": [1.0]}).to_parquet(path)
    (scored,) = reading.read_scores([path])
    assert (scored.backbone, scored.variant, scored.prompts, scored.seed) == ("tiny", "none", "single", 0)
