"""A random image tower of timm's smallest, inside a CLIP as small."""

import json
from pathlib import Path

import torch

from clipn.model.backbone import build
from clipn.model.image_tower import convert_image_tower, trunk_of
from clipn.model.tensors import write_safetensors
from tests.helpers.tiny_model import TEXT

VISION = {"timm_model_name": "test_efficientnet", "timm_pool": "", "timm_proj": "linear", "image_size": 32}
ARCHITECTURE = {"embed_dim": 32, "vision_cfg": VISION, "text_cfg": TEXT}


def tiny_tower(folder: Path, seed: int = 5) -> tuple[Path, Path]:
    """Image tower file, and the architecture that it is for."""
    architecture, weights, output = folder / "tower.json", folder / "weights.safetensors", folder / "tower.safetensors"
    architecture.write_text(json.dumps(ARCHITECTURE))
    torch.manual_seed(seed)
    trunk = trunk_of(build(ARCHITECTURE), "tiny")
    classifier = {"classifier.weight": torch.zeros(3, 8), "classifier.bias": torch.zeros(3)}
    write_safetensors(weights, trunk.state_dict() | classifier, {})
    convert_image_tower(weights, str(architecture), "timm", output)
    return output, architecture
