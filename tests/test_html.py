"""The page stands on its own: parses, links nowhere, says what it was given."""

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from clipn.report.html import CaptionCopy, Context, Picture, Source, page
from clipn.report.tables import decisions_table, id_accuracy_table, ood_table

VOID = {"meta", "img", "link", "br", "hr", "input"}
PNG = b"\x89PNG\r\n\x1a\n not a real picture"

RUNS = [
    {
        "study": "demo",
        "backbone": "tiny",
        "variant": "learnable",
        "seed": seed,
        "prompts": "clipn128",
        "convention": "clipn",
        "ood": [
            {
                "id": "cifar10",
                "ood": "svhn",
                "ood_version": "official",
                "method": "ctw",
                "auroc": 0.9,
                "fpr95": 0.2,
            }
        ],
        "id_accuracy": [{"id": "cifar10", "images": 10000, "top1": 0.9}],
        "decisions": [
            {
                "id": "cifar10",
                "ood": "svhn",
                "ood_version": "official",
                "rule": "ctw",
                "id_accepted": 0.9,
                "ood_rejected": 0.8,
                "balanced_accuracy": 0.85,
            }
        ],
    }
    for seed in (1, 2)
]

CONTEXT = Context(
    study="demo",
    summary="Small & generated <images>.",
    settings="seeds: [1, 2]\n",
    ood={"cifar10": ood_table(RUNS, "cifar10"), "imagenet": ood_table(RUNS, "imagenet")},
    decisions=decisions_table(RUNS),
    id_accuracy=id_accuracy_table(RUNS),
    pictures=[Picture(PNG, "ROC curves.", "One curve per method")],
    sources=[Source("cifar10", 10000, "cifar-10-python.tar.gz", "ab" * 32, "by names")],
    captions=[CaptionCopy("cc3m", 3318333, 2168834, 2891445)],
    versions={"numpy": "2.4.6"},
    commands=["snakemake --config study=demo"],
    titles={"cifar10": "CIFAR-10"},
)


class Outline(HTMLParser):
    """Collects tags and visible text, and checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def outline() -> Outline:
    return Outline(page(CONTEXT))


def test_nothing_is_loaded_from_elsewhere(outline: Outline) -> None:
    names = [name for name, _ in outline.tags]
    assert not {"script", "link", "iframe", "object"} & set(names)
    for _, attributes in outline.tags:
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?:|url\(|@import", page(CONTEXT))


def test_links_lead_to_sections(outline: Outline) -> None:
    targets = {attributes["id"] for attributes in outline.all("section")}
    assert {f"#{target}" for target in targets} == {attributes["href"] for attributes in outline.all("a")}


def test_headings_and_pictures_are_accessible(outline: Outline) -> None:
    assert len(outline.all("h1")) == 1
    (picture,) = outline.all("img")
    assert picture["alt"] == "One curve per method"
    assert b64decode((picture["src"] or "").split(",")[1]) == PNG
    assert all(attributes.get("scope") for attributes in outline.all("th"))


def test_what_was_given_is_shown(outline: Outline) -> None:
    for words in (
        "study: demo",
        "Small & generated <images>.",
        "seeds: [1, 2]",
        "ID: CIFAR-10",
        "ID: imagenet No results",
        "interpolated as in the authors' code",
        "CLIPN-CTW tiny learnable 2 90.00 ± 0.00 20.00 ± 0.00",
        "85.00 ± 0.00 2",
        "10,000 90.00",
        "Figure 1. ROC curves.",
        "cifar-10-python.tar.gz by names " + "ab" * 32,
        "cc3m 3,318,333 2,168,834 2,891,445 75.0%",
        "numpy 2.4.6",
        "snakemake --config study=demo",
    ):
        assert words in outline.text


def test_the_page_is_a_function_of_its_context() -> None:
    assert page(CONTEXT) == page(CONTEXT)
    assert not re.search(r"\b20\d\d-\d\d|\d\d:\d\d", page(CONTEXT))


def test_a_study_without_a_no_tower() -> None:
    bare = [run | {"variant": "none", "decisions": []} for run in RUNS[:1]]
    text = Outline(page(replace(CONTEXT, decisions=decisions_table(bare), pictures=[]))).text
    assert "No run of this study has a “no” tower." in text
