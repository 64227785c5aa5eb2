"""The page stands on its own: parses, links nowhere, says what it was given."""

import re
from base64 import b64decode
from dataclasses import replace

import pytest

from clipn.report.formatting import MISSING
from clipn.report.page.html import CaptionCopy, Context, Picture, Section, Source, Weights, page
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
    summary="Small & generated <images>.",
    settings="seeds: [1, 2]\n",
    settings_hash="ef" * 32,
    arithmetic="portable avx2 numpy-2.0",
    ood={name: printed_ood(ood_table(RUNS, name), TITLES) for name in ("cifar10", "imagenet")},
    sections=[
        Section("published", "Numbers", "What they say.", [NUMBERS, PrintedTable("Empty", "Nothing here.")]),
        Section("hidden", "Hidden", "What is folded.", [NUMBERS], folded="Open me"),
    ],
    pictures=[
        Picture("The study", PNG, "Published numbers"),
        Picture("ID: CIFAR-10", PNG + b"1", "One curve per method"),
        Picture("The study", PNG + b"2", "Losses"),
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
    assert outline.text.partition("2 of 2 recorded numbers were regenerated. Number by number")[0].endswith(
        "study: demo "
    )
    assert outline.all("a")[0]["href"] == "#published"


def test_links_lead_to_sections(outline: Outline) -> None:
    targets = {attributes["id"] for attributes in outline.all("section")}
    assert {f"#{target}" for target in targets} == {attributes["href"] for attributes in outline.all("a")}


def test_headings_and_pictures_are_accessible(outline: Outline) -> None:
    assert len(outline.all("h1")) == 1
    pictures = outline.all("img")
    assert [picture["alt"] for picture in pictures] == ["Published numbers", "Losses", "One curve per method"]
    assert [b64decode((picture["src"] or "").split(",")[1]) for picture in pictures] == [PNG, PNG + b"2", PNG + b"1"]
    assert all(attributes.get("scope") for attributes in outline.all("th"))


def test_tables_scroll_by_themselves_and_have_names(outline: Outline) -> None:
    scrolled = [attributes for attributes in outline.all("div") if attributes.get("class") == "scroll"]
    assert len(scrolled) == len(outline.all("table")) + len(outline.all("img"))
    assert all(attributes["aria-label"] and attributes["tabindex"] == "0" for attributes in scrolled)


def test_figures_of_one_group_stand_together() -> None:
    text = page(CONTEXT)
    assert text.count("<h3>The study</h3>") == text.count("<h3>ID: CIFAR-10</h3>\n<figure>") == 1


def test_best_values_are_strong_and_folded_tables_open_on_a_click() -> None:
    text = page(CONTEXT)
    assert "<strong>1.00 ± 0.10</strong> / 2.00" in text
    assert text.count("<strong>first</strong>") == 2
    opened, _, folded = text.partition("<summary>Open me</summary>")
    assert opened.count("<details>") == 2
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
    bare = replace(CONTEXT, ood={}, sections=[], pictures=[], sources=[], weights=[], captions=[])
    text = Outline(page(bare)).text
    assert "Samples for training" not in text
    assert "Published numbers" not in text


def test_it_says_which_libraries_stand_together() -> None:
    said = "Results of different libraries, kernels or variables stand together here"
    assert said not in page(CONTEXT)
    assert f"{said}: torch-1 (a), torch-2 (b)." in page(replace(CONTEXT, differences="torch-1 (a), torch-2 (b)"))
