"""The page stands on its own: parses, links nowhere, says what it was given."""

import re
from base64 import b64decode
from dataclasses import replace

import pytest

from clipn.report.formatting import MISSING
from clipn.report.page.html import OOD, CaptionCopy, Context, Picture, Section, Source, Weights, page
from clipn.report.page.standings import standings
from clipn.report.page.traces import Trace, TracedRun
from clipn.report.tables.layouts import printed_ood
from clipn.report.tables.ood import ood_table
from clipn.report.tables.printed import Cell, PrintedTable, cell
from tests.helpers.outline import Outline
from tests.helpers.report_runs import run

PNG = b"\x89PNG\r\n\x1a\n not a real picture"

RUNS = [run("learnable", seed, {("ctw", "svhn"): (0.9, 0.2)}) for seed in (1, 2)]
TITLES = {"cifar10": "CIFAR-10"}
NUMBERS = PrintedTable(
    "Numbers & <signs>",
    "How to read them.",
    ("Name", "Kind"),
    ("Two", "None"),
    ((cell("first", bold=True), cell("a"), Cell((("1.00 ± 0.10", True), ("2.00", False))), cell(MISSING)),),
)
CONTEXT = Context(
    study="demo",
    verdict="2 of 2 recorded numbers were regenerated.",
    summary=["Small & generated <images>.", "A second sentence."],
    settings="seeds: [1, 2]\n",
    settings_hash="ef" * 32,
    arithmetic="portable avx2 numpy-2.0",
    standings={name: standings(ood_table(RUNS, name)) for name in ("cifar10", "imagenet")},
    ood={name: printed_ood(ood_table(RUNS, name), TITLES) for name in ("cifar10", "imagenet")},
    sections=[
        Section("published", "Numbers", "What they say.", [NUMBERS, PrintedTable("Empty", "Nothing here.")]),
        Section("hidden", "Hidden", "What is folded.", [NUMBERS], folded="Open me"),
    ],
    pictures=[
        Picture("Published", "Published numbers", "published", PNG),
        Picture("Losses", "Losses by step", "training", PNG + b"2"),
        Picture("Curves", "One curve per method", OOD, PNG + b"1", "cifar10"),
        Picture("Mistakes", "Photographs", OOD, PNG + b"3", "cifar10", photographs=True),
    ],
    traces=[
        Trace("tiny", "none", "", []),
        Trace(
            "tiny", "learnable", "variants: {learnable: {epochs: 2}}", [TracedRun("clipn128", 1, "a.json", "12" * 32)]
        ),
    ],
    sources=[Source("cifar10", 10000, "cifar-10-python.tar.gz", "ab" * 32, "by names")],
    weights=[Weights("backbones/tiny.safetensors", "cd" * 32)],
    captions=[CaptionCopy("cc3m", 3318333, 2168834, 2891445)],
    versions={"numpy": "2.4.6"},
    commands=["snakemake --config study=demo"],
    titles=TITLES,
)


@pytest.fixture(scope="module")
def outline() -> Outline:
    return Outline(page(CONTEXT))


def test_nothing_is_loaded_from_elsewhere(outline: Outline) -> None:
    assert outline.is_self_contained
    assert not re.search(r"https?:|url\(|@import", page(CONTEXT))


def test_the_verdict_comes_first(outline: Outline) -> None:
    main = outline.text.partition("How to run it again Summary ")[2]
    assert main.startswith(
        "2 of 2 recorded numbers were regenerated. Number by number Small & generated <images>. A second"
    )


def test_the_summary_names_the_best_methods(outline: Outline) -> None:
    ctw = "90.00 / 20.00 CLIPN-CTW, tiny, learnable"
    assert f"ID set Best method Best with a “no” tower CIFAR-10 {ctw} {ctw} ID: CIFAR-10" in outline.text
    (dot,) = (
        attributes
        for attributes in outline.all("span")
        if attributes.get("class") == "dot no" and "title" in attributes
    )
    assert (dot["style"], dot["title"]) == ("left: 0.00%", "CLIPN-CTW, tiny, learnable: 90.00")


def test_links_lead_to_parts_of_the_page(outline: Outline) -> None:
    targets = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    links = {str(attributes["href"]).removeprefix("#") for attributes in outline.all("a")}
    assert links == targets - {"trace-1"}


def test_a_method_leads_to_what_is_behind_it(outline: Outline) -> None:
    row = re.search(r'<a href="#(trace-\d)">(?:<strong>)?CLIPN-CTW', page(CONTEXT))
    assert row
    assert row[1] == "trace-2"
    assert (
        "tiny, learnable variants: {learnable: {epochs: 2}} prompts clipn128, seed 1: clipn trace a.json"
        in outline.text
    )
    assert "12" * 32 in outline.text


def test_headings_and_pictures_are_accessible(outline: Outline) -> None:
    assert len(outline.all("h1")) == 1
    pictures = outline.all("img")
    found = {picture["alt"]: b64decode((picture["src"] or "").split(",")[1]) for picture in pictures}
    assert found == {picture.caption: picture.png for picture in CONTEXT.pictures}
    assert all(attributes.get("scope") for attributes in outline.all("th"))


def test_tables_scroll_by_themselves_and_have_names(outline: Outline) -> None:
    scrolled = [attributes for attributes in outline.all("div") if attributes.get("class") == "scroll"]
    assert len(scrolled) == len(outline.all("table")) + len(outline.all("img"))
    assert all(attributes["aria-label"] and attributes["tabindex"] == "0" for attributes in scrolled)


def test_figures_stand_folded_beside_their_tables() -> None:
    sections = {
        found[1]: found[2] for found in re.finditer(r'<section id="(\w+)">(.*?)</section>', page(CONTEXT), re.S)
    }
    found = {name: re.findall("<summary>Figure: (.*)</summary>", text) for name, text in sections.items()}
    assert {name: names for name, names in found.items() if names} == {
        "published": ["Published"],
        "figures": ["Losses"],
        "ood": ["Curves", "Mistakes"],
    }


def test_only_drawings_change_their_colours_in_the_dark() -> None:
    figures = re.findall(r'<figure( class="drawing")?>\n.*aria-label="([^"]*)"', page(CONTEXT))
    assert {label: bool(drawing) for drawing, label in figures} == {
        "Published numbers": True,
        "Losses by step": True,
        "One curve per method": True,
        "Photographs": False,
    }


def test_long_tables_open_on_a_click() -> None:
    long = replace(NUMBERS, title="Long", lines=NUMBERS.lines * 16)
    text = page(replace(CONTEXT, sections=[Section("many", "Many", "Lines.", [NUMBERS, long])]))
    assert "<summary>Long</summary>" in text
    assert "<h3>Numbers &amp; &lt;signs&gt;</h3>" in text


def test_best_values_are_strong_and_folded_tables_open_on_a_click() -> None:
    text = page(CONTEXT)
    assert "<strong>1.00 ± 0.10</strong> / 2.00" in text
    assert text.count("<strong>first</strong>") == 2
    _, _, folded = text.partition("<summary>Open me</summary>")
    assert "Numbers &amp; &lt;signs&gt;" in folded.split("</details>")[0]


def test_what_was_given_is_shown(outline: Outline) -> None:
    for words in (
        "study: demo",
        "Small & generated <images>.",
        "seeds: [1, 2]",
        "ID: CIFAR-10",
        "ID: imagenet No results",
        "interpolated as in the authors' code",
        "CLIPN-CTW tiny learnable 2 90.00 ± 0.00 20.00 ± 0.00",
        "What they say. Numbers & <signs> How to read them. Name Kind Two None first a 1.00 ± 0.10 / 2.00 " + MISSING,
        "Empty Nothing here.",
        "CIFAR-10 10,000",
        "backbones/tiny.safetensors " + "cd" * 32,
        "have the sha256 " + "ef" * 32,
        "cifar-10-python.tar.gz by names " + "ab" * 32,
        "cc3m 3,318,333 2,168,834 2,891,445 75.0%",
        "numpy 2.4.6",
        "snakemake --config study=demo",
    ):
        assert words in outline.text


def test_the_page_is_a_function_of_its_context() -> None:
    assert page(CONTEXT) == page(CONTEXT)
    assert not re.search(r"\b20\d\d-\d\d|\d\d:\d\d", page(CONTEXT))


def test_a_page_with_nothing_to_show() -> None:
    bare = replace(
        CONTEXT, standings={}, ood={}, sections=[], pictures=[], sources=[], weights=[], captions=[], traces=[]
    )
    text = Outline(page(bare)).text
    assert "Samples for training" not in text
    assert "Published numbers" not in text


def test_it_says_which_libraries_stand_together() -> None:
    said = "Results of different libraries, kernels or variables stand together here"
    assert said not in page(CONTEXT)
    assert f"{said}: torch-1 (a), torch-2 (b)." in page(replace(CONTEXT, differences="torch-1 (a), torch-2 (b)"))
