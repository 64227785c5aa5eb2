"""Numbers of a study, recorded and compared with what is measured again."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from clipn.cli import main as cli
from clipn.errors import ClipnError
from clipn.report import recording
from clipn.report.published_numbers import MEASURES, PublishedNumbers, load_published
from clipn.report.recording import record_study
from clipn.report.tables import build
from clipn.report.tables.intervals import metrics_table
from clipn.report.tables.published import published_markdown, published_table
from clipn.report.tables.verdict import sentences
from tests.helpers.report_runs import Record, run, write_runs

ROOT = Path(__file__).parents[2]
PUBLISHED = Path("config/published.yaml")
OTHER_TEXT = "# Mine.\ntolerances:\n  trained_again: {auroc: 4, fpr95: 10, reason: so}  # wide\n\nentries:\n"
ENTRY: dict[str, Any] = {
    "kind": "recorded",
    "study": "demo",
    "commit": "0123456789ab-dirty",
    "machine": "Some CPU",
    "tolerance": "trained_again",
    "id": "cifar10",
    "backbone": "tiny",
    "variant": "learnable",
    "prompts": "clipn128_clean",
    "method": "ctw",
    "runs": 3,
    "cells": {"svhn": [90.0, 20.0]},
}
POOL = {"prompts": "clipn128_clean"}
RUNS = [
    run("none", 0, {("msp", "svhn"): (1 / 3, 0.6), ("msp", "dtd"): (0.9, 0.4)}, **POOL),
    *(
        run("learnable", seed, {("ctw", "svhn"): (0.9 + seed / 7000, 0.2), ("ctw", "dtd"): (0.8, 0.5)}, **POOL)
        for seed in (1, 2, 3)
    ),
    # Neither is shown: another pool, and an ablation.
    run("none", 0, {("msp", "svhn"): (0.2, 0.6), ("msp", "dtd"): (0.2, 0.4)}, prompts="single"),
    run("tokens_8", 1, {("ctw", "svhn"): (0.2, 0.6), ("ctw", "dtd"): (0.2, 0.4)}, **POOL),
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with the study `demo`, which is active, and its twin `mine.v2`, at a commit."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    twin = yaml.safe_load(Path("config/studies/demo.yaml").read_text()) | {"study": "mine.v2"}
    Path("config/studies/mine.v2.yaml").write_text(yaml.safe_dump(twin))
    PUBLISHED.write_text(OTHER_TEXT)
    monkeypatch.setattr(recording, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(recording, "processor", lambda: "Some CPU: 2 GHz")


def finish(study: str, runs: list[Record] = RUNS) -> list[Path]:
    """Metrics of the runs, and `metrics.csv`, as of a finished study."""
    runs = [run | {"study": study} for run in runs]
    folder = Path("results/studies", study)
    build.write_table(folder / "tables", "metrics", metrics_table(runs, {}), "portable")
    return write_runs(folder, runs)


def compare_again(study: str, runs: list[Record] = RUNS) -> pd.DataFrame:
    table = Path("results/studies", study, "tables/metrics.csv")
    return build.compared(finish(study, runs), table, PUBLISHED, study, [])


def measured(auroc: float, **other: object) -> pd.DataFrame:
    """The comparison of one measured AUROC with `ENTRY`."""
    names = {"study": "demo", "id": "cifar10", "ood": "svhn", "ood_version": "official", "backbone": "tiny"}
    names |= {"source": "tiny", "variant": "learnable", "method": "ctw", "measure": "auroc", "convention": ""}
    row = names | POOL | {"mean": auroc, "sd": 0.5, "low": 0, "high": 100, "runs": 3} | other
    published = PublishedNumbers.model_validate(yaml.safe_load(OTHER_TEXT) | {"entries": [ENTRY]})
    means = pd.DataFrame([row])
    return published_table(means, means.iloc[:0].assign(seed=[]), published, str(row["study"]))


@pytest.mark.parametrize(
    ("auroc", "verdict"),
    [(90, "equal"), (90 + 4e-7, "equal"), (90 + 6e-7, "agrees"), (94, "agrees"), (86, "agrees"), (94.01, "differs")],
)
def test_a_measured_number_is_equal_agrees_or_differs(auroc: float, verdict: str) -> None:
    table = measured(auroc)
    assert list(zip(table["measure"], table["verdict"], strict=True)) == [
        ("auroc", verdict),
        ("fpr95", "not measured"),
    ]
    row = table.iloc[0]
    assert (row["source"], row["tolerance"]) == ("commit 0123456789ab-dirty on Some CPU", 4)
    assert row["difference"] == pytest.approx(auroc - 90, abs=1e-6)
    counted = {"equal": "1 equal, 0 agree {}, 0 differ", "agrees": "0 equal, 1 agree {}, 0 differ"}
    expected = counted.get(verdict, "0 equal, 0 agree {}, 1 differ").format("within 4 AUROC points")
    assert sentences(table)[0] == (
        f"1 of 2 recorded numbers were regenerated: {expected} (recorded at commit 0123456789ab-dirty on Some CPU)."
    )


@pytest.mark.parametrize(
    "other",
    [
        {"runs": 2},
        {"variant": "handcrafted"},
        {"prompts": "single"},
        {"method": "atd"},
        {"backbone": "small"},
        {"id": "imagenet"},
        {"ood_version": "ninco_clean"},
    ],
)
def test_another_row_meets_nothing(other: dict[str, object]) -> None:
    table = measured(90, **other)
    assert set(table.loc[table["kind"] == "recorded", "verdict"]) == {"not measured"}
    assert set(table.loc[table["kind"] == "", "verdict"]) <= {"not published"}
    assert sentences(table)[0].startswith("0 of 2 recorded numbers were regenerated (recorded at ")


def test_what_is_recorded_of_another_study_is_left_out() -> None:
    table = measured(90, study="mine.v2")
    assert list(table["verdict"]) == ["not published"]
    assert sentences(table) == ["No published number stands for the data and weights of this study."]


def test_what_was_recorded_is_regenerated() -> None:
    finish("demo")
    entries = record_study(None)
    assert entries == load_published(PUBLISHED).recorded("demo")
    assert [(entry.variant, entry.method, entry.runs, [*entry.cells]) for entry in entries] == [
        ("none", "msp", 1, ["svhn", "dtd", "average"]),
        ("learnable", "ctw", 3, ["svhn", "dtd", "average"]),
    ]
    assert entries[0].cells["svhn"] == [33.333333, 60]
    table = compare_again("demo")
    compared = table[table["kind"] == "recorded"]
    assert (set(compared["verdict"]), len(compared), set(compared["difference"])) == ({"equal"}, 12, {0})
    sentence = (
        "12 of 12 recorded numbers were regenerated: 12 equal, 0 agree within 4 AUROC and 10 FPR95 points, 0 differ "
        "(recorded at commit 0123456789ab on Some CPU: 2 GHz)."
    )
    text = published_markdown(table, {})
    assert text.startswith(f"**{sentence}**\n")
    assert "| MSP | tiny | none | clipn128_clean | svhn | 33.33 | 33.33 | +0.00 (± 4.00) | 60.00 |" in text
    assert "AUROC recorded" in text


def test_a_pair_of_images_that_changes_places_is_noticed() -> None:
    finish("demo")
    record_study("demo")
    changed = [*RUNS[:3], run("learnable", 3, {("ctw", "svhn"): (0.9 + 3 / 7000 + 1 / 360000, 0.2), ("ctw", "dtd"): (0.8, 0.5)}, **POOL)]  # fmt: skip  # noqa: E501
    verdicts = compare_again("demo", changed).set_index(["method", "ood", "measure"])["verdict"]
    assert set(verdicts[verdicts == "agrees"].index) == {("ctw", "svhn", "auroc"), ("ctw", "average", "auroc")}


def test_all_other_text_stays_and_a_new_record_replaces_the_old() -> None:
    finish("demo")
    record_study("demo")
    first = PUBLISHED.read_bytes()
    assert first.startswith(OTHER_TEXT.encode())
    PUBLISHED.write_bytes(first.replace(b"trained_again", b"mine") + b"# End\t\n")
    finish("demo", RUNS[:1])
    assert [entry.method for entry in record_study("demo")] == ["msp"]
    text = PUBLISHED.read_text()
    assert text.startswith(OTHER_TEXT.replace("trained_again", "mine"))
    assert text.endswith("  # End of demo.\n# End\t\n")
    (entry,) = load_published(PUBLISHED).recorded("demo")
    assert (entry.variant, entry.tolerance) == ("none", "mine")
    assert all(len(line) <= 120 for line in text.splitlines())


def test_entries_of_two_studies_live_together() -> None:
    for study in ("demo", "mine.v2"):
        finish(study)
        record_study(study)
    record_study("demo")
    assert [len(load_published(PUBLISHED).recorded(study)) for study in ("demo", "mine.v2")] == [2, 2]
    for study in ("demo", "mine.v2"):
        table = compare_again(study)
        assert sentences(table)[0].startswith("12 of 12 recorded numbers were regenerated: 12 equal, ")


def test_the_command_says_what_it_wrote(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    finish("demo")
    monkeypatch.setattr("sys.argv", ["clipn", "published", "record"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    written = "config/published.yaml: 2 entries of study demo, recorded at commit 0123456789ab on Some CPU: 2 GHz"
    assert capsys.readouterr().out == f"{written}\n"


def refused(study: str, reason: str) -> None:
    """Recording says why not, and leaves the file alone."""
    before = PUBLISHED.read_bytes()
    with pytest.raises(ClipnError, match=reason) as raised:
        record_study(study)
    assert "\n" not in str(raised.value)
    assert PUBLISHED.read_bytes() == before
    assert {path.name for path in PUBLISHED.parent.iterdir()} == {path.name for path in (ROOT / "config").iterdir()}


def test_an_unknown_study_is_refused() -> None:
    refused("nowhere", r"^config/studies/nowhere\.yaml: no such study; set its name to one of .*demo")


def test_an_unfinished_study_is_refused() -> None:
    remedy = "finish the study first: snakemake --cores 8 all --config study=demo"
    refused("demo", rf"^results/studies/demo/tables/metrics\.csv: no such file; {remedy}$")
    finish("demo", RUNS[-1:])
    refused("demo", rf"^results/studies/demo/tables/metrics\.csv: no number of what the study shows; {remedy}$")


def test_a_study_without_the_convention_of_records_is_refused() -> None:
    finish("demo")
    path = Path("results/studies/demo/tables/metrics.csv")
    table = pd.read_csv(path, keep_default_na=False)
    table[table["convention"] != "clipn"].to_csv(path, index=False)
    refused("demo", r"metrics\.csv: holds no FPR95 in the convention clipn; add it to `conventions` of the study$")


def test_a_file_that_cannot_take_the_entries_is_left_as_it_was() -> None:
    finish("demo")
    head, entries = OTHER_TEXT.split("\n\n")
    PUBLISHED.write_text(f"{entries}{head}\n")
    refused("demo", r"^config/published\.yaml: .*; nothing was written \(new entries go to the end of the file")
    PUBLISHED.write_text("entries:\n")
    refused("demo", r"entries: 0\.compare\.demo: no tolerance 'trained_again'; `tolerances` has none")
    PUBLISHED.write_text(OTHER_TEXT + f"  - {ENTRY}\n")
    refused("demo", r"outside the lines that mark its entries; remove its entries, which begin with ctw on cifar10")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"variant": "none"}, "entries.0: variant: ctw needs a variant with a “no” tower; correct it"),
        ({"method": "msp"}, "entries.0: variant: msp has variant `none`; correct it"),
        ({"commit": "main"}, r"entries.0.commit: .*\(got 'main'\)"),
        ({"machine": ""}, "entries.0.machine: "),
        ({"study": "a/b"}, "entries.0.study: "),
        ({"runs": 0}, "entries.0.runs: "),
        ({"compare": {}}, "entries.0.compare: unknown key"),
        ({"kind": "record"}, r"entries.0.kind: no such kind; choose among .*recorded \(got 'record'\)"),
        ({"tolerance": "wide"}, "entries: 0.compare.demo: no tolerance 'wide'; `tolerances` has trained_again"),
    ],
)
def test_mistakes_in_a_recorded_entry_are_refused(changes: dict[str, object], complaint: str) -> None:
    PUBLISHED.write_text(yaml.safe_dump(yaml.safe_load(OTHER_TEXT) | {"entries": [ENTRY | changes]}))
    with pytest.raises(ClipnError, match=rf"published\.yaml: {complaint}"):
        load_published(PUBLISHED)


def test_a_row_is_recorded_once() -> None:
    PUBLISHED.write_text(yaml.safe_dump(yaml.safe_load(OTHER_TEXT) | {"entries": [ENTRY, ENTRY | {"runs": 1}]}))
    with pytest.raises(ClipnError, match=r"entries: 1 repeats 0 \(ctw, commit 0123456789ab-dirty on Some CPU\)"):
        load_published(PUBLISHED)


def test_what_the_project_records_of_its_demo() -> None:
    published = load_published(ROOT / PUBLISHED)
    entries = published.recorded("demo")
    assert len(entries) == 3 * (12 + 2 * 4)
    assert all("average" in entry.cells for entry in entries)
    assert len({entry.source for entry in entries}) == 1
    count = sum(len(list(entry.values())) for entry in entries)
    points = [f"{published.tolerance(entries[0], 'demo', 'average', measure):g}" for measure in MEASURES]
    sentence = (
        f"{count} of {count} recorded numbers were regenerated: {count} equal, 0 agree within {points[0]} AUROC and "
        f"{points[1]} FPR95 points, 0 differ"
    )
    assert sentence in " ".join((ROOT / "README.md").read_text().split())
