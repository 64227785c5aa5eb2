"""Networks of torchvision and timm, with weights of their own number of classes, against direct calls."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from clipn.errors import ClipnError
from clipn.model.network import load_network

PICTURE = Image.fromarray(np.random.default_rng(0).integers(256, size=(70, 90, 3), dtype=np.uint8))


def resnet(classes: int) -> nn.Module:
    torch.manual_seed(classes)
    return models.resnet18(weights=None, num_classes=classes).eval()


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "five.pth"
    torch.save(resnet(5).state_dict(), path)
    return path


def test_a_network_of_torchvision_is_that_of_a_direct_call_with_the_transforms_of_its_weights(five: Path) -> None:
    network = load_network("torchvision/resnet18", five)
    image = models.ResNet18_Weights.IMAGENET1K_V1.transforms()(PICTURE)[None]
    assert network.outputs == 5
    torch.testing.assert_close(network.transform(PICTURE)[None], image, rtol=0, atol=0)
    torch.testing.assert_close(network.module(image), resnet(5)(image), rtol=1e-6, atol=1e-6)


def test_a_network_of_timm_wants_images_as_its_tag_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    direct = timm.create_model("efficientnet_lite0.ra_in1k", pretrained=False, num_classes=7).eval()
    save_file(direct.state_dict(), tmp_path / "seven.safetensors")
    network = load_network("timm/efficientnet_lite0.ra_in1k", tmp_path / "seven.safetensors")
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(direct), is_training=False)
    image = transform(PICTURE)[None]
    assert network.outputs == 7
    torch.testing.assert_close(network.transform(PICTURE)[None], image, rtol=0, atol=0)
    torch.testing.assert_close(network.module(image), direct(image), rtol=1e-6, atol=1e-6)


def test_early_files_that_count_no_batches_are_read(five: Path, tmp_path: Path) -> None:
    early = {
        name: tensor for name, tensor in resnet(5).state_dict().items() if not name.endswith("num_batches_tracked")
    }
    save_file(early, tmp_path / "early.safetensors")
    images = torch.rand(2, 3, 64, 64)
    expected, found = (load_network("torchvision/resnet18", file) for file in (five, tmp_path / "early.safetensors"))
    assert torch.equal(found.module(images), expected.module(images))


def test_a_tag_of_torchvision_chooses_the_preprocessing(tmp_path: Path) -> None:
    torch.save(models.resnet50(weights=None, num_classes=2).state_dict(), tmp_path / "two.pth")
    for tag in models.ResNet50_Weights:
        network = load_network(f"torchvision/resnet50.{tag.name}", tmp_path / "two.pth")
        torch.testing.assert_close(network.transform(PICTURE), tag.transforms()(PICTURE), rtol=0, atol=0)


def test_weights_are_read_and_nothing_else_in_the_file_is_run(tmp_path: Path) -> None:
    torch.save(resnet(5), tmp_path / "whole.pth")
    with pytest.raises(
        ClipnError, match=r"whole\.pth: holds more than tensors \(torchvision\.models\.resnet\.ResNet\)"
    ):
        load_network("torchvision/resnet18", tmp_path / "whole.pth")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("keras/resnet18", "model keras/resnet18: is of no library that is known; write torchvision/NAME or timm/NAME"),
        ("torchvision/resnet", "model torchvision/resnet: torchvision has no such classifier; name one of"),
        ("torchvision/fcn_resnet50", "torchvision has no such classifier"),
        ("torchvision/resnet18.V9", "name one of torchvision/resnet18.IMAGENET1K_V1$"),
        (
            "torchvision/resnet50",
            r"name one of torchvision/resnet50\.IMAGENET1K_V1, torchvision/resnet50\.IMAGENET1K_V2",
        ),
        ("timm/no_such", "model timm/no_such: .*; name one of timm.list_models"),
        ("timm/resnet18.nope", "model timm/resnet18.nope: .*nope.*; name one of timm.list_models"),
        ("timm/hf-hub:a/b", "model timm/hf-hub:a/b: .*; name one of timm.list_models"),
        ("torchvision/resnet34", r"five\.pth: .*; it is no torchvision/resnet34; name its own model"),
        ("torchvision/alexnet", r"five\.pth: .*; it is no torchvision/alexnet; name its own model"),
    ],
)
def test_a_model_that_is_none_or_not_that_of_the_file(five: Path, model: str, message: str) -> None:
    with pytest.raises(ClipnError, match=message):
        load_network(model, five)


def test_a_damaged_file(five: Path, tmp_path: Path) -> None:
    (tmp_path / "half.pth").write_bytes(five.read_bytes()[:1000])
    with pytest.raises(ClipnError, match=r"half\.pth: not a whole weight file"):
        load_network("torchvision/resnet18", tmp_path / "half.pth")
