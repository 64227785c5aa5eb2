"""Files whose header is odd or whose tensors are no numbers are one line; none of them makes a model from a hub."""

import json
import math
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import clipn
from clipn.errors import ClipnError
from clipn.evaluation.classifiers import FORMAT as CLASSIFIERS
from clipn.evaluation.classifiers import Classifiers
from clipn.features.stored import IMAGE_FORMAT, read_image_features
from clipn.model.backbone import FORMAT as BACKBONE
from clipn.model.backbone import architecture, build, load_backbone, preprocess
from clipn.model.checkpoint import FORMAT as CHECKPOINT
from clipn.model.tensors import HEADER, read_arrays, read_safetensors, require_finite, write_safetensors
from tests.helpers.tiny_model import ARCHITECTURE, TEXT, VISION, taught_model, unit

MODEL = taught_model()
Write = Callable[[Any], Path]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the network fails the test, whatever is raised for it."""

    def ask(*arguments: object) -> NoReturn:
        pytest.fail(f"asks the network for {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    monkeypatch.setattr(socket.socket, "connect", ask)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A checkpoint with a header of one's own."""

    def write_header(header: Any) -> Path:
        text = header if isinstance(header, str) else json.dumps(header)
        save_file(MODEL.state_dict(), tmp_path / "m.safetensors", {HEADER: text})
        return tmp_path / "m.safetensors"

    return write_header


def complaint(path: Path, opened: Callable[[Path], object] = clipn.load) -> str:
    """The one line that opening a file gives."""
    with pytest.raises(ClipnError) as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("text", ["", "{", "hello", "[]", "3", "null", '"text"', "[" * 5000])
def test_headers_that_are_no_mapping(write: Write, text: str) -> None:
    expected = f"its header holds no mapping '{HEADER}' as JSON; get the file again, or make it again"
    assert complaint(write(text)) == expected


@pytest.mark.parametrize("given", [None, 3, [], {}, "", "{", "[]", "null", "[" * 5000])
@pytest.mark.parametrize(("kind", "opened"), [(CHECKPOINT, clipn.load), (BACKBONE, load_backbone)])
def test_architectures_that_are_no_mapping(
    write: Write, kind: str, opened: Callable[[Path], object], given: object
) -> None:
    header = {"format": kind} if given is None else {"format": kind, "architecture": given}
    expected = "its header holds no mapping 'architecture' as JSON; get the file again, or make it again"
    assert complaint(write(header), opened) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"vision_cfg": None},
        {"vision_cfg": "ViT-B-32"},
        {"text_cfg": []},
        {"embed_dim": "wide"},
        {"vision_cfg": {**VISION, "patch_size": 0}},
        {"text_cfg": {**TEXT, "heads": 0}},
        {"text_cfg": {**TEXT, "heads": 7}},
        {"vision_cfg": {**VISION, "layers": math.nan}},
    ],
    ids=str,
)
def test_architectures_that_cannot_be_built_name_the_file(write: Write, change: dict[str, Any]) -> None:
    header = {"format": CHECKPOINT, "architecture": json.dumps({**ARCHITECTURE, **change})}
    assert complaint(write(header)).startswith("architecture: open_clip cannot build it (")


@pytest.mark.parametrize(
    "change", [{"vision_cfg": {**VISION, "layers": [10**9]}}, {"text_cfg": {**TEXT, "layers": 10**9}}], ids=str
)
def test_towers_of_absurd_depth_are_not_built(write: Write, change: dict[str, Any]) -> None:
    header = {"format": CHECKPOINT, "architecture": json.dumps({**ARCHITECTURE, **change})}
    assert complaint(write(header)) == "architecture: has more than 1,000 layers; correct it"


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "change",
    [
        {"vision_cfg": {**VISION, "timm_model_name": "hf-hub:timm/resnet18.a1_in1k"}},
        {"vision_cfg": {**VISION, "timm_model_name": "hf_hub:timm/resnet18.a1_in1k", "timm_model_pretrained": True}},
        {"vision_cfg": {**VISION, "timm_model_name": "local-dir:/tmp"}},
        {"text_cfg": {**TEXT, "hf_model_name": "roberta-base"}},
        {"text_cfg": {**TEXT, "hf_model_name": "roberta-base", "hf_model_pretrained": False}},
        {"text_cfg": {**TEXT, "hf_tokenizer_name": "bert-base-uncased"}},
    ],
    ids=str,
)
def test_towers_of_a_hub_are_refused(write: Write, change: dict[str, Any]) -> None:
    header = {"format": CHECKPOINT, "architecture": json.dumps({**ARCHITECTURE, **change})}
    expected = "architecture: has a tower or tokenizer from a hub, which is not asked; choose ViT-B-32, ViT-B-16, ..."
    assert complaint(write(header)) == expected


@pytest.mark.usefixtures("offline")
def test_pretrained_weights_of_timm_are_not_fetched() -> None:
    vision = {"image_size": 32, "timm_model_name": "resnet10t", "timm_model_pretrained": True, "timm_pool": "avg"}
    model = build({**ARCHITECTURE, "vision_cfg": vision})
    assert model.encode_image(torch.zeros(1, 3, 32, 32)).shape == (1, 32)
    assert vision["timm_model_pretrained"]


@pytest.mark.parametrize("settings", [{"resize_mode": "any"}, ["mean"], "plain"])
def test_preprocessing_that_cannot_be_used(settings: object) -> None:
    with pytest.raises(ClipnError, match=r"architecture: `preprocess_cfg` cannot be used \("):
        preprocess({**ARCHITECTURE, "preprocess_cfg": settings})


@pytest.mark.parametrize("text", ["[]", "3", '"ViT-B-32"'])
def test_architectures_in_files_that_hold_no_mapping(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ClipnError, match=r"a\.json: holds no mapping; give a JSON file of keys and values"):
        architecture(str(tmp_path / "a.json"))


@pytest.mark.parametrize("text", ["[]", "null", '{"model_cfg": 3}', '{"model_cfg": []}'])
def test_folders_of_the_hub_without_a_configuration(tmp_path: Path, text: str) -> None:
    (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(ClipnError, match=r"open_clip_config\.json: (holds no mapping|has no `model_cfg`); "):
        clipn.open_model(tmp_path)


# Tensors that are no numbers


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["no.text_projection", "clip.visual.proj"])
def test_checkpoints_that_hold_no_numbers(tmp_path: Path, name: str, value: float) -> None:
    tensors = {key: tensor.clone() for key, tensor in MODEL.state_dict().items()}
    tensors[name][1, 2] = value
    header = {HEADER: json.dumps({"format": CHECKPOINT, "architecture": json.dumps(ARCHITECTURE)})}
    save_file(tensors, tmp_path / "m.safetensors", header)
    assert complaint(tmp_path / "m.safetensors") == f"{name} holds NaN or infinity; delete it and make it again"


@pytest.mark.parametrize("read", [read_safetensors, read_arrays])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_own_files_that_hold_no_numbers(tmp_path: Path, read: Callable[..., object], value: float) -> None:
    tensors = {"a": unit(3), "b": torch.tensor([[1.0, value]])}
    save_file(tensors, tmp_path / "x.safetensors", {HEADER: json.dumps({"format": "clipn-test-1"})})
    said = complaint(tmp_path / "x.safetensors", lambda path: read(path, "clipn-test-1"))
    assert said == "b holds NaN or infinity; delete it and make it again"


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ClipnError, match=r"x\.safetensors: a holds NaN or infinity; it was not written; check the w"):
        write_safetensors(tmp_path / "x.safetensors", {"a": torch.tensor([torch.nan])}, {})
    assert list(tmp_path.iterdir()) == []


def test_all_other_numbers_are_fine(tmp_path: Path) -> None:
    largest = torch.finfo(torch.float32).max
    tensors = {"large": torch.tensor([largest, -largest]), "empty": torch.zeros(0, 4), "scalar": torch.tensor(1.0)}
    tensors |= {"whole": torch.tensor([2**40]), "half": unit(2).half(), "flag": torch.tensor([True])}
    require_finite(tmp_path, tensors, "")
    require_finite(tmp_path, {name: np.asarray(tensor) for name, tensor in tensors.items()}, "")
    require_finite(tmp_path, {"brain": unit(2).bfloat16()}, "")


def test_features_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"pictures": unit(2)}, {"format": IMAGE_FORMAT})
    assert complaint(path, read_image_features) == "holds no float32 features 'image'; delete it and run again"


def test_arrays_that_numpy_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"image": unit(2).bfloat16()}, {"format": IMAGE_FORMAT})
    assert complaint(path, read_image_features).startswith("not a whole safetensors file (")
    assert complaint(path, lambda path: read_arrays(path, "another")) == f"holds '{IMAGE_FORMAT}', expected 'another'"


def test_classifiers_without_scales(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"a": unit(2)}, {"format": CLASSIFIERS})
    assert complaint(path, Classifiers.read).startswith("its header holds no mapping 'logit_scales' as JSON")
