"""The most confident mistakes, with the images that they are about."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image
from scipy.special import logit

from clipn.errors import ClipnError
from clipn.report.figures import gallery as module
from clipn.report.figures.gallery import Albums, gallery
from tests.helpers.tiny_dataset import dataset, encoded, write_files, zipped

CLASSES = ["cat", "dog"]
SHADES = {"cifar10": 0, "svhn": 100, "dtd": 200}
"""Of the first image of a dataset; each further one is 10 lighter."""


@pytest.fixture
def albums(tmp_path: Path) -> Albums:
    """Five images of every dataset in a zip, of `dtd` in a folder that somebody unpacked; in two registries."""
    for name, shade in SHADES.items():
        files = {f"{index}.png": encoded(Image.new("L", (8, 8), shade + 10 * index), "PNG") for index in range(5)}
        (tmp_path / "archives" / name).mkdir(parents=True)
        if name == "dtd":
            write_files(tmp_path / "mine", files)
        else:
            zipped(tmp_path / "archives" / name / f"{name}.zip", files)
    registries = [write_registry(tmp_path / "ours.yaml", "cifar10"), write_registry(tmp_path / "r.yaml", "svhn", "dtd")]
    return Albums(registries, tmp_path / "archives", {"dtd": tmp_path / "mine"})


def write_registry(path: Path, *names: str) -> Path:
    records = {name: dataset(f"{name}.zip").model_dump(mode="json") for name in names}
    path.write_text(yaml.safe_dump({"datasets": records}))
    return path


def scored(dataset: str, rows: list[tuple[float, bool]], id_dataset: str = "cifar10") -> pd.DataFrame:
    """Scores of a dataset; `rows` hold probability of ID and whether the rule accepts; odd rows are taken for dogs."""
    indices = range(len(rows))
    return pd.DataFrame(
        {
            "id": id_dataset,
            "dataset": dataset,
            "row": indices,
            "label": [0 if dataset == id_dataset else -1 for _ in indices],
            "prediction": [index % 2 for index in indices],
            "atd": [logit(probability) for probability, _ in rows],
            "accepts_atd": [accepted for _, accepted in rows],
        }
    )


SCORES = pd.concat(
    [
        scored("cifar10", [(0.9, True), (0.3, False), (0.6, True), (0.1, False), (0.2, True)]),
        scored("svhn", [(0.95, False), (0.7, True), (0.2, False), (0.6, True)]),
        scored("dtd", [(0.1, False), (0.2, False), (0.8, True)]),
        scored("svhn", [(0.99, True)] * 2, id_dataset="cifar100"),
    ],
    ignore_index=True,
)


def shade(image: Image.Image) -> object:
    darkest, lightest = image.convert("L").getextrema()
    assert darkest == lightest
    return darkest


def test_accepted_ood_images_of_highest_score_and_rejected_id_images_of_lowest(albums: Albums) -> None:
    found = gallery(SCORES, "cifar10", CLASSES, albums)
    assert [(item.truth, item.taken_for, round(item.score, 9), item.is_id) for item in found] == [
        ("dtd", "cat", 0.8, False),
        ("svhn", "dog", 0.7, False),
        ("svhn", "dog", 0.6, False),
        ("cat", "dog", 0.1, True),
        ("cat", "dog", 0.3, True),
    ]
    assert [shade(item.image) for item in found] == [220, 110, 130, 30, 10]


def test_an_id_image_without_a_label_is_said_to_have_none(albums: Albums) -> None:
    found = gallery(SCORES.assign(label=-1), "cifar10", CLASSES, albums)
    assert [(item.truth, item.taken_for) for item in found if item.is_id] == [("no label", "dog"), ("no label", "dog")]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(2, [0.9, 0.8]), (3, [0.9, 0.8, 0.5]), (4, [0.9, 0.8, 0.5, 0.7]), (9, [0.9, 0.8, 0.5, 0.7, 0.6])],
)
def test_of_images_that_are_taken_for_the_same_the_third_stands_behind_others(
    albums: Albums, monkeypatch: pytest.MonkeyPatch, count: int, shown: list[float]
) -> None:
    monkeypatch.setattr(module, "COUNT", count)
    alike = scored("svhn", [(0.7, True), (0.9, True), (0.6, True), (0.8, True)]).assign(prediction=0)
    other = scored("dtd", [(0.5, True)])
    scores = pd.concat([SCORES[SCORES["dataset"] == "cifar10"], alike, other], ignore_index=True)
    found = gallery(scores, "cifar10", CLASSES, albums)
    assert [round(item.score, 9) for item in found if not item.is_id] == shown


def test_only_so_many_of_each_kind(albums: Albums, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNT", 1)
    assert [shade(item.image) for item in gallery(SCORES, "cifar10", CLASSES, albums)] == [220, 30]


def test_a_run_without_mistakes_has_no_pictures(albums: Albums) -> None:
    right = SCORES.assign(accepts_atd=SCORES["dataset"] == "cifar10")
    assert gallery(right, "cifar10", CLASSES, albums) == []


def test_scores_of_runs_without_the_rule(albums: Albums) -> None:
    for column in ("atd", "accepts_atd"):
        with pytest.raises(ClipnError, match="mistakes: the scores have no atd and accepts_atd; score a run with that"):
            gallery(SCORES.drop(columns=column), "cifar10", CLASSES, albums)


def test_fewer_images_than_scores(albums: Albums) -> None:
    longer = scored("svhn", [(0.1, False)] * 5 + [(0.9, True)])
    with pytest.raises(ClipnError, match="svhn: has fewer images than its scores; verify the dataset"):
        gallery(longer, "cifar10", CLASSES, albums)
