"""Streams of ID and OOD images: measured as by hand, by order and batch, and the same again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.planted import ID, Size, plant, scoring_inputs
from clipn.adaptation import adaneg
from clipn.cli.main import app
from clipn.errors import ClipnError
from clipn.evaluation.scoring import Methods
from clipn.evaluation.streams import StreamOptions, measure_streams
from clipn.features.stored import read_image_features, read_negative_labels
from clipn.files import read_json
from clipn.metrics import auroc, fpr
from tests.helpers.plain_zpe import plain_mcm, plain_weights
from tests.helpers.planted_prompts import write_prompts

SIZE = Size({ID: 60, "sun": 40, "places": 30}, classes=3, negatives=12, width=16)
NAMES: dict[str, str | int] = {"study": "s", "backbone": "b", "variant": "none", "prompts": "nice", "seed": 0}
OPTIONS = StreamOptions(["adaneg"], [1, 2], batch=16)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    plant(tmp_path, SIZE, runs=0)
    return scoring_inputs(tmp_path).features


def measured(features: Path, options: StreamOptions = OPTIONS, threads: int = 1) -> Path:
    output = features.parent / "streams.json"
    measure_streams({output: (features, NAMES)}, SIZE.pairs, options, threads)
    return output


def test_a_record_per_pair_and_order(features: Path) -> None:
    record = read_json(measured(features))
    assert {key: record[key] for key in NAMES} == NAMES
    assert record["convention"] == "clipn"
    told = ("id", "ood", "ood_version", "method", "order_seed", "batch", "mix", "id_images", "ood_images")
    assert [tuple(row[key] for key in told) for row in record["ood"]] == [
        (ID, name, "official", "adaneg", seed, 16, "shuffled", 60, SIZE.images[name])
        for name in ("sun", "places")
        for seed in (1, 2)
    ]


def test_values_are_those_of_the_shuffled_images(features: Path) -> None:
    known, other = (read_image_features(features / f"{name}.safetensors") for name in (ID, "places"))
    images = [*known, *other]
    order = np.random.default_rng(2).permutation(90).tolist()
    words = read_negative_labels(features / f"negative_labels/{ID}.safetensors")
    found = adaneg.scores(np.array([images[number] for number in order]), *words, batch=16)
    score_of = dict(zip(order, found, strict=True))
    scores = [score_of[number] for number in range(90)]
    row = read_json(measured(features))["ood"][3]
    assert row["auroc"] == auroc(scores[:60], scores[60:])
    assert row["fpr95"] == fpr(scores[:60], scores[60:])


def test_the_same_order_gives_the_same_bytes_and_another_order_or_batch_others(features: Path) -> None:
    before = measured(features).read_bytes()
    assert measured(features, threads=3).read_bytes() == before
    rows = numbers(features, OPTIONS)
    assert rows[0] != rows[1]
    assert numbers(features, StreamOptions(["adaneg"], [2, 1], batch=16)) == [rows[1], rows[0], rows[3], rows[2]]
    assert numbers(features, StreamOptions(["adaneg"], [1, 2], batch=3)) != rows
    assert numbers(features, StreamOptions(["adaneg_released"], [1, 2], batch=16)) != rows


def numbers(features: Path, options: StreamOptions) -> list[tuple[Any, Any]]:
    return [(row["auroc"], row["fpr95"]) for row in read_json(measured(features, options))["ood"]]


ZPE = StreamOptions(["zpe"], [1, 2], batch=16)


def test_weighted_prompts_score_by_mcm(features: Path) -> None:
    """All images of a pair are seen at once: one row, of any order; and its weights stand beside it."""
    texts, pretraining = write_prompts(features, ID)
    rows = read_json(measured(features, ZPE))["ood"]
    told = ("ood", "method", "order_seed", "batch", "mix", "prompts")
    assert [tuple(row[key] for key in told) for row in rows] == [
        (name, "zpe", "any", "all", "shuffled", "five") for name in ("sun", "places")
    ]
    known, other = (read_image_features(features / f"{name}.safetensors").tolist() for name in (ID, "places"))
    weights = plain_weights([*known, *other], texts.tolist(), pretraining.tolist(), 100.0)
    scores = [[plain_mcm(image, texts.tolist(), weights) for image in images] for images in (known, other)]
    np.testing.assert_allclose(rows[1]["weights"], weights, rtol=1e-6)
    # An image that is near its class is more in-distribution.
    assert rows[1]["auroc"] == pytest.approx(auroc(*scores))
    assert rows[1]["auroc"] > 0.55
    assert rows[1]["fpr95"] == pytest.approx(fpr(*scores))


def test_neither_order_nor_batch_nor_threads_count_where_the_stream_is_seen_as_a_whole(features: Path) -> None:
    write_prompts(features, ID)
    before = measured(features, ZPE).read_bytes()
    assert measured(features, StreamOptions(["zpe"], [7], batch=3), threads=2).read_bytes() == before
    both = read_json(measured(features, StreamOptions(["adaneg", "zpe"], [1, 2], batch=16)))["ood"]
    assert [row["order_seed"] for row in both if row["ood"] == "sun"] == [1, 2, "any"]


def test_prompts_of_another_backbone_are_refused(features: Path) -> None:
    with pytest.raises(ClipnError, match="no such file"):
        measured(features, ZPE)
    write_prompts(features, ID, width=12)
    with pytest.raises(ClipnError, match="prompts and images differ in the size of their features; make them again"):
        measured(features, ZPE)


def test_what_does_not_fit_is_refused(features: Path, tmp_path: Path) -> None:
    wider, words = tmp_path / "wider", f"negative_labels/{ID}.safetensors"
    plant(wider, Size({ID: 4, "sun": 4}, classes=3, negatives=12, width=20), runs=0)
    (scoring_inputs(wider).features / words).rename(features / words)
    with pytest.raises(ClipnError, match="labels and images differ in the size of their features; make them again"):
        measured(features)
    (features / words).unlink()
    with pytest.raises(ClipnError, match="no such file"):
        measured(features)
    (scoring_inputs(wider).features / "sun.safetensors").rename(features / "sun.safetensors")
    with pytest.raises(ClipnError, match=f"features of {ID} and sun differ in size; make them again"):
        measured(features)


@pytest.mark.parametrize("scale", ["nan", "0.0"])
def test_a_stream_has_a_positive_number_as_its_scale(features: Path, scale: str) -> None:
    words = f"evaluate-streams b --features {features} --pair {ID}:sun --method adaneg --order-seed 1 --study s"
    with pytest.raises(ClipnError, match=rf"^--logit-scale {scale}: give a positive number up to 1,000,000$"):
        app([*words.split(), "--output", str(features), "--logit-scale", scale], standalone_mode=False)


def test_no_method_stands_on_both_sides() -> None:
    with pytest.raises(ClipnError, match="method 'mcm': does not adapt on a stream; choose one of adaneg, "):
        StreamOptions(["mcm"], [1], batch=16)
    with pytest.raises(ClipnError, match="method 'adaneg': choose one of msp, "):
        Methods(["adaneg"])
