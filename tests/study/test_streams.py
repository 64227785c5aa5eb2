"""What a study says of methods that adapt on the test stream, and what follows from it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clipn.planning.sizes import StudySizes
from clipn.study.data import GENERATED_DATA
from clipn.study.paths import StudyPaths
from clipn.study.rules.options import RuleOptions
from clipn.study.scorings import word_methods
from clipn.study.targets import (
    all_files,
    feature_files,
    model_files,
    number_files,
    own_feature_files,
    report_files,
    stream_prompts,
    stream_words,
)
from clipn.yaml_models import first_error
from tests.helpers.studies import GENERATED, WRITTEN, paths, study

TEST_TIME: dict[str, Any] = {"methods": ["adaneg"], "stream": {"seeds": [1, 2]}}
HOME = "results/studies/demo"


def adapting(base: dict[str, Any] = GENERATED, **changes: Any) -> StudyPaths:
    return paths(base, **({"test_time": TEST_TIME, "baselines": ["msp"]} | changes))


def test_a_stream_has_batches_of_128_unless_it_says_otherwise() -> None:
    found = adapting().study.test_time
    assert found is not None
    assert (found.methods, found.stream.seeds, found.stream.batch) == (["adaneg"], [1, 2], 128)
    assert study(GENERATED).test_time is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["mcm"]}, "test_time.methods: 'mcm' looks at one image alone and adapts on nothing; name it"),
        ({"methods": ["tent"]}, "test_time.methods: no method 'tent'; choose among adaneg, adaneg_released, zpe"),
        ({"methods": ["adaneg", "adaneg"]}, "test_time.methods: a method occurs twice; name each once"),
        ({"methods": []}, "test_time.methods: List should have at least 1 item"),
        ({"stream": {"seeds": [1, 1]}}, "test_time.stream.seeds: an order occurs twice; name each seed once"),
        ({"stream": {"seeds": [*range(1001)]}}, "test_time.stream.seeds: List should have at most 1000 items"),
        ({"stream": {"seeds": [1], "batch": 0}}, "test_time.stream.batch: "),
        ({"stream": {"seeds": [1], "order": 2}}, "test_time.stream.order: unknown key"),
        ({"streams": {}}, "test_time.streams: unknown key"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        study(GENERATED | {"test_time": TEST_TIME | changes})
    assert first_error(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"negative_words": None}, "negative_words: `test_time` needs a word list; name a file, or `wordnet`"),
        ({"logit_scale": "checkpoint"}, "logit_scale: `test_time` needs a number, e.g. 100"),
    ],
)
def test_what_streams_need(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        adapting(WRITTEN, **changes)


ZPE: dict[str, Any] = {"methods": ["zpe"], "stream": {"seeds": [1]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": ["single"]}, "prompts: `zpe` weighs those of the first pool, and single has one; name another"),
        ({"captions": {}, "runs": [], "mirror": None}, "captions: `zpe` compares test images with those of captions;"),
    ],
)
def test_what_weighing_prompts_needs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        adapting(WRITTEN, test_time=ZPE, **changes)


def test_weighing_prompts_reads_no_words_but_the_captions_images() -> None:
    found = adapting(WRITTEN, test_time=ZPE, negative_words=None, mirror=None)
    assert found.study.test_time is not None
    assert (word_methods(found.study), stream_words(found)) == ([], [])
    prompts = [f"{HOME}/features/b/prompts/{name}.safetensors" for name in ("imagenet", "cifar10")]
    assert stream_prompts(found) == prompts
    assert {*prompts} < {*feature_files(found)}
    assert f"{HOME}/caption_features/b/views0.safetensors" in model_files(found)
    assert StudySizes(found.study).weighted_texts() == 128 * (1000 + 10)
    assert (stream_prompts(adapting()), StudySizes(adapting().study).weighted_texts()) == ([], 0)


def test_tables_say_what_prompts_were_weighted_by() -> None:
    said = RuleOptions(adapting(test_time=ZPE)).stream_remarks.words
    assert "weighs the prompts of clipn128; images of cc3m stand for those" in said[3]
    assert RuleOptions(adapting()).stream_remarks.words == ["--remark", GENERATED_DATA]


@pytest.mark.parametrize("name", ["adaneg", "zpe"])
def test_such_methods_are_no_zero_shot_ones(name: str) -> None:
    with pytest.raises(ValidationError, match=f"no baseline '{name}'; choose among msp, "):
        adapting(baselines=[name])
    files = {"imagenet": dict.fromkeys(("imagenet", "sun", "places"), "a.csv")}
    theirs = {name: {"backbone": "tiny", "higher": "id", "files": files}}
    with pytest.raises(ValidationError, match=f"imported: '{name}' adapts on the test stream, and stands beside no"):
        study(GENERATED | {"imported": theirs})


def test_files() -> None:
    words = [f"{HOME}/features/tiny/negative_labels/{name}.safetensors" for name in ("imagenet", "cifar10")]
    table = f"{HOME}/tables/test_time.csv"
    found = adapting()
    assert {*words, f"{HOME}/metrics/streams/tiny.json"} < set(feature_files(found))
    # Not for scoring, which then would run again for a method that it does not know.
    assert own_feature_files(found, "tiny") == []
    files = all_files(adapting(baselines=["neglabel"]), [])
    assert len(files) == len(set(files))
    assert {table, "results/tables/test_time.md", "results/tables/test_time.tex"} < set(report_files(found, []))
    assert table in number_files(found)
    without = paths(GENERATED, baselines=["msp"])
    assert not {*words, f"{HOME}/metrics/streams/tiny.json"} & set(feature_files(without))
    assert table in report_files(without, [])
    assert table not in number_files(without)


def test_every_setting_is_told_and_recorded_by_its_key() -> None:
    found = RuleOptions(adapting())
    assert str(found.streams("tiny")) == (
        "tiny --study demo --method adaneg --order-seed 1 --order-seed 2 --batch 128 --logit-scale 100.0"
    )
    assert found.streams("tiny") == {
        "study": "demo",
        "arithmetic": "portable",
        "test_time.methods": ["adaneg"],
        "test_time.stream.seeds": [1, 2],
        "test_time.stream.batch": 128,
        "logit_scale": 100.0,
    }


def test_their_words_are_planned(tmp_path: Path) -> None:
    (words := tmp_path / "words.txt").write_text("a\nb\n")
    settings = {"negative_words": str(words), "baselines": ["msp"]}
    assert StudySizes(study(WRITTEN | settings | {"test_time": TEST_TIME})).word_texts() == 2
    assert StudySizes(study(WRITTEN | settings)).word_texts() == 0
