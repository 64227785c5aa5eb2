"""The page of a study's files: all of it is there, it stands on its own, and it fits small and large screens."""

import hashlib
import json
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from clipn.files import write_json
from clipn.report.page.build import PageContents, PageFiles, page
from clipn.report.page.pictures import KINDS
from clipn.report.tables import build
from clipn.report.tables.ablations import Ablation
from tests.helpers.outline import Outline
from tests.helpers.report_runs import BASELINE, Record, accuracy, decided, run, taught, write_runs, write_study
from tests.helpers.tiny_dataset import encoded

CHROMIUM = shutil.which("chromium")
FIGURES = [
    "published",
    *(f"cifar10_{kind}_tiny" for kind in ("scores", "roc", "intervals", "calibration", "reliability")),
    *(f"cifar10_{kind}_tiny" for kind in ("similarity", "mistakes")),
    "cifar10_backbones",
    "cifar10_ablations",
    "training",
]
OPTIONS = build.TableOptions(["none", "base"], "base", "clipn128", [Ablation("tokens", "4", "four")])
RUNS = [BASELINE, taught("base", 1, 0.8), taught("base", 2, 0.84), taught("four", 1, 0.7)]
SETTINGS = "study: demo\nseeds: [1, 2]\n"


def rendered(
    folder: Path,
    runs: Sequence[Record] = RUNS,
    options: build.TableOptions = OPTIONS,
    study: str = "demo",
    figures: Sequence[str] = FIGURES,
    resamples: int = 41,
    shared: Path | None = None,
    id_datasets: Sequence[str] = ("cifar10", "imagenet"),
    streams: Sequence[Record] = (),
    averages: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The page of a study with one backbone, one checkpoint, and pictures that are their names.

    Data and backbone may lie in the folder of another study.
    """
    metrics = write_study(folder, [run | {"study": study} for run in runs], options, study, resamples)
    build.write_streams_table(write_runs(folder / "streams", streams), study, folder / "tables", folder / "datasets")
    pictures = [folder / "figures" / f"{name}.png" for name in figures]
    weights = [(shared or folder) / "backbones/tiny.safetensors", folder / "runs/tiny/base/seed1.safetensors"]
    for path in (*pictures, *weights):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.stem.encode())
    archives = {f"{number}.tar": "cd" * 32 for number in range(9)}
    proof = dict.fromkeys(archives, "unverified") | {"0.tar": "by names"}
    found = {"title": "CC3M", "classes": [], "archives": archives, "proof": proof, "names": "unverified"}
    write_json(folder / "datasets/cc3m/dataset.json", found | {"images": 3_318_333})
    counts = {"captions": 3_318_333, "with_image": 2_891_445, "trained_on": 2_891_445}
    write_json(folder / "shards/statistics.json", {"sources": {"cc3m": counts}})
    if shared:
        for name in ("datasets", "shards"):
            (folder / name).rename(shared / name)
    data = shared or folder
    files = PageFiles(metrics, pictures, weights, folder, data / "datasets", data / "shards/statistics.json")
    shows = PageContents(study, SETTINGS, id_datasets, options.variants, options.prompts, options.remarks)
    return page(files, replace(shows, averages=averages or {}))


SAW = "Image tower of tiny: TowerNet, which was trained on photographs."


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_page_stands_on_its_own_and_leads_to_its_sections(tmp_path: Path) -> None:
    text = rendered(tmp_path)
    outline = Outline(text)
    assert outline.is_self_contained
    assert not re.search(r"https?:|url\(|@import", text)
    anchors = [attributes["id"] for attributes in outline.all("section")]
    assert anchors == [
        *("summary", "ood", "published", "differences", "decisions", "accuracy", "ablations"),
        *("figures", "traces", "sources", "again"),
    ]
    links = [attributes["href"] for attributes in outline.all("a")]
    assert links[: len(anchors) + 1] == [*(f"#{anchor}" for anchor in anchors), "#published"]
    assert outline.all("script") == [{}]
    assert str(tmp_path) not in text


def test_what_was_measured_and_made_is_shown(tmp_path: Path) -> None:
    text = Outline(rendered(tmp_path)).text
    for words in (
        "study: demo seeds: [1, 2]",
        "ID: imagenet No results for this ID dataset in this study.",
        "MSP tiny none 1 80.00 50.00 70.00 60.00 90.00 40.00",
        "CLIPN-CTW tiny base 2 82.00 ± 2.83 18.00 ± 2.83",
        "Summary No published number stands for the data and weights of this study. Number by number",
        "CIFAR-10 Average MSP tiny none CLIPN-ATD, base -3.00 [-3.00, -3.00] +0.00 [+0.00, +0.00]",
        "Threshold-free decisions, ID: CIFAR-10, study: demo",
        "CIFAR-10 SVHN CLIPN-ATD tiny base 90.00 ± 0.00 80.00 ± 0.00 85.00 ± 0.00",
        "CIFAR-10 tiny clipn128 90.00",
        "CIFAR-10 Positions of a prompt 4 tiny CLIPN-CTW 1 70.00",
        f"backbones/tiny.safetensors {sha256('tiny')}",
        "The numbers were computed with portable avx2 numpy-2.0 ;",
        f"runs/tiny/base/seed1.safetensors {sha256('seed1')}",
        f"have the sha256 {sha256(SETTINGS)}",
        "SVHN 10,000 svhn.tar verified " + "ab" * 32,
        "CC3M 3,318,333 9 archives, see datasets/cc3m/dataset.json by names, unverified",
        "CC3M 3,318,333 2,891,445 2,891,445 100.0%",
        f"numpy {version('numpy')}",
        "snakemake --cores 8 all --config study=demo",
    ):
        assert words in text


def test_averages_over_some_ood_sets_stand_in_the_tables_of_the_id_datasets_that_have_them_all(tmp_path: Path) -> None:
    other = run("none", 0, {("msp", "cifar10"): (0.6, 0.7), ("msp", "dtd"): (0.4, 0.9)})
    both = BASELINE | {"ood": [*BASELINE["ood"], *(row | {"id": "svhn"} for row in other["ood"])]}
    averages = {"near": ["svhn"], "far": ["cifar10", "dtd"], "both": ["dtd"]}
    options = build.TableOptions(["none"], "base", "clipn128")
    found = rendered(tmp_path, [both], options, id_datasets=["cifar10", "svhn"], averages=averages)
    text = Outline(found).text
    assert "MSP tiny none 1 80.00 50.00 70.00 60.00 90.00 40.00 70.00 60.00 90.00 40.00" in text
    assert "MSP tiny none 1 50.00 80.00 50.00 80.00 40.00 90.00 60.00 70.00 40.00 90.00" in text
    headings = [re.findall('"group set">([^<]*)<', table) for table in found.split("<table")]
    assert [names for names in headings if names] == [
        ["Average", "Average (near)", "Average (both)", "SVHN", "Textures"],
        ["Average", "Average (far)", "Average (both)", "CIFAR-10", "Textures"],
    ]


def test_what_an_image_tower_saw_stands_on_the_page_and_below_every_table(tmp_path: Path) -> None:
    text = rendered(tmp_path, options=replace(OPTIONS, remarks=[SAW]))
    assert text.count(SAW) == 1
    for name in ("id_accuracy", "decisions", "differences", "ablations"):
        for ending in ("md", "tex"):
            assert f" {SAW} Arithmetic: " in (tmp_path / f"tables/{name}.{ending}").read_text()


def test_data_and_backbone_of_the_study_that_is_extended(tmp_path: Path) -> None:
    text = Outline(rendered(tmp_path / "more", study="more", shared=tmp_path / "demo")).text
    assert f"../demo/backbones/tiny.safetensors {sha256('tiny')}" in text
    assert f"runs/tiny/base/seed1.safetensors {sha256('seed1')}" in text
    assert "SVHN 10,000 svhn.tar verified" in text
    assert "9 archives, see ../demo/datasets/cc3m/dataset.json" in text
    assert "CC3M 3,318,333 2,891,445 2,891,445 100.0%" in text


def test_ablations_are_left_out_of_the_wide_table(tmp_path: Path) -> None:
    text = Outline(rendered(tmp_path)).text
    assert "CLIPN-CTW tiny four" not in text


def captions_of(text: str) -> list[str]:
    return [str(attributes["alt"]) for attributes in Outline(text).all("img")]


def test_captions_tell_figures_apart(tmp_path: Path) -> None:
    text = rendered(tmp_path, figures=[*FIGURES, "cifar10_scores_ViT-B-16_x"])
    captions = captions_of(text)
    shared = "Scores of CIFAR-10 images against each OOD set; further right is more in-distribution. Backbone:"
    assert {f"{shared} tiny.", f"{shared} ViT-B-16_x.", KINDS["training"].caption} < {*captions}
    assert KINDS["ablations"].caption.format(id_title="CIFAR-10") in captions
    assert len(captions) == len(set(captions)) == len(FIGURES) + 1
    assert "<summary>Figure: Score distributions, ID: CIFAR-10, ViT-B-16_x</summary>" in text


def test_names_of_id_datasets_may_hold_underscores(tmp_path: Path) -> None:
    figures = ["my_pets_roc_tiny", "my_pets_2_roc_tiny", "my_pets_ablations"]
    text = rendered(tmp_path, figures=figures, id_datasets=["my_pets", "my_pets_2"])
    assert captions_of(text) == [
        f"{KINDS['roc'].caption.format(id_title='my_pets')} Backbone: tiny.",
        f"{KINDS['roc'].caption.format(id_title='my_pets_2')} Backbone: tiny.",
        KINDS["ablations"].caption.format(id_title="my_pets"),
    ]


def test_a_study_that_can_be_compared(tmp_path: Path) -> None:
    text = Outline(rendered(tmp_path, study="paper")).text
    assert "1 cell agrees, 3 differ, 28 are not published, 2 published have no counterpart" in text
    assert "ID: CIFAR-10; zero-shot; restated: a note" in text
    assert "70.00 [68.10, 71.90] 70.50 -0.50 (± 1.00)" in text
    apart = "ID: CIFAR-10; test-time; published, not measured in this study AUROC / FPR95 in percent, as printed. "
    assert apart + "These methods adapt to the test images" in text
    assert "Theirs ViT-B-32/openai a paper 99.50 / 1.25" in text


def test_a_study_without_a_no_tower_resamples_and_ablations(tmp_path: Path) -> None:
    options = build.TableOptions(["none"], "base", "clipn128")
    outline = Outline(rendered(tmp_path, [BASELINE], options, figures=FIGURES[1:3], resamples=0))
    assert "No run of this study has a “no” tower and a rule." in outline.text
    assert "Nothing to compare: this study has no resamples" in outline.text
    assert "No published number stands for" in outline.text
    assert "ablations" not in [attributes["id"] for attributes in outline.all("section")]
    assert len(outline.all("img")) == 2


def test_methods_that_adapt_have_a_section_of_their_own(tmp_path: Path) -> None:
    found = run("none", 0, {("adaneg", "svhn"): (0.8, 0.4)}, prompts="nice")
    stream = {"order_seed": 3, "batch": 128, "mix": "shuffled", "id_images": 600, "ood_images": 100}
    outline = Outline(rendered(tmp_path, streams=[found | {"ood": [found["ood"][0] | stream]}]))
    anchors = [attributes["id"] for attributes in outline.all("section")]
    assert anchors[anchors.index("ablations") + 1] == "test-time"
    assert "Numbers that depend on order, batch and mix of the test images" in outline.text
    assert "CIFAR-10 SVHN AdaNeg tiny 3 128 shuffled 1 80.00 40.00" in outline.text


def test_a_fitted_classifier_has_an_accuracy_of_its_own(tmp_path: Path) -> None:
    shared = "The “yes” tower is frozen, so all variants of a backbone share it"
    assert f"{shared}. " in Outline(rendered(tmp_path / "shared")).text
    fitted = run("gda-4shot-alpha1.0", 1, {("msp", "svhn"): (0.8, 0.5)}, id_accuracy=[accuracy(0.95)])
    text = Outline(rendered(tmp_path / "fitted", [*RUNS, fitted])).text
    assert f"{shared}, but for classifiers that are fitted on training images (gda-…). " in text


def test_the_same_files_give_the_same_page(tmp_path: Path) -> None:
    assert rendered(tmp_path) == rendered(tmp_path)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_page_is_the_same_at_every_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init"], check=True, capture_output=True)
    pages = set()
    for message in ("first", "second"):
        command = [
            "git",
            "-c",
            "user.name=n",
            "-c",
            "user.email=e@example.org",
            "commit",
            "--allow-empty",
            "-m",
            message,
        ]
        subprocess.run(command, check=True, capture_output=True)
        pages.add(rendered(tmp_path / "study"))
    assert len(pages) == 1


@pytest.fixture
def look(tmp_path: Path) -> Callable[[str, int, int], dict[str, int]]:
    """What Chromium sees of a page in a window of some size; narrow windows are frames, as Chromium has no narrower."""
    probe = (
        "<script>addEventListener('error', event => document.title += event.message);"
        "addEventListener('load', () => parent.postMessage({wide: document.documentElement.scrollWidth,"
        " inner: innerWidth, tables: document.querySelectorAll('table').length}, '*'))</script>"
    )
    frame = (
        "<meta charset=utf-8><body><script>addEventListener('message',"
        " event => document.body.dataset.seen = JSON.stringify(event.data))</script>"
        '<iframe src="page.html" style="width: {width}px; height: {height}px; border: 0"></iframe>'
    )

    def look(text: str, width: int, height: int) -> dict[str, int]:
        (tmp_path / "page.html").write_text(
            text.replace("<details", "<details open").replace("<head>", f"<head>{probe}")
        )
        (tmp_path / "frame.html").write_text(frame.format(width=width, height=height))
        switches = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--virtual-time-budget=2000",
        ]
        command = [CHROMIUM or "", *switches, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        address = (tmp_path / "frame.html").as_uri()
        done = subprocess.run([*command, address], capture_output=True, text=True, check=True, timeout=60)
        assert "CONSOLE" not in done.stderr
        found = re.search(r'data-seen="([^"]*)"', done.stdout)
        assert found, done.stdout
        seen: dict[str, int] = json.loads(found[1].replace("&quot;", '"'))
        return seen

    return look


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_a_browser_need_not_scroll_sideways(
    tmp_path: Path, look: Callable[[str, int, int], dict[str, int]], width: int, height: int
) -> None:
    """With every fold open, eight OOD sets, long names, and figures of their real size."""
    sets = [f"a_long_name_of_an_ood_set_{number}" for number in range(8)]
    figures = {("msp", ood): (0.7, 0.6) for ood in (*sets, "svhn")}
    runs = [run("none", 0, figures), run("base", 1, {("atd", ood): (0.7, 0.6) for ood in (*sets, "svhn")})]
    runs[1] |= {"decisions": decided({"atd": (0.5, 0.5)})}
    for name in sets:
        found = {"title": name, "classes": [], "archives": {}, "proof": {}, "names": "unverified", "images": 1}
        write_json(tmp_path / "study/datasets" / name / "dataset.json", found)
    text = rendered(tmp_path / "study", runs, study="paper")
    picture = f"data:image/png;base64,{encoded_figure()}"
    seen = look(re.sub(r"data:image/png;base64,[^\"]*", picture, text), width, height)
    assert seen["inner"] == width
    assert seen["wide"] <= seen["inner"]
    assert seen["tables"] >= 8


def encoded_figure() -> str:
    return b64encode(encoded(Image.new("RGB", (1080, 600)), "PNG")).decode()
