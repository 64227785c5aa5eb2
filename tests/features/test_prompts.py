"""What every prompt says of the classes, one text at a time, and the mean image of the captions."""

import math
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from clipn.errors import ClipnError
from clipn.features import prompts
from clipn.features.captions import CAPTION_IMAGE_FORMAT
from clipn.features.prompts import cache_prompt_features
from clipn.features.stored import read_prompt_features
from clipn.files import file_hash, write_json
from clipn.model.backbone import save_backbone
from clipn.model.tensors import read_metadata, write_safetensors
from tests.helpers.tiny_model import ARCHITECTURE, tiny_clip, tiny_model, unit

CLASSES = ["dog", "cat", "old boat"]
TEMPLATES = ["a photo of a {}.", "the {}", "a drawing of a small {}."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backbone, 40 caption images, a pool of three prompts, and two ID datasets, one without names."""
    save_backbone(tmp_path / "backbone.safetensors", tiny_clip(), ARCHITECTURE, "tiny")
    (tmp_path / "index.parquet").write_bytes(b"rows")
    (tmp_path / "three.txt").write_text("\n".join(TEMPLATES))
    for name, names in (("pets", CLASSES), ("nameless", [])):
        described = {"title": name, "classes": names, "archives": {}, "proof": {}, "names": "unverified", "images": 0}
        write_json(tmp_path / name / "dataset.json", described)
    made_from = {
        "backbone": file_hash(tmp_path / "backbone.safetensors"),
        "index": file_hash(tmp_path / "index.parquet"),
    }
    header = {"format": CAPTION_IMAGE_FORMAT, "views": "0", **made_from}
    write_safetensors(tmp_path / "captions.safetensors", {"image": unit(40)[None]}, header)
    return tmp_path


def cached(folder: Path, name: str = "pets") -> Path:
    files = folder / "index.parquet", folder / "captions.safetensors"
    cache_prompt_features(
        folder / "backbone.safetensors", [name], folder, str(folder / "three.txt"), *files, folder / "prompts"
    )
    return folder / f"prompts/{name}.safetensors"


def test_every_class_in_every_prompt_and_the_mean_image(folder: Path) -> None:
    path = cached(folder)
    pool, texts, pretraining = read_prompt_features(path)
    model = tiny_model()
    assert (pool, texts.shape) == ("three", (3, 3, 32))
    for template, of_prompt in zip(TEMPLATES, texts, strict=True):
        for name, feature in zip(CLASSES, of_prompt, strict=True):
            alone = model.encode_text(model.tokenizer([template.format(name)])).detach()
            torch.testing.assert_close(torch.from_numpy(feature), alone[0], rtol=0, atol=1e-6)
    mean = unit(40).double().sum(dim=0) / 40
    torch.testing.assert_close(torch.from_numpy(pretraining), mean, rtol=0, atol=1e-12)
    header = read_metadata(path)
    assert header["backbone"] == file_hash(folder / "backbone.safetensors")
    assert header["captions"] == file_hash(folder / "captions.safetensors")
    assert header.keys() >= {"templates", "classes"}


@pytest.mark.parametrize("at_once", [7, 20, 1000])
def test_the_mean_is_that_of_all_images_however_many_are_summed_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(prompts, "CAPTIONS_AT_ONCE", at_once)
    pretraining = read_prompt_features(cached(folder)).pretraining
    exact = [math.fsum(column) / 40 for column in unit(40).T.tolist()]
    torch.testing.assert_close(pretraining.tolist(), exact, rtol=1e-14, atol=1e-16)


def test_some_images_at_a_time_are_turned_to_float64(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dimension = 32
    images = torch.eye(dimension).repeat(3000, 1)[None]
    monkeypatch.setattr(prompts, "CAPTIONS_AT_ONCE", 1000)
    monkeypatch.setattr(prompts, "read_caption_images", lambda *_, **__: images)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        path = cached(folder)
    assert read_prompt_features(path).pretraining == pytest.approx(1 / dimension, abs=1e-15)
    # A copy in float64 would take twice the bytes of the images.
    assert max(event.cpu_memory_usage for event in profiled.events()) < images.nbytes


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ClipnError, match="nameless: has no class names, so it cannot be ID"):
        cached(folder, "nameless")
    (folder / "index.parquet").write_bytes(b"other rows")
    with pytest.raises(ClipnError, match="was made from another index"):
        cached(folder)
    write_safetensors(folder / "foreign.safetensors", {"texts": unit(3)}, {"format": "other"})
    with pytest.raises(ClipnError, match="expected 'clipn-prompt-features-1'"):
        read_prompt_features(folder / "foreign.safetensors")
