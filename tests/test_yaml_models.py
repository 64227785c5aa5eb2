"""YAML files that say a thing twice, or nothing that can be read."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clipn.data.registry import load_registry
from clipn.data.weights_registry import load_weights
from clipn.errors import ClipnError
from clipn.report.published_numbers import load_published
from clipn.yaml_models import NO_YAML, FastLoader, Loader, read_yaml

SIGNS = st.sampled_from(
    [*"{}[]:,-?*&!|>'\"%@#= \n\t_.019ax~<", "&a ", "*a", "<<", "0x_", "2001-13-45", "9" * 5000, "!!timestamp "]
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml") / "file.yaml"


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ClipnError) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", (1, 3)),
        ('a: 1\n"a": 2\n', "a", (1, 2)),
        ("b:\n- c: 1\n  d: {e: 1,\n  e: 2}\n", "e", (3, 4)),
        ("yes: 1\ntrue: 2\n", "true", (1, 2)),
        ("1: x\n'1': y\n", "1", (1, 2)),
        ("0x10: x\n16: y\n", "16", (1, 2)),
        ("b: &b {c: 1}\nd:\n  <<: *b\n  <<: *b\n", "<<", (3, 4)),
        ('{"a": 1, "a": 2}', "a", (1, 1)),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(
    path: Path, text: str, key: str, lines: tuple[int, int]
) -> None:
    first, second = lines
    said = f"{key}: is a key in line {first} and again in line {second}; remove one of them"
    assert refusal(path, text) == said


@pytest.mark.parametrize("load", [load_registry, load_weights, load_published])
def test_no_registry_has_a_key_twice(path: Path, load: object) -> None:
    assert callable(load)
    path.write_text("datasets: {}\ndatasets: {}\n")
    with pytest.raises(ClipnError, match="datasets: is a key in line 1 and again in line 2"):
        load(path)


@pytest.mark.parametrize("record", ["title: No", "title: T, images: yes", "title: T, classes: [cat, no]"])
def test_words_that_yaml_takes_for_truth_are_no_texts_or_numbers(path: Path, record: str) -> None:
    path.write_text(f"datasets: {{a: {{reader: flat, folder: a, {record}}}}}")
    with pytest.raises(
        ClipnError, match=r"true and false, yes and no are neither text nor number; put quotation marks"
    ):
        load_registry(path)


def test_a_number_as_a_text_is_told_how_to_be_one(path: Path) -> None:
    path.write_text("datasets: {a: {reader: flat, folder: a, title: 2023}}")
    with pytest.raises(ClipnError, match=r"a\.title: .* string; put quotation marks around it \(got 2023\)$"):
        load_registry(path)


def test_a_name_that_is_none_is_told_what_to_do(path: Path) -> None:
    path.write_text("datasets: {a: {reader: flat, title: A, archives: [{file: my photos.zip}]}}")
    with pytest.raises(ClipnError, match=r"archives\.0\.file: .*; correct or rename it \(got 'my photos\.zip'\)$"):
        load_registry(path)


def test_what_is_merged_may_be_overruled(path: Path) -> None:
    path.write_text("a: &a {b: 1, c: 1}\nd: &d {<<: *a, b: 2}\ne: {<<: [*d, *a], c: 3}\n")
    assert read_yaml(path) == {"a": {"b": 1, "c": 1}, "d": {"b": 2, "c": 1}, "e": {"b": 2, "c": 3}}


@pytest.mark.parametrize("text", ["[" * 5000, "a: 2001-13-45", "a: !!timestamp x", "a: !!bool x", "9" * 5000])
def test_what_cannot_be_read_is_no_yaml(path: Path, text: str) -> None:
    assert refusal(path, text).startswith("not valid YAML: ")


@given(text=st.lists(SIGNS, max_size=12).map("".join))
def test_any_text_is_read_or_refused(path: Path, text: str) -> None:
    path.write_text(text)
    try:
        read_yaml(path)
    except ClipnError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - many texts are read


def test_a_tab_is_refused_as_snakemake_does(path: Path) -> None:
    assert "found character '\\t' that cannot start any token" in refusal(path, "a: 1\nb:\t2")


def test_the_text_that_is_refused_is_shown(path: Path) -> None:
    assert refusal(path, "a: 1\nb: @c").endswith("line 2, column 4: b: @c ^")


def test_what_libyaml_alone_refuses_is_read(path: Path) -> None:
    path.write_text('a: "\\ud800"')
    assert read_yaml(path) == {"a": "\ud800"}


# `!` alone is None in Python and an empty text in libyaml.
@given(text=st.lists(SIGNS.filter(lambda sign: sign != "!"), max_size=12).map("".join))
def test_what_both_parsers_take_they_read_alike(text: str) -> None:
    read: list[str] = []
    for loader in (Loader, FastLoader):
        try:
            # As text, as NaN equals nothing.
            read.append(str(yaml.load(text, loader)))
        except NO_YAML:
            return
    assert read[0] == read[1]
