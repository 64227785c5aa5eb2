"""What the towers of an architecture cost, against figures worked out by hand."""

from pathlib import Path

import open_clip
import pytest

from clipn.files import write_json
from clipn.model.backbone import build
from clipn.model.clipn import CLIPN
from clipn.planning.flops import measure
from tests.helpers.tiny_model import ARCHITECTURE, tiny_model

GIGA = 1e9


def block(positions: int, width: int) -> int:
    """Multiply-adds of a transformer block: four projections, attention twice, and a fourfold hidden layer."""
    return positions * width**2 * (4 + 8) + 2 * positions**2 * width


def vit(size: int, patch: int, width: int, layers: int, dimension: int) -> int:
    """Multiply-adds of a vision transformer for one image."""
    patches = (size // patch) ** 2
    return patches * 3 * patch**2 * width + layers * block(patches + 1, width) + width * dimension


class TestFlops:
    @pytest.mark.parametrize(
        ("name", "image", "published", "text"),
        [
            ("ViT-B-32", vit(224, 32, 768, 12, 512), 4.4, 12 * block(77, 512) + 512 * 512),
            ("ViT-B-16", vit(224, 16, 768, 12, 512), 17.6, 12 * block(77, 512) + 512 * 512),
            ("ViT-L-14", vit(224, 14, 1024, 24, 768), 81.1, 12 * block(77, 768) + 768 * 768),
        ],
    )
    def test_operations_are_twice_the_multiply_adds(self, name: str, image: int, published: float, text: int) -> None:
        costs = measure(name, tokens=77)
        assert costs.image == 2 * image
        assert costs.text == 2 * text
        assert costs.image / GIGA == pytest.approx(2 * published, rel=0.01)

    def test_a_short_text_costs_its_own_length(self) -> None:
        assert measure("ViT-B-32", tokens=20).text == 2 * (12 * block(20, 512) + 512 * 512)

    def test_a_text_is_cut_to_what_the_architecture_reads(self) -> None:
        name = "config/architectures/tiny.json"
        assert measure(name, tokens=77).text == measure(name, tokens=32).text

    def test_sizes_are_those_of_the_models(self, tmp_path: Path) -> None:
        write_json(tmp_path / "tiny.json", ARCHITECTURE)
        costs = measure(str(tmp_path / "tiny.json"), tokens=20)
        assert (costs.dimension, costs.context, costs.width) == (32, 77, 32)
        assert costs.backbone_bytes == stored(build(ARCHITECTURE))
        assert costs.checkpoint_bytes(prompts=3) == stored(tiny_model(prompts=3))
        assert costs.checkpoint_bytes(prompts=3, tokens=5) == stored(tiny_model(prompts=3, tokens=5))
        assert costs.checkpoint_bytes(prompts=0) == stored(tiny_model(prompts=0))


def stored(model: open_clip.CLIP | CLIPN) -> int:
    """Bytes of all tensors of a model."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
