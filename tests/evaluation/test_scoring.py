"""Scoring against the plain script, however the work is split, and the file that it writes."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import expit

import clipn.evaluation.scoring
from benchmarks import plain_evaluation
from benchmarks.planted import ID, SCALE, Size, detector, plant, scoring_inputs
from clipn.data.manifest import read_manifest, write_manifest
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import IDClassifier, id_classifier
from clipn.evaluation.detector import Detector
from clipn.evaluation.scoring import Methods, load_model, score_features, score_pairs, score_run
from clipn.features.images import read_image_features
from clipn.features.perturbed import read_perturbed_features
from clipn.files import read_json, write_json
from clipn.metrics import measures
from clipn.model.checkpoint import save_checkpoint
from clipn.scores import RULES, SCORES
from tests.helpers.tiny_model import ARCHITECTURE, taught_model

SIZE = Size({ID: 61, "sun": 40}, classes=120, negatives=230, width=512)
ALL = Methods(list(SCORES), list(RULES))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    plant(folder, SIZE, runs=1)
    return folder


@pytest.fixture(scope="module")
def classifier(world: Path) -> IDClassifier:
    negative_labels = scoring_inputs(world).features / "negative_labels" / f"{ID}.safetensors"
    return id_classifier(detector(world, 0), ALL.needs, features(world, ID), negative_labels)


@pytest.fixture(scope="module")
def plain(world: Path) -> dict[str, dict[str, Any]]:
    images, perturbed = plain_evaluation.read_images(world, ID, SIZE.images)
    texts = plain_evaluation.read_texts(world, ID, 0, images[ID], SCALE)
    return {name: plain_evaluation.score(texts, images[name], perturbed[name], SCORES, RULES) for name in images}


def features(world: Path, name: str) -> torch.Tensor:
    return torch.from_numpy(read_image_features(scoring_inputs(world).features / f"{name}.safetensors"))


def perturbed(world: Path, name: str) -> torch.Tensor:
    return read_perturbed_features(scoring_inputs(world).features / "perturbed" / f"{ID}.safetensors")[name]


def scored(world: Path, classifier: IDClassifier, name: str = ID, threads: int = 1) -> pd.DataFrame:
    with ThreadPoolExecutor(threads) as pool:
        return score_features(classifier, features(world, name).numpy(), perturbed(world, name).numpy(), ALL, pool)


def write_scores(world: Path, output: Path, methods: Methods = ALL) -> pd.DataFrame:
    score_pairs(lambda names: detector(world, 0), methods, SIZE.pairs, scoring_inputs(world), output)
    return pd.read_parquet(output)


@pytest.mark.parametrize("name", SIZE.images)
def test_scores_and_decisions_are_those_of_the_plain_script(
    world: Path, classifier: IDClassifier, plain: dict[str, dict[str, Any]], name: str
) -> None:
    found = scored(world, classifier, name)
    assert list(found) == ["prediction", *SCORES, *(f"accepts_{rule}" for rule in RULES)] == list(plain[name])
    for column, expected in plain[name].items():
        values = expit(found[column]) if column in SCORES and SCORES[column].log_odds else found[column]
        np.testing.assert_allclose(values, expected, rtol=1e-12, err_msg=column)
    for rule in RULES:
        assert found[f"accepts_{rule}"].nunique() == 2


@pytest.mark.parametrize("method", SCORES)
def test_metrics_are_those_of_the_plain_script(
    world: Path, classifier: IDClassifier, plain: dict[str, dict[str, Any]], method: str
) -> None:
    ours = measures(*(scored(world, classifier, name)[method] for name in (ID, "sun")))
    found = {"auroc": ours.auroc, "aupr_id": ours.aupr_id, "aupr_ood": ours.aupr_ood, "fpr95": ours.fpr95["clipn"]}
    assert 0.5 < ours.auroc < 1
    assert found == pytest.approx(plain_evaluation.measure(plain[ID][method], plain["sun"][method]), abs=1e-12)


def test_digits_do_not_depend_on_threads(
    world: Path, classifier: IDClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipn.evaluation.scoring, "ROWS", 4)
    pd.testing.assert_frame_equal(scored(world, classifier), scored(world, classifier, threads=2), check_exact=True)


@pytest.mark.parametrize("rows", [1, 7, 60, 61, 62])
def test_images_are_scored_alike_in_any_batch(
    world: Path, classifier: IDClassifier, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    whole = scored(world, classifier)
    monkeypatch.setattr(clipn.evaluation.scoring, "ROWS", rows)
    pd.testing.assert_frame_equal(scored(world, classifier, threads=2), whole, rtol=1e-12)


def test_images_that_differ_in_a_last_digit_do_not_tie(world: Path, classifier: IDClassifier) -> None:
    """In float32 their logits would: products of 512 entries are rounded by more than these images differ."""
    images = np.repeat(features(world, ID)[:1].numpy(), 200, axis=0)
    below_the_limit = images[0].argsort()[:200]
    images[range(200), below_the_limit] = np.nextafter(images[0, below_the_limit], np.float32(0))
    assert len(set((images @ classifier.yes.T.astype(np.float32)).max(axis=1))) < 200
    with ThreadPoolExecutor(1) as pool:
        found = score_features(classifier, images, images, ALL, pool)
    assert found[list(SCORES)].nunique().to_dict() == dict.fromkeys(SCORES, 200)


def test_file_of_a_run(world: Path, classifier: IDClassifier, tmp_path: Path) -> None:
    table = write_scores(world, tmp_path / "scores.parquet")
    assert list(table)[:4] == ["id", "dataset", "row", "label"]
    assert set(table["id"]) == {ID}
    assert list(table["dataset"].unique()) == list(SIZE.images)
    for name, part in table.groupby("dataset"):
        labels = read_manifest(scoring_inputs(world).datasets / str(name) / "manifest.parquet")["label"]
        np.testing.assert_array_equal(part["label"], labels if name == ID else -1)
        np.testing.assert_array_equal(part["row"], range(SIZE.images[str(name)]))
        expected = scored(world, classifier, str(name))
        pd.testing.assert_frame_equal(part[list(expected)].reset_index(drop=True), expected, check_exact=True)


def test_same_scores_same_bytes(world: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.parquet", "other.parquet")]
    for file in files:
        write_scores(world, file, Methods(["msp", "ctw"], ["atd"]))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_model_is_asked_with_the_prompts_and_scale_given(tmp_path: Path) -> None:
    world = tmp_path / "world"
    plant(world, replace(SIZE, width=32), runs=1)
    model, names = taught_model(), [f"class {number}" for number in range(SIZE.classes)]
    save_checkpoint(checkpoint := tmp_path / "model.safetensors", model.state_dict(), ARCHITECTURE, {})
    methods, output = ["mcm", "ctw", "atd"], tmp_path / "scores.parquet"
    score_run(
        scoring_inputs(world),
        {ID: []},
        methods,
        ["ctw"],
        output,
        checkpoint=checkpoint,
        prompts="single",
        logit_scale=50.0,
        threads=torch.get_num_threads(),
    )
    table, expected = pd.read_parquet(output), Detector(model, names, "single", 50.0)
    for method in methods:
        np.testing.assert_allclose(expit(table[method]), expected.score(features(world, ID), method), rtol=1e-9)
    assert table["accepts_ctw"].tolist() == expected.accepts(features(world, ID), "ctw").tolist()
    assert table["prediction"].tolist() == expected.classify(features(world, ID)).tolist()


def test_files_of_other_methods_are_not_read(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world, tmp_path / "world")
    for folder in ("perturbed", "negative_labels"):
        shutil.rmtree(scoring_inputs(tmp_path / "world").features / folder)
    found = write_scores(tmp_path / "world", tmp_path / "scores.parquet", Methods(["msp", "react"]))
    expected = write_scores(world, tmp_path / "all.parquet")
    pd.testing.assert_frame_equal(found, expected[list(found)], check_exact=True)


def test_cleaning_lists_of_the_manifests_are_kept(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world, tmp_path / "world")
    manifest = scoring_inputs(tmp_path / "world").datasets / "sun" / "manifest.parquet"
    looked_at = [None, True, False, *[None] * (SIZE.images["sun"] - 3)]
    write_manifest(pq.read_table(manifest).append_column("clean_ninco", pa.array(looked_at, pa.bool_())), manifest)
    table = write_scores(tmp_path / "world", tmp_path / "scores.parquet", Methods(["msp"]))
    expected = pd.Series([None] * SIZE.images[ID] + looked_at, dtype="boolean", name="clean_ninco")
    pd.testing.assert_series_equal(table["clean_ninco"].astype("boolean"), expected)


def without_classes(world: Path) -> None:
    file = scoring_inputs(world).datasets / ID / "dataset.json"
    write_json(file, read_json(file) | {"classes": []})


def without_an_image(world: Path) -> None:
    manifest = scoring_inputs(world).datasets / "sun" / "manifest.parquet"
    write_manifest(pq.read_table(manifest)[1:], manifest)


def without_features(world: Path) -> None:
    (scoring_inputs(world).features / "sun.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            without_classes,
            f"^{ID}: has no class names, so it cannot be in-distribution; name `classes` in the registry$",
        ),
        (without_an_image, r"^sun: 40 features, 39 images in the manifest; cache them again$"),
        (without_features, r"sun\.safetensors: no such file"),
    ],
)
def test_refusals(world: Path, tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    shutil.copytree(world, tmp_path / "world")
    damage(tmp_path / "world")
    with pytest.raises(ClipnError, match=message):
        write_scores(tmp_path / "world", tmp_path / "scores.parquet", Methods(["msp"]))
    assert not (tmp_path / "scores.parquet").exists()


@pytest.mark.parametrize("given", [{}, {"checkpoint": Path("a"), "backbone": Path("b")}], ids=["neither", "both"])
def test_a_model_comes_from_one_file(given: dict[str, Path]) -> None:
    with pytest.raises(ClipnError, match=r"^give either --checkpoint or --backbone$"):
        load_model(**({"checkpoint": None, "backbone": None} | given), methods=Methods(["msp"]), device="cpu")


def test_a_backbone_alone_says_no_to_nothing() -> None:
    with pytest.raises(ClipnError, match=r"^a method or rule needs a trained `no` tower; give --checkpoint$"):
        load_model(None, Path("b"), Methods(["msp"], ["ctw"]), "cpu")


@pytest.mark.parametrize(
    ("methods", "rules", "message"),
    [(["foo"], [], "method 'foo': choose one of msp,"), ([], ["bar"], "rule 'bar': choose one of ctw, atd,")],
)
def test_unknown_methods_and_rules(methods: list[str], rules: list[str], message: str) -> None:
    with pytest.raises(ClipnError, match=message):
        Methods(methods, rules)
