"""Architectures told by the shapes of their tensors."""

from pathlib import Path

import pytest
import torch

from clipn.errors import ClipnError
from clipn.model.backbone import architecture, build
from clipn.model.released import released_name
from clipn.model.shapes import architecture_name
from tests.helpers.tiny_model import tiny_clip, tiny_model

FILE = Path("weights.pt")


@pytest.mark.parametrize(
    "name",
    ["ViT-B-32", "ViT-B-16", "ViT-B-16-plus-240", "ViT-L-14", "ViT-L-14-336", "ViT-H-14", "ViT-g-14", "RN50", "RN50x4"],
)
def test_architectures_that_are_told_apart(name: str) -> None:
    # Without memory for a billion numbers that nobody looks at.
    with torch.device("meta"):
        tensors = build(architecture(name)).state_dict()
    assert architecture_name(tensors, FILE) == name


def test_a_no_tower_beside_it_changes_nothing() -> None:
    with torch.device("meta"):
        tensors = build(architecture("ViT-B-32")).state_dict()
    no_tower = {released_name(name): tensor for name, tensor in tiny_model().state_dict().items() if "no." in name}
    assert architecture_name(tensors | no_tower, FILE) == "ViT-B-32"


def test_an_architecture_that_nobody_knows() -> None:
    """Shapes do not tell how many heads there are, and a wrong number would give wrong features without an error."""
    with pytest.raises(ClipnError, match=r"^weights\.pt: its shapes are of no architecture that open_clip knows; name"):
        architecture_name(tiny_clip().state_dict(), FILE)


def test_no_clip() -> None:
    with pytest.raises(ClipnError, match=r"^weights\.pt: holds no weights of CLIP \(no 'positional_embedding'\); give"):
        architecture_name({"fc.weight": torch.zeros(2, 2)}, FILE)
