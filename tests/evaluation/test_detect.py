"""What a detector says of files: the same as of the pictures in them, in order, whatever lies between."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from scipy.special import softmax

import clipn
from clipn.errors import ClipnError
from clipn.evaluation.detect import Detection, calibrate_on_files, detect_files
from clipn.features import loading
from clipn.features.loading import FileReading
from clipn.model.backbone import preprocess
from clipn.model.clipn import CLIP
from clipn.scores import SCORES
from tests.helpers.tiny_model import ARCHITECTURE, taught_model, tiny_clip

CLASSES = ["cat", "dog", "axolotl"]
IMAGES = 23
READING = FileReading(batch=4, workers=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(IMAGES)]
    for path in paths:
        PIL.Image.fromarray(rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)).save(path)
    return list(map(str, paths))


@pytest.fixture(scope="module")
def detector() -> clipn.Detector:
    return clipn.Detector(taught_model(), CLASSES, "single")


@pytest.fixture(scope="module")
def plain() -> clipn.Detector:
    return clipn.Detector(CLIP(tiny_clip(), preprocess(ARCHITECTURE)).eval(), CLASSES, "single")


def test_rows_are_what_the_detector_says_of_the_pictures(detector: clipn.Detector, files: list[str]) -> None:
    rows = list(detect_files(detector, files, reading=READING))
    assert [row.file for row in rows] == files
    accepted = detector.accepts(files)
    assert {True, False} == set(accepted.tolist())
    assert [row.decision for row in rows] == ["ID" if value else "OOD" for value in accepted]
    assert [row.best_class for row in rows] == [CLASSES[index] for index in detector.classify(files)]
    np.testing.assert_allclose([row.score for row in rows], detector.score(files, "atd"), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        [row.share for row in rows], softmax(detector.yes_logits(files), axis=1).max(axis=1), atol=1e-5
    )
    assert {row.threshold for row in rows} == {None}
    assert {row.error for row in rows} == {""}


@pytest.mark.parametrize("method", ["ctw", "max_logit", "gen"])
def test_another_method(detector: clipn.Detector, files: list[str], method: str) -> None:
    scores = [row.score for row in detect_files(detector, files, method, reading=READING)]
    np.testing.assert_allclose(scores, detector.score(files, method), rtol=1e-4, atol=1e-4)


def test_another_rule(detector: clipn.Detector, files: list[str]) -> None:
    decisions = [row.decision == "ID" for row in detect_files(detector, files, rule="ctw", reading=READING)]
    assert decisions == detector.accepts(files, "ctw").tolist()


def test_damaged_files_are_rows_with_a_reason(detector: clipn.Detector, files: list[str], tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(Path(files[0]).read_bytes()[:300])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.png").touch()
    bad = [str(tmp_path / name) for name in ("cut.png", "text.jpg", "empty.png", "missing.png")]
    mixed = [*bad, *files[:3], bad[0], *files[3:]]
    rows = list(detect_files(detector, mixed, reading=READING))
    assert [row.file for row in rows] == mixed
    reasons = [row.error for row in rows if row.file in bad]
    assert reasons == [*["truncated or not an image"] * 3, "No such file or directory", "truncated or not an image"]
    assert [row for row in rows if row.file in bad] == [
        Detection(row.file, error=row.error) for row in rows if row.error
    ]
    alone = list(detect_files(detector, files, reading=READING))
    good = [row for row in rows if not row.error]
    np.testing.assert_allclose([row.score for row in good], [row.score for row in alone], rtol=0, atol=1e-5)


def test_a_pipe_and_a_device_are_not_waited_for(detector: clipn.Detector, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zeros.png").symlink_to("/dev/zero")
    files = [str(tmp_path / name) for name in ("pipe.png", "zeros.png")]
    assert [row.error for row in detect_files(detector, files, reading=READING)] == ["is a pipe or a device"] * 2


def test_names_that_no_text_or_no_file_can_have(detector: clipn.Detector, files: list[str], tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(odd)).write_bytes(Path(files[0]).read_bytes())
    rows = list(detect_files(detector, [os.fsdecode(odd), "a\0b.png", "a" * 5000], reading=READING))
    assert rows[0].file == f"{tmp_path}/caf\\xe9.png"
    assert rows[0].score is not None
    assert [row.error for row in rows[1:]] == ["embedded null byte", "File name too long"]


def test_files_are_read_only_a_few_ahead(
    detector: clipn.Detector, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noted(path: Path) -> PIL.Image.Image:
        read.append(str(path))
        return PIL.Image.new("RGB", (32, 32))

    monkeypatch.setattr(loading, "read_picture", noted)
    rows: Iterator[Detection] = detect_files(detector, files, reading=FileReading(batch=2, workers=1))
    next(rows)
    assert len(read) <= 7


# Thresholds


def test_a_calibrated_threshold_decides(detector: clipn.Detector, files: list[str]) -> None:
    calibrated = clipn.Detector(detector.model, CLASSES, "single")
    threshold = calibrate_on_files(calibrated, files, 0.8, "mcm", READING)
    ranking = np.sort(SCORES["mcm"].ranking(detector.yes_logits(files)).numpy())
    # floor(24 x 0.2) = 4, so the fourth smallest.
    assert threshold.ranking == pytest.approx(ranking[3], abs=1e-4)
    assert (threshold.method, threshold.recall, threshold.images) == ("mcm", 0.8, IMAGES)
    rows = list(detect_files(calibrated, files, reading=READING))
    assert {row.threshold for row in rows} == {threshold.score}
    assert [row.decision for row in rows] == ["ID" if row.score >= threshold.score else "OOD" for row in rows]
    assert sum(row.decision == "OOD" for row in rows) == 3


def test_files_and_pictures_give_the_same_threshold(detector: clipn.Detector, files: list[str]) -> None:
    one, other = (clipn.Detector(detector.model, CLASSES, "single") for _ in range(2))
    calibrate_on_files(one, files, 0.9, None, READING)
    other.calibrate(files, 0.9)
    assert one.threshold is not None
    assert other.threshold is not None
    assert one.threshold.ranking == pytest.approx(other.threshold.ranking, abs=1e-4)


def test_a_damaged_file_is_named_and_calibrated_without(
    detector: clipn.Detector, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    calibrated = clipn.Detector(detector.model, CLASSES, "single")
    assert calibrate_on_files(calibrated, [str(tmp_path / "text.jpg"), *files], 0.9, None, READING).images == IMAGES
    assert "text.jpg: truncated or not an image; calibrated without it" in capsys.readouterr().err


def test_a_rule_that_is_named_decides_in_place_of_the_threshold(detector: clipn.Detector, files: list[str]) -> None:
    calibrated = clipn.Detector(detector.model, CLASSES, "single")
    calibrate_on_files(calibrated, files, 0.9, "mcm", READING)
    rows = list(detect_files(calibrated, files, rule="atd", reading=READING))
    assert [row.decision == "ID" for row in rows] == detector.accepts(files, "atd").tolist()
    assert {row.threshold for row in rows} == {None}


# Plain CLIP


def test_plain_clip_scores_and_decides_nothing(plain: clipn.Detector, files: list[str]) -> None:
    rows = list(detect_files(plain, files, reading=READING))
    assert {row.decision for row in rows} == {""}
    np.testing.assert_allclose([row.score for row in rows], plain.score(files, "mcm"), rtol=0, atol=1e-5)


def test_plain_clip_decides_by_a_threshold(plain: clipn.Detector, files: list[str]) -> None:
    calibrated = clipn.Detector(plain.model, CLASSES, "single")
    calibrate_on_files(calibrated, files, 0.9, None, READING)
    assert {row.decision for row in detect_files(calibrated, files, reading=READING)} == {"ID", "OOD"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "atd"}, 'method atd: needs a "no" text tower, which plain CLIP has not; choose another'),
        ({"rule": "atd"}, 'plain CLIP has no threshold-free rule, as these need a "no" text tower; calibrate it'),
    ],
)
def test_what_plain_clip_cannot_say(
    plain: clipn.Detector, files: list[str], asked: dict[str, str], message: str
) -> None:
    with pytest.raises(ClipnError, match=f"^{message}$"):
        list(detect_files(plain, files, reading=READING, **asked))


@pytest.mark.parametrize("what", ["method", "rule"])
def test_a_wrong_name_is_told_before_a_file_is_read(detector: clipn.Detector, what: str) -> None:
    with pytest.raises(ClipnError, match=f"^{what} 'x': choose one of"):
        list(detect_files(detector, ["missing.png"], **{what: "x"}))
