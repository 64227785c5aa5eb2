"""Parameters of rules are recorded by key, and give commands their options."""

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipn.study.rules.parameters import (
    MISSING,
    Contents,
    Settings,
    changed_values,
    flattened,
    is_keyed,
    repeated,
    settings_of,
)
from clipn.training.settings import Variant


def test_settings_are_recorded_with_their_keys_and_printed_as_options() -> None:
    found = settings_of({"batch_size": 256, "tokens": None, "repair": True, "flip": False, "words": "a b"}, "captions")
    assert str(found) == "--batch-size 256 --repair --no-flip --words 'a b'"
    assert repr(found) == (
        'settings {"captions.batch_size": 256, "captions.flip": false, "captions.repair": true, '
        '"captions.tokens": null, "captions.words": "a b"}'
    )
    assert isinstance(found, dict)  # Snakemake records values of builtin types only


def test_a_list_repeats_its_option_under_another_name() -> None:
    found = settings_of({"baselines": ["msp", "mcm"]}, options={"baselines": "method"})
    assert str(found) == "--method msp --method mcm"
    assert found == {"baselines": ["msp", "mcm"]}


def test_all_settings_of_a_model_have_an_option_but_those_that_are_none() -> None:
    words = shlex.split(str(settings_of(Variant())))
    options = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
    assert options == {name for name, value in Variant().model_dump().items() if value is not None}


def test_a_sum_has_the_settings_and_the_options_of_both() -> None:
    found = Settings({"a": 1}, ["--a", "1"]) + Settings({"b": 2}) + Settings({}, ["--c", "3"])
    assert (found, str(found)) == ({"a": 1, "b": 2}, "--a 1 --c 3")


def test_a_sum_has_one_value_of_a_key() -> None:
    assert Settings({"a": 1}, ["--a", "1"]) + Settings({"a": 1}) == {"a": 1}
    with pytest.raises(ValueError, match="two values of a, c; record them under keys of their own"):
        Settings({"c": 1, "a": 1, "b": None}) + Settings({"c": 2, "a": None, "b": None})


def test_contents_are_recorded_and_print_no_option() -> None:
    assert repr(Contents({"the prompt pool größe": None})) == 'contents {"the prompt pool größe": null}'


def test_repeated_options_are_quoted() -> None:
    words = repeated("--pair", ["imagenet:sun", "it's"])
    assert str(Settings({}, words)) == "--pair imagenet:sun --pair 'it'\"'\"'s'"


@given(st.lists(st.text()), st.lists(st.text()))
def test_a_shell_reads_the_words_that_were_given(words: list[str], more: list[str]) -> None:
    assert shlex.split(str(Settings({"a": 1}, words) + Settings({"b": 2}, more))) == [*words, *more]


def test_flattened_keys_have_dots_between_their_parts() -> None:
    nested = {"study": "s", "captions": {"crawl": {"rounds": 2}, "sources": ["a"]}, "pairs": {}}
    assert flattened(nested) == {"study": "s", "captions.crawl.rounds": 2, "captions.sources": ["a"], "pairs": {}}


@pytest.mark.parametrize(
    ("then", "now", "changed"),
    [
        ([Settings({"a": 1, "b": 2})], [Settings({"b": 3, "a": 1})], {"b": (2, 3)}),
        ([Settings({"a": 1}), Settings({"b": 2})], [Settings({"b": 2, "a": 1})], {}),
        ([Settings({"a": 1})], [Settings({"b": 1})], {"a": (1, MISSING), "b": (MISSING, 1)}),
        ([Settings({"a": [1, 2]})], [Settings({"a": [2, 1]})], {"a": ([1, 2], [2, 1])}),
        ([Settings({"a": 1})], [Contents({"a": 2})], {"a": (1, MISSING)}),
        ([Settings({"a": None})], [Settings({})], {"a": (None, MISSING)}),
        (["--a 1"], [Settings({"a": 1})], {"a": (MISSING, 1)}),
    ],
)
def test_changed_values(then: list[Any], now: list[Any], changed: dict[str, Any]) -> None:
    old, new = ([text if isinstance(text, str) else repr(text) for text in texts] for texts in (then, now))
    assert changed_values(old, new, Settings) == changed


def test_texts_that_are_keyed() -> None:
    assert is_keyed(repr(Settings({}))) and is_keyed(repr(Contents({})))  # noqa: PT018
    assert not is_keyed("'settings of the page'")
    assert not is_keyed("0123")
