"""Stored features that no score could mean anything of."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from clipn.errors import ClipnError
from clipn.evaluation.classifiers import FORMAT, Classifiers
from clipn.features.stored import (
    IMAGE_FORMAT,
    LOCAL_FORMAT,
    NEGATIVES_FORMAT,
    NETWORK_FORMAT,
    PERTURBED_FORMAT,
    PROBE_FORMAT,
    read_chosen_words,
    read_image_features,
    read_local_features,
    read_negative_labels,
    read_network_logits,
    read_norms,
    read_perturbed_features,
    read_probe,
)
from clipn.model.tensors import write_safetensors

GOOD = torch.eye(3, 5)
READERS: list[tuple[str, str, Callable[[Path], object]]] = [
    (IMAGE_FORMAT, "image", read_image_features),
    (PERTURBED_FORMAT, "sun", read_perturbed_features),
    (NEGATIVES_FORMAT, "negatives", read_negative_labels),
    (FORMAT, "none/single/pets/yes", Classifiers.read),
]
every_reader = pytest.mark.parametrize(("file_format", "name", "read"), READERS)


def stored(folder: Path, file_format: str, **tensors: Tensor) -> Path:
    path = folder / "features.safetensors"
    others = {"labels": GOOD} if file_format == NEGATIVES_FORMAT else {}
    write_safetensors(path, others | tensors, {"format": file_format, "logit_scales": "{}"})
    return path


def refusal(path: Path, read: Callable[[Path], object]) -> str:
    with pytest.raises(ClipnError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@every_reader
def test_unit_features_are_read(tmp_path: Path, file_format: str, name: str, read: Callable[[Path], object]) -> None:
    half = torch.nn.functional.normalize(torch.randn(99, 512)).half().float()
    read(stored(tmp_path, file_format, **{name: half}))


@every_reader
@pytest.mark.parametrize("wrong", [0.0, 0.99, 1.01, 1e30])
def test_features_that_are_not_of_length_1(
    tmp_path: Path, file_format: str, name: str, read: Callable[[Path], object], wrong: float
) -> None:
    features = GOOD.clone()
    features[1, 1] = wrong
    said = refusal(stored(tmp_path, file_format, **{name: features}), read)
    assert f"1 of the features '{name}' are not finite or not of length 1; delete it and run again" in said


@every_reader
@pytest.mark.parametrize("features", [torch.empty(0, 5), torch.empty(3, 0), torch.ones(1), GOOD.double()])
def test_features_of_no_row_or_another_kind(
    tmp_path: Path, file_format: str, name: str, read: Callable[[Path], object], features: Tensor
) -> None:
    said = refusal(stored(tmp_path, file_format, **{name: features}), read)
    assert f"holds no float32 features '{name}'; delete it and run again" in said


def test_a_file_without_features(tmp_path: Path) -> None:
    for file_format, read in ((IMAGE_FORMAT, read_image_features), (NEGATIVES_FORMAT, read_negative_labels)):
        assert "holds no float32 features" in refusal(stored(tmp_path, file_format, other=GOOD.clone()), read)


def test_words_that_no_header_names(tmp_path: Path) -> None:
    said = refusal(stored(tmp_path, NEGATIVES_FORMAT, negatives=GOOD.clone()), read_chosen_words)
    assert "holds no words that were chosen; name a file of `clipn features negatives`" in said


@pytest.mark.parametrize("column", [torch.zeros(3, 2).double(), torch.zeros(3).double(), torch.zeros(3, 1)])
def test_log_odds_of_patches_of_another_kind(tmp_path: Path, column: Tensor) -> None:
    said = refusal(stored(tmp_path, LOCAL_FORMAT, sun=column), read_local_features)
    assert "holds no float64 column 'sun'; delete it and run again" in said


def test_features_that_were_cached_without_their_norms(tmp_path: Path) -> None:
    path = stored(tmp_path, IMAGE_FORMAT, image=GOOD.clone())
    assert "has no norms, which features cached earlier lack; delete it and cache them again" in refusal(
        path, read_norms
    )
    assert read_image_features(path).shape == (3, 5)


@pytest.mark.parametrize("norms", [torch.ones(2), torch.ones(3, 1), torch.ones(3).double(), torch.tensor([1.0, 0, 1])])
def test_norms_of_another_kind(tmp_path: Path, norms: Tensor) -> None:
    path = stored(tmp_path, IMAGE_FORMAT, image=GOOD.clone(), norms=norms)
    assert "holds no positive float32 length of every feature; delete it and run again" in refusal(path, read_norms)


@pytest.mark.parametrize("logits", [torch.ones(3), torch.ones(3, 2).double(), torch.empty(0, 2), torch.empty(3, 0)])
def test_logits_of_a_network_of_another_kind(tmp_path: Path, logits: Tensor) -> None:
    path = stored(tmp_path, NETWORK_FORMAT, logits=logits)
    assert "holds no float32 row of logits for every image; delete it and run again" in refusal(
        path, read_network_logits
    )


def test_a_network_or_a_probe_that_lacks_something(tmp_path: Path) -> None:
    assert "lacks logits; delete it" in refusal(
        stored(tmp_path, NETWORK_FORMAT, other=GOOD.clone()), read_network_logits
    )
    assert "lacks bias; delete it" in refusal(stored(tmp_path, PROBE_FORMAT, weights=GOOD.double()), read_probe)
