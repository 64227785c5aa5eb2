"""The page of all studies: each number is that of its table, and leads to the files behind it."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from clipn.cli import main as cli
from clipn.errors import ClipnError
from clipn.provenance.leaderboard.page import write_leaderboard
from clipn.report.formatting import MISSING
from clipn.report.page.html import page
from clipn.report.tables.build import EXACT
from clipn.report.tables.intervals import mean_replicates, metrics_table
from clipn.report.tables.ood import to_csv
from tests.helpers.html_tables import HtmlCell, HtmlTables, texts
from tests.helpers.nasty import NASTY
from tests.helpers.outline import Outline
from tests.helpers.project import ENVIRONMENT
from tests.helpers.records import Made, home, sha256
from tests.helpers.report_runs import BASELINE, SEEDS, Record, replicates, run
from tests.report.test_html import CONTEXT

CHROMIUM = shutil.which("chromium")
OUTPUT = Path("results/leaderboard.html")
TITLES = {"cifar10": "CIFAR-10", "svhn": "SVHN", "dtd": "Textures <&>"}
PHOTO_RUNS = [
    run("none", 0, {("msp", "svhn"): (0.71, 0.6), ("neglabel", "svhn"): (0.75, 0.5), ("eoe", "svhn"): (0.74, 0.5)}),
    run("none", 0, {("msp", "svhn"): (0.72, 0.6)}, prompts="single"),
    *(run("base", seed, {("atd", "svhn"): (0.8 + seed / 100, 0.3)}) for seed in (1, 2)),
    run("gda-4shot-alpha1.0", 1, {("msp", "svhn"): (0.77, 0.5)}),
]
for number, pool in enumerate(("nice", "single"), start=1):
    PHOTO_RUNS[0]["ood"][number]["prompts"] = pool


def table_of(runs: Sequence[Record]) -> str:
    """`metrics.csv` of some runs."""
    means = mean_replicates(runs, map(replicates, runs))
    return to_csv(metrics_table(runs, means).assign(arithmetic="portable"), EXACT)


def make_study(made: Made, name: str, runs: Sequence[Record], archives: str = "archives") -> None:
    """A finished study, from archives to its page; those of the demo lie in the folder of what it generates."""
    folder, manifests, descriptions = home(name), [], []
    for dataset, title in TITLES.items():
        archive = made.make(f"{folder}/{archives}/{dataset}.tar", "fetch_archive", content=f"{archives} {dataset}")
        found = {"title": title, "classes": [], "archives": {}, "proof": {}, "names": "verified", "images": 40}
        for file, content in (("manifest.parquet", f"{archives} {dataset}"), ("dataset.json", json.dumps(found))):
            path = f"{folder}/datasets/{dataset}/{file}"
            (manifests if "manifest" in file else descriptions).append(path)
            made.make(path, "verify_dataset", archive, content=content)
    metrics = []
    for one in runs:
        scoring = f"{one['backbone']}/{one['variant']}/{one['prompts']}/seed{one['seed']}"
        command = f"clipn score --seed {one['seed']}"
        scores = made.make(f"{folder}/scores/{scoring}.parquet", "score_runs", *manifests, shellcmd=command)
        metrics.append(made.make(f"{folder}/metrics/{scoring}.json", "evaluate_runs", scores))
    text = table_of([one | {"study": name} for one in runs])
    path = f"{folder}/tables/metrics.csv"
    made.make(path, "tables", *metrics, *descriptions, content=text, sha256=sha256(text))
    made.write(f"{folder}/report.html", page(CONTEXT))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A project with the demo and a study of photographs that has no number in common with it."""
    made = Made(tmp_path)
    make_study(made, "demo", [BASELINE, *SEEDS], archives="archives/mirror")
    make_study(made, "photos", PHOTO_RUNS)
    return made


def written(made: Made) -> str:
    write_leaderboard(made.root, made.root / OUTPUT)
    return (made.root / OUTPUT).read_text()


def rows_of(text: str) -> list[list[HtmlCell]]:
    """Rows with numbers, those of all tables."""
    tables = [table for table in HtmlTables(text).tables if table[0][0].text == "Method"]
    return [row for _, *rows in tables for row in rows]


def test_cells_are_those_of_the_tables(made: Made) -> None:
    """As read from the CSV, by rounding alone."""
    found = sorted(
        tuple(row[column] for column in (0, 2, 3, 4, 5, *range(6, 13))) for row in texts(rows_of(written(made)))
    )
    labels = {"msp": "MSP", "ctw": "CLIPN-CTW", "atd": "CLIPN-ATD", "neglabel": "NegLabel", "eoe": "EOE"}
    expected = []
    for study in ("demo", "photos"):
        with (made.root / home(study) / "tables/metrics.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["convention"] in ("", "clipn")]
        sets = {row["ood"] for row in rows}
        for row in rows:
            if row["measure"] != "auroc" or (row["ood"] == "average" and len(sets) == 2):
                continue
            same = ("ood", "variant", "prompts", "method")
            (other,) = (one for one in rows if one["measure"] == "fpr95" and all(one[key] == row[key] for key in same))
            numbers = [
                text
                for values in (row, other)
                for text in (
                    f"{float(values['mean']):.2f}",
                    values["sd"] or MISSING,
                    f"[{values['low']}, {values['high']}]",
                )
            ]
            names = [labels[row["method"]], row["backbone"], row["variant"], row["study"], row["prompts"]]
            expected.append((*names, *numbers, row["runs"]))
    assert found == sorted(expected)
    assert len(found) == 6 + 6


def test_without_a_program_every_table_falls_by_auroc(made: Made) -> None:
    for table in HtmlTables(written(made)).tables:
        if table[0][0].text == "Method":
            aurocs = [float(row[6].text) for row in table[1:]]
            assert aurocs == sorted(aurocs, reverse=True)
    assert len(re.findall(r'<th [^>]*aria-sort="descending">AUROC</th>', written(made))) == 4


def test_every_link_leads_somewhere(made: Made) -> None:
    text = written(made)
    outline = Outline(text)
    anchors = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    links = {str(attributes["href"]) for attributes in outline.all("a")}
    for link in links:
        file, _, anchor = link.partition("#")
        target = Outline((made.root / "results" / file).read_text()) if file else outline
        assert anchor in [attributes.get("id") for _, attributes in target.tags], link
    assert {f"studies/{name}/report.html#{part}" for name in ("demo", "photos") for part in ("ood", "summary")} < links


def test_a_page_elsewhere_links_to_the_studies_too(made: Made) -> None:
    write_leaderboard(made.root, made.root / "my/page.html")
    assert '<a href="../results/studies/demo/report.html#ood">demo</a>' in (made.root / "my/page.html").read_text()


def behind(text: str, cell: HtmlCell) -> list[tuple[str, str]]:
    """Seeds and metrics files that the trace of a number names."""
    (link,) = cell.links
    (part,) = re.findall(rf'<div id="{link.removeprefix("#")}">(.*?)</div>', text, re.DOTALL)
    return re.findall(r"seed (\d+): <a [^>]*>([^<]*)</a>", part)


def test_the_trace_of_a_number_names_seeds_and_files_with_their_hashes(made: Made) -> None:
    text = written(made)
    row = next(row for row in rows_of(text) if row[0].text == "CLIPN-CTW")
    metrics = f"{home('demo')}/metrics/tiny/learnable/clipn128"
    expected = [(str(seed), f"{metrics}/seed{seed}.json") for seed in (1, 2, 3)]
    assert behind(text, row[6]) == behind(text, row[9]) == expected
    hashes = {name: digest for table in HtmlTables(text).tables for name, _, digest, *_ in texts(table)}
    for path in (f"{metrics}/seed1.json", f"{home('demo')}/archives/mirror/svhn.tar"):
        assert hashes[path] == sha256((made.root / path).read_text())
    assert "<pre>clipn score --seed 3</pre>" in text


def test_prompt_pools_have_traces_of_their_own(made: Made) -> None:
    """A method with prompts of its own is in one of the files of its backbone."""
    text = written(made)
    found = {(row[0].text, row[5].text): behind(text, row[6]) for row in rows_of(text) if row[4].text == "photos"}
    files = {pool: ("0", f"{home('photos')}/metrics/tiny/none/{pool}/seed0.json") for pool in ("clipn128", "single")}
    assert found["MSP", "clipn128"] == [files["clipn128"]]
    assert found["MSP", "single"] == [files["single"]]
    assert found["NegLabel", "nice"] == found["EOE", "single"] == [*files.values()]


def test_a_row_says_what_its_method_works_on(made: Made) -> None:
    kinds = {(row[0].text, row[3].text): row[1].text for row in rows_of(written(made)) if row[4].text == "photos"}
    assert kinds["NegLabel", "none"] == "plain CLIP"
    assert kinds["CLIPN-ATD", "base"] == "“no” tower"
    assert kinds["MSP", "gda-4shot-alpha1.0"] == "training images of the ID classes"


def test_other_images_of_the_same_name_stand_apart_and_generated_ones_say_so(made: Made) -> None:
    text = written(made)
    headings = re.findall(r"<h2>(ID: [^<]*)</h2>", text)
    assert headings == ["ID: CIFAR-10 (generated)", "ID: CIFAR-10"]
    demo, photos = re.findall(r'<section id="id-\d">.*?</section>', text, re.DOTALL)
    assert demo.count('<p class="generated">') == demo.count("<table") == 3
    assert photos.count('<p class="generated">') == 0
    assert (
        f"CIFAR-10 {sha256('archives cifar10'):.12}; SVHN {sha256('archives svhn'):.12}. Arithmetic: portable."
        in photos
    )


def test_images_that_are_shrunk_are_other_images(made: Made) -> None:
    record = json.dumps({"shrink": {"size": 8, "quality": 75}})
    contents = f"contents {json.dumps({'the record of svhn in the registry': [record]})}"
    make_study(made, "small", PHOTO_RUNS)
    path = f"{home('small')}/datasets/svhn/manifest.parquet"
    made.make(path, "verify_dataset", f"{home('small')}/archives/svhn.tar", content="archives svhn", params=[contents])
    text = written(made)
    assert text.count("<table class") == 3 + 1 + 1
    assert f"SVHN {sha256('archives svhn'):.12} shrunk to size 8, quality 75. Arithmetic" in text


def test_a_study_that_cannot_be_shown_is_named_and_prevents_no_other(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = rows_of(written(made))
    made.write(f"{home('begun')}/tables/id_accuracy.csv", "")
    for name in ("edited", "odd_record", "stale"):
        make_study(made, name, [BASELINE])
    made.write(f"{home('edited')}/tables/metrics.csv", "study,id\n")
    shutil.copytree(made.root / home("photos"), made.root / home("copied"))
    made.write(f"{home('odd_record')}/provenance/data.jsonl", "{")
    made.write(f"{home('stale')}/metrics/tiny/none/clipn128/seed0.json", "others")
    made.make(f"{home('other_version')}/tables/metrics.csv", "tables", content="study,id\n")
    of_nobody = table_of([BASELINE | {"study": "no_metrics"}])
    made.make(f"{home('no_number')}/tables/metrics.csv", "tables", content=of_nobody.replace("70.0", "x"))
    made.make(f"{home('no_metrics')}/tables/metrics.csv", "tables", content=of_nobody)
    latin = made.root / made.make(f"{home('latin')}/tables/metrics.csv", "tables")
    latin.write_bytes(b"\xe9")
    monkeypatch.chdir(made.root)
    monkeypatch.setattr("sys.argv", ["clipn", "report", "leaderboard", "--output", str(OUTPUT)])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    first, *said = capsys.readouterr().out.splitlines()
    assert first == f"{OUTPUT}: 4 tables of 2 studies"
    reasons = {
        "begun": "not finished: results/studies/begun/tables/metrics.csv is not here; run `snakemake",
        "copied": "results/studies/copied/tables/metrics.csv: no record of how it was made",
        "edited": "results/studies/edited/tables/metrics.csv: is not as it was made",
        "latin": "results/studies/latin/tables/metrics.csv: not a CSV table",
        "no_metrics": "results/studies/no_metrics/tables/metrics.csv: no record says which metrics msp of tiny is from",
        "no_number": "results/studies/no_number: is damaged or of another version (ValueError(",
        "odd_record": "results/studies/odd_record/provenance/data.jsonl: is no file of records",
        "other_version": "metrics.csv: no column 'arithmetic', so it is of another version",
        "stale": "results/studies/stale/tables/metrics.csv: was made from another results/studies/stale/metrics",
    }
    text = OUTPUT.read_text()
    for line, (name, reason) in zip(said, reasons.items(), strict=True):
        assert line.startswith(f"left out: {name}: {reason}")
        assert f"{name} : {reason}" in Outline(text).text
    assert texts(rows_of(text)) == texts(shown)


def test_names_of_studies_and_datasets_are_text(made: Made) -> None:
    names = [name for name in NASTY if "/" not in name and "\0" not in name]
    for name in names:
        (made.root / home(name)).mkdir()
    text = written(made)
    outline = Outline(text)
    assert outline.all("script") == [{}]
    assert "<strong>&amp;lt;</strong>: not finished" in text
    assert "Textures &lt;&amp;&gt;" in text
    assert outline.text.count("is not here; run") == len(names)


def test_a_study_with_a_hostile_name(made: Made) -> None:
    name = "a&b<i>\"'#?"
    make_study(made, name, [BASELINE])
    text = written(made)
    rows = [row for row in rows_of(text) if row[4].text == name]
    assert len(rows) == 3
    assert {link for row in rows for link in row[4].links} == {"studies/a%26b%3Ci%3E%22%27%23%3F/report.html#ood"}
    assert not re.search(r"<i>", text)


def test_nothing_is_loaded_from_elsewhere(made: Made) -> None:
    text = written(made)
    outline = Outline(text)
    assert not re.search(r"https?:|url\(|@import|\bsrc=", text)
    assert not {"link", "iframe", "object", "img"} & {tag for tag, _ in outline.tags}
    assert str(made.root) not in text
    assert text == written(made)


def test_a_project_without_a_study(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match="results/studies: holds no study; go to the project's folder, or make one"):
        write_leaderboard(tmp_path, tmp_path / OUTPUT)
    assert not (tmp_path / OUTPUT).exists()


def test_torch_is_not_imported() -> None:
    code = "import sys, clipn.provenance.leaderboard.page; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True)


CLICKS = """
<script>
const [table] = document.querySelectorAll(".sortable"), [head] = table.tHead.rows, seen = [];
for (const name of ["FPR95", "FPR95", "Method", "Method", "AUROC SD"]) {
  const heading = [...head.cells].find((cell) => cell.innerText === name);
  heading.querySelector("button").click();
  const sorted = [...head.cells].filter((cell) => cell.hasAttribute("aria-sort"));
  const cells = [...table.tBodies[0].rows].map((row) => row.cells[heading.cellIndex].innerText);
  seen.push([...sorted.map((cell) => [cell.innerText, cell.ariaSort]), ...cells]);
}
document.body.dataset.seen = JSON.stringify([document.documentElement.scrollWidth <= innerWidth, ...seen]);
</script>
</body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_click_on_a_heading_sorts(made: Made, tmp_path: Path) -> None:
    """What is unknown comes last."""
    page_with_clicks = tmp_path / "page.html"
    page_with_clicks.write_text(written(made).replace("</body>", CLICKS))
    switches = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    command = [CHROMIUM or "", *switches, page_with_clicks.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    (seen,) = re.findall(r'data-seen="([^"]*)"', shown)
    assert json.loads(seen.replace("&quot;", '"')) == [
        True,
        [["FPR95", "ascending"], "35.00", "50.00"],
        [["FPR95", "descending"], "50.00", "35.00"],
        [["Method", "ascending"], "CLIPN-CTW", "MSP"],
        [["Method", "descending"], "MSP", "CLIPN-CTW"],
        [["AUROC SD", "ascending"], "1.00", MISSING],
    ]
