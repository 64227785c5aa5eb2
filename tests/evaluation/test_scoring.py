"""Scoring against the plain script, however the work is split, and the file that it writes."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
from benchmarks.planted import ID, SCALE, Size, plant, scoring_inputs, towers
from clipn.data.manifest import read_manifest, write_manifest
from clipn.errors import ClipnError
from clipn.evaluation.class_texts import cache_classifiers
from clipn.evaluation.classifiers import IDClassifier, Towers, id_classifier
from clipn.evaluation.detector import Detector
from clipn.evaluation.scoring import Methods, RunScoring, ScoringInputs, score_features, score_pairs, score_runs
from clipn.features.stored import (
    DISCRIMINANT_FORMAT,
    Features,
    LogOdds,
    read_image_features,
    read_local_features,
    read_perturbed_features,
)
from clipn.metrics import measures
from clipn.metrics.calibration import best_temperature, image_calibration
from clipn.model.backbone import save_backbone
from clipn.model.checkpoint import save_checkpoint
from clipn.model.clipn import CLIPN
from clipn.model.tensors import write_safetensors
from clipn.scores import CALIBRATION, RULES, SCORES
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
    return id_classifier(towers(world, 0), ALL.needs, features(world, ID), scoring_inputs(world).features, ID)


@pytest.fixture(scope="module")
def plain(world: Path) -> dict[str, dict[str, Any]]:
    images, perturbed, local = plain_evaluation.read_images(world, ID, SIZE.images)
    texts = plain_evaluation.read_texts(world, ID, 0, images[ID], SCALE)
    return {
        name: plain_evaluation.score(texts, images[name], perturbed[name], local[name], SCORES, RULES)
        for name in images
    }


def features(world: Path, name: str) -> Features:
    return read_image_features(scoring_inputs(world).features / f"{name}.safetensors")


def perturbed(world: Path, name: str) -> Features:
    return read_perturbed_features(scoring_inputs(world).features / "perturbed" / f"{ID}.safetensors")[name]


def local(world: Path, name: str) -> LogOdds:
    return read_local_features(scoring_inputs(world).features / "local" / f"{ID}.safetensors")[name]


def scored(world: Path, classifier: IDClassifier, name: str = ID, threads: int = 1) -> pd.DataFrame:
    with ThreadPoolExecutor(threads) as pool:
        return score_features(classifier, features(world, name), perturbed(world, name), local(world, name), ALL, pool)


def write_scores(world: Path, output: Path, methods: Methods = ALL) -> pd.DataFrame:
    score_pairs(lambda name: towers(world, 0), methods, SIZE.pairs, scoring_inputs(world), output)
    return pd.read_parquet(output)


def test_features_of_another_size(world: Path, classifier: IDClassifier) -> None:
    images, moved, patches = features(world, ID), perturbed(world, ID), local(world, ID)
    narrow = replace(classifier, words={name: weights[:, 1:] for name, weights in classifier.words.items()})
    wrong: list[tuple[IDClassifier, Features, Features | None, LogOdds | None]] = [
        (classifier, images[:, 1:], moved[:, 1:], patches),
        (classifier, images, moved[1:], patches),
        (narrow, images, moved, patches),
        (classifier, images, None, patches),
        (classifier, images, moved, patches[1:]),
        (classifier, images, moved, None),
    ]
    for given, *of_images in wrong:
        with ThreadPoolExecutor(1) as pool, pytest.raises(ClipnError, match="lack some or differ in size; make them"):
            score_features(given, *of_images, ALL, pool)


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
    images = np.repeat(features(world, ID)[:1], 200, axis=0)
    below_the_limit = images[0].argsort()[:200]
    images[range(200), below_the_limit] = np.nextafter(images[0, below_the_limit], np.float32(0))
    assert len(set((images @ classifier.yes.T.astype(np.float32)).max(axis=1))) < 200
    patches = -5 + 1e-9 * np.arange(200.0)[:, None]
    with ThreadPoolExecutor(1) as pool:
        found = score_features(classifier, images, images, patches, ALL, pool)
    assert found[list(SCORES)].nunique().to_dict() == dict.fromkeys(SCORES, 200)


def test_file_of_a_run(world: Path, classifier: IDClassifier, tmp_path: Path) -> None:
    table = write_scores(world, tmp_path / "scores.parquet")
    assert list(table)[:5] == ["id", "dataset", "row", "path", "label"]
    assert set(table["id"]) == {ID}
    assert list(table["dataset"].unique()) == list(SIZE.images)
    for name, part in table.groupby("dataset"):
        manifest = read_manifest(scoring_inputs(world).datasets / str(name) / "manifest.parquet")
        np.testing.assert_array_equal(part["label"], manifest["label"] if name == ID else -1)
        assert list(part["path"]) == list(manifest["path"])
        np.testing.assert_array_equal(part["row"], range(SIZE.images[str(name)]))
        expected = scored(world, classifier, str(name))
        pd.testing.assert_frame_equal(part[list(expected)].reset_index(drop=True), expected, check_exact=True)


def test_calibration_of_the_id_images(world: Path, classifier: IDClassifier, tmp_path: Path) -> None:
    """By the logits and labels that the plain script reads; nothing is said of OOD images."""
    table = write_scores(world, tmp_path / "scores.parquet", Methods(["msp"]))
    logits = features(world, ID).astype(np.float64) @ classifier.yes.T
    is_id = table["dataset"] == ID
    labels = table.loc[is_id, "label"].to_numpy()
    for name, expected in image_calibration(logits, labels)._asdict().items():
        np.testing.assert_allclose(table.loc[is_id, name], expected, rtol=1e-12)
    np.testing.assert_allclose(table.loc[is_id, "confidence"], expit(table.loc[is_id, "msp"]), rtol=1e-12)
    (temperature,) = set(table.loc[is_id, "temperature"])
    assert temperature == pytest.approx(best_temperature(logits, labels))
    assert table.loc[~is_id, list(CALIBRATION)].isna().all(axis=None)


def test_same_scores_same_bytes(world: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.parquet", "other.parquet")]
    for file in files:
        write_scores(world, file, Methods(["msp", "ctw"], ["atd"]))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_files_of_other_methods_are_not_read(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world, tmp_path / "world")
    for folder in ("perturbed", "local", "negative_labels", "csp", "eoe"):
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


def without_an_image(world: Path) -> None:
    manifest = scoring_inputs(world).datasets / "sun" / "manifest.parquet"
    write_manifest(pq.read_table(manifest)[1:], manifest)


def without_features(world: Path) -> None:
    (scoring_inputs(world).features / "sun.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
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


def test_methods_of_a_no_tower_on_plain_clip(world: Path, tmp_path: Path) -> None:
    plain = Towers(SCALE, towers(world, 0).yes, None)
    message = "^method ctw: needs the logits of a `no` text tower"
    with pytest.raises(ClipnError, match=message):
        score_pairs(
            lambda name: plain, Methods(["ctw"]), SIZE.pairs, scoring_inputs(world), tmp_path / "scores.parquet"
        )


@pytest.mark.parametrize(
    ("methods", "rules", "message"),
    [(["foo"], [], "method 'foo': choose one of msp,"), ([], ["bar"], "rule 'bar': choose one of ctw, atd,")],
)
def test_unknown_methods_and_rules(methods: list[str], rules: list[str], message: str) -> None:
    with pytest.raises(ClipnError, match=message):
        Methods(methods, rules)


# Several runs


SMALL = replace(SIZE, width=32)
CLASSES = [f"class {number}" for number in range(SMALL.classes)]


@dataclass(frozen=True)
class Study:
    """Datasets, features and classifiers of two backbones, and the run on each of them."""

    inputs: ScoringInputs
    classifiers: Path
    runs: dict[str, CLIPN]

    def detector(self, backbone: str, scale: float | None) -> Detector:
        return Detector(self.runs[backbone], CLASSES, "single", scale)

    def features(self, backbone: str) -> torch.Tensor:
        return torch.from_numpy(read_image_features(self.inputs.features / backbone / f"{ID}.safetensors"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    runs = {"one": taught_model(seed=1), "two": taught_model(seed=2)}
    for seed, (backbone, model) in enumerate(runs.items()):
        plant(folder / backbone, SMALL, runs=0, seed=seed)
        shutil.copytree(scoring_inputs(folder / backbone).features, folder / "features" / backbone)
        save_backbone(file := folder / f"{backbone}.safetensors", model.clip, ARCHITECTURE, backbone)
        save_checkpoint(checkpoint := folder / f"{backbone}_run.safetensors", model.state_dict(), ARCHITECTURE, {})
        output = folder / "classifiers" / f"{backbone}.safetensors"
        cache_classifiers(file, {"learnable/seed1": checkpoint}, {ID: CLASSES}, ["single"], output)
    inputs = ScoringInputs(scoring_inputs(folder / "one").datasets, folder / "features")
    return Study(inputs, folder / "classifiers", runs)


def run_scoring(backbone: str, run: str, methods: Methods, output: Path) -> RunScoring:
    return RunScoring(backbone, run, "single", methods, output / f"{backbone}_{run.partition('/')[0]}.parquet")


@pytest.mark.parametrize("scale", [50.0, None])
def test_runs_and_plain_clip_of_two_backbones_are_asked_by_their_own_classifiers(
    study: Study, tmp_path: Path, scale: float | None
) -> None:
    plain, taught = Methods(["msp", "mcm"]), Methods(["ctw", "atd"], ["ctw"])
    cases = [("none", plain), ("learnable/seed1", taught)]
    scorings = [run_scoring(backbone, run, methods, tmp_path) for backbone in study.runs for run, methods in cases]
    score_runs(study.inputs, study.classifiers, scorings, SMALL.pairs, scale, threads=2)
    for scoring in scorings:
        table = pd.read_parquet(scoring.output).query("dataset == @ID")
        detector, images = study.detector(scoring.backbone, scale), study.features(scoring.backbone)
        for method in scoring.methods.scores:
            found = expit(table[method]) if SCORES[method].log_odds else table[method]
            np.testing.assert_allclose(found, detector.score(images, method), rtol=1e-9, err_msg=method)
        assert table["prediction"].tolist() == detector.classify(images).tolist()
        if scoring.methods.rules:
            assert table["accepts_ctw"].tolist() == detector.accepts(images, "ctw").tolist()


def test_plain_clip_tells_the_calibration_of_the_yes_tower_where_it_is_scored(study: Study, tmp_path: Path) -> None:
    cases = {"none": Methods(["msp"]), "learnable/seed1": Methods(["ctw"])}
    both = [run_scoring("one", run, methods, tmp_path) for run, methods in cases.items()]
    alone = run_scoring("two", "learnable/seed1", Methods(["ctw"]), tmp_path)
    score_runs(study.inputs, study.classifiers, [*both, alone], SMALL.pairs)
    told = [{*CALIBRATION} <= {*pd.read_parquet(scoring.output)} for scoring in (*both, alone)]
    assert told == [True, False, True]


def test_a_classifier_that_was_fitted_tells_nothing_of_the_calibration_of_runs(study: Study, tmp_path: Path) -> None:
    classes, width = SMALL.classes, SMALL.width
    tensors = {"weights": torch.zeros(classes, width).double(), "bias": torch.zeros(classes).double()}
    write_safetensors(tmp_path / "fit.safetensors", tensors, {"format": DISCRIMINANT_FORMAT})
    fits = {ID: tmp_path / "fit.safetensors"}
    fitted = RunScoring("one", "none", "single", Methods(["msp"]), tmp_path / "fitted.parquet", fits)
    run = run_scoring("one", "learnable/seed1", Methods(["ctw"]), tmp_path)
    score_runs(study.inputs, study.classifiers, [fitted, run], SMALL.pairs)
    assert all({*CALIBRATION} <= {*pd.read_parquet(scoring.output)} for scoring in (fitted, run))


def test_a_run_scored_among_others_is_scored_as_alone(study: Study, tmp_path: Path) -> None:
    scorings = {
        name: [run_scoring(backbone, "learnable/seed1", ALL, tmp_path / name) for backbone in backbones]
        for name, backbones in {"together": ["one", "two"], "alone": ["two"]}.items()
    }
    for several in scorings.values():
        score_runs(study.inputs, study.classifiers, several, SMALL.pairs)
    assert scorings["together"][1].output.read_bytes() == scorings["alone"][0].output.read_bytes()


@pytest.mark.parametrize(
    ("backbone", "run", "message"),
    [
        ("three", "none", r"classifiers/three\.safetensors: no such file"),
        ("one", "learnable/seed2", r"classifiers/one\.safetensors: has no classifier of learnable/seed2, single, "),
    ],
)
def test_runs_that_were_not_encoded(study: Study, tmp_path: Path, backbone: str, run: str, message: str) -> None:
    scoring = run_scoring(backbone, run, Methods(["msp"]), tmp_path)
    with pytest.raises(ClipnError, match=message):
        score_runs(study.inputs, study.classifiers, [scoring], SMALL.pairs)
    assert not scoring.output.exists()
