"""The whole study `laptop` from a server with stand-ins of its downloads: a random ViT-B/32 and few images."""

import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

from clipn.data.archives import write_archive
from clipn.data.shards import read_captions_of
from clipn.demo.mirror import build_mirror
from clipn.files import file_hash
from clipn.planning.plan import downloads
from clipn.study.loading import load_study
from tests.helpers.file_server import folder_served
from tests.helpers.project import Project, succeeded
from tests.helpers.tiny_dataset import encoded, noise

pytestmark = pytest.mark.workflow

SETS = ("cifar10", "cifar100", "lsun_resize", "imagenet_resize")
MODEL = "ViT-B-32/laion2b_s34b_b79k"
WEIGHTS = "ViT-B-32_laion2b_s34b_b79k.safetensors"
IMAGES, SHARDS, SAMPLES = 2, 6, 2
REDUCED = {
    "captions": {"shards": 2},
    "variants": {"learnable": {"epochs": 1, "batch_size": SHARDS * SAMPLES, "threads": 1}},
    "prompts": ["single"],
    "resamples": 20,
    "threads": 1,
}


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """What the study downloads, in the official formats."""
    folder = tmp_path / "origin"
    build_mirror(folder, seed=1, captions=1, images=IMAGES)
    for shard in range(SHARDS):
        write_archive(folder / f"cc3m-train-{shard:04d}.tar", shard_members(shard))
    torch.manual_seed(0)
    save_file(open_clip.create_model("ViT-B-32").state_dict(), folder / WEIGHTS)
    return folder


def caption(shard: int, number: int) -> str:
    return f"picture {number} of archive {shard}"


def shard_members(shard: int) -> Iterator[tuple[str, bytes]]:
    """Samples as pixparse/cc3m-wds has them; its keys begin anew in every archive."""
    for number in range(SAMPLES):
        key, text = f"{number:09d}", caption(shard, number)
        yield f"{key}.jpg", encoded(noise(SAMPLES * shard + number, 40, 30))
        yield f"{key}.json", json.dumps({"caption": text, "status": "success"}).encode()
        yield f"{key}.txt", text.encode()


def redirect(project: Project, origin: Path, server: str) -> None:
    """Let the records that the study names have the addresses of the server, and what is known of its files."""
    datasets, weights = project.folder / "config/datasets.yaml", project.folder / "config/weights.yaml"
    registry, models = (yaml.safe_load(path.read_text()) for path in (datasets, weights))
    made = yaml.safe_load((origin / "datasets.yaml").read_text())["datasets"]
    registry["datasets"] = {
        name: registry["datasets"][name] | {"images": IMAGES, "archives": made[name]["archives"]} for name in SETS
    }
    models["backbones"][MODEL]["revision"] = None  # the server's addresses name none
    published = models["backbones"][MODEL]["archive"]
    published |= {"sha256": file_hash(origin / WEIGHTS), "bytes": (origin / WEIGHTS).stat().st_size}
    archives = [record["archives"][0] for record in registry["datasets"].values()]
    for archive in (published, *archives, *registry["captions"]["cc3m_part"]["images"]):
        archive["addresses"] = [f"{server}/{archive['file']}"]
    datasets.write_text(yaml.safe_dump(registry))
    weights.write_text(yaml.safe_dump(models))


def test_everything_comes_from_the_web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(Project.create(tmp_path / "project").folder)
    files = list(downloads(load_study("laptop")))
    assert {file.way for file in files} == {"fetched"}
    assert sum(file.of == "cc3m_part" for file in files) == SHARDS


def test_from_downloads_to_the_page(tmp_path: Path, origin: Path) -> None:
    project = Project.create(tmp_path / "project")
    (project.folder / "reduced.yaml").write_text(yaml.safe_dump(REDUCED))
    with folder_served(origin) as server:
        redirect(project, origin, server)
        succeeded(project.run("snakemake", "all", "--config", "study=laptop", "--configfile", "reduced.yaml"))
    captions = read_captions_of(project.folder / "results/studies/laptop/shards/index.parquet")
    assert sorted(captions) == sorted(caption(shard, n) for shard in range(SHARDS) for n in range(SAMPLES))
    for table in ("cifar10_ood", "cifar100_ood"):
        rows = pd.read_csv(project.folder / f"results/tables/{table}.csv")
        assert set(rows["method"]) == {"msp", "max_logit", "energy", "mcm", "react", "odin", "gen", "ctw", "atd"}
        assert set(rows["runs"]) == {1}
        assert rows["auroc"].between(0, 100).all()
    assert (project.folder / "results/report.html").is_file()
    assert not project.plan(study="laptop", **REDUCED)
