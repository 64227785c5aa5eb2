"""A study's data in the workflow: from a mirror, with cleaning lists, from one's own folder, and by a crawl."""

import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from clipn.data.manifest import names_hash
from clipn.data.shards import read_samples
from clipn.demo.mirror import build_mirror
from clipn.files import file_hash
from tests.data.test_img2dataset import CRAWLER
from tests.helpers.file_server import folder_served
from tests.helpers.project import ROOT, Project, succeeded

pytestmark = pytest.mark.workflow

STUDY = "results/studies/own"
IMAGES = 20


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives in the official formats."""
    folder = tmp_path_factory.mktemp("origin")
    build_mirror(folder, seed=1, captions=30, images=IMAGES)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def write_study(project: Project, registry: dict[str, object], **keys: object) -> None:
    study = {
        "registry": "config/own.yaml",
        "backbones": {"tiny": {"architecture": "config/architectures/tiny.json", "training": {}}},
        "variants": {"untrained": {"epochs": 0}},
        "runs": [{"backbone": "tiny", "variant": "untrained", "seeds": [1]}],
        "pairs": {"cifar10": ["sun"]},
        **keys,
    }
    (project.folder / "config/own.yaml").write_text(yaml.safe_dump(registry))
    (project.folder / "config/studies/own.yaml").write_text(yaml.safe_dump(study))
    (project.folder / "config/config.yaml").write_text("study: own\n")


def described(project: Project, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((project.folder / STUDY / "datasets" / name / "dataset.json").read_text())
    return content


def archive_of(path: Path, *addresses: str) -> dict[str, object]:
    return {"file": path.name, "sha256": file_hash(path), "addresses": list(addresses)}


def test_a_mirror_is_used_in_place_packed_and_unpacked(project: Project, origin: Path, tmp_path: Path) -> None:
    mirror, listed = tmp_path / "mirror", tmp_path / "mirror/sun/SUN/images"
    mirror.mkdir()
    shutil.copy(origin / "cifar-10-python.tar.gz", mirror)
    with tarfile.open(origin / "SUN.tar.gz") as tar:
        tar.extractall(mirror / "sun", filter="data")
    names = sorted(path.name for path in listed.iterdir())
    looked_at = "".join(
        f"{row},datasets/SUN/{name},{decision}\n"
        for row, (name, decision) in enumerate(zip(names, "oio", strict=False))
    )
    cleaning = mirror / "SUN_list.csv"
    cleaning.write_text(f"index,image_location,decision\n{looked_at}")
    sun = {
        "title": "SUN",
        "reader": "flat",
        "archives": [{"file": "SUN.tar.gz", "sha256": "0" * 64}],
        "images": IMAGES,
        "names_sha256": names_hash(names),
        "cleaning": {"people": {"archive": archive_of(cleaning), "reader": "ninco", "images": 3}},
    }
    cifar = {"title": "C", "reader": "cifar", "archives": [archive_of(mirror / "cifar-10-python.tar.gz")]}
    write_study(
        project,
        {"datasets": {"sun": sun, "cifar10": cifar}, "captions": captions(origin)},
        captions={"sources": ["cc3m"]},
        mirror=str(mirror),
        cleaning=["people"],
    )
    targets = [f"{STUDY}/datasets/{name}/manifest.parquet" for name in ("sun", "cifar10")]
    succeeded(project.run("snakemake", "--cores", "2", *targets))
    link = project.folder / STUDY / "archives/cifar10/cifar-10-python.tar.gz"
    assert link.readlink() == mirror / "cifar-10-python.tar.gz"
    assert described(project, "cifar10")["proof"] == {"cifar-10-python.tar.gz": "verified"}
    assert described(project, "sun")["proof"] == {"SUN.tar.gz": "by names", "SUN_list.csv": "verified"}
    marks = pq.read_table(project.folder / targets[0]).to_pandas().set_index("path")["clean_people"]
    assert marks.dropna().to_dict() == dict(zip(names, [True, False, True], strict=False))
    assert not project.plan(*targets)
    (listed / names[0]).touch()
    assert not project.plan(*targets)
    shutil.copy(listed / names[1], listed / names[0])
    assert project.plan(*targets) == Counter({"verify_dataset": 1})


def captions(origin: Path, **fields: object) -> dict[str, object]:
    caption_file = archive_of(origin / "GCC-training.tsv", str(origin / "GCC-training.tsv"))
    return {"cc3m": {"title": "CC3M", "reader": "cc3m", "captions": caption_file, "rows": 30, **fields}}


@pytest.fixture
def pictures(origin: Path, tmp_path: Path) -> Iterator[str]:
    """Address of a server of the demo's images, of which every third is gone."""
    with tarfile.open(origin / "cc3m-images.tar") as tar:
        tar.extractall(tmp_path / "served", filter="data")
    for path in sorted((tmp_path / "served/cc3m").iterdir())[::3]:
        path.unlink()
    with folder_served(tmp_path / "served") as address:
        yield address


@pytest.mark.skipif(not CRAWLER.is_file(), reason="needs `make crawler`, or $CLIPN_IMG2DATASET")
def test_captions_are_crawled_and_shards_built(project: Project, origin: Path, pictures: str, tmp_path: Path) -> None:
    (project.folder / ".crawler").symlink_to(ROOT / ".crawler")
    text = (origin / "GCC-training.tsv").read_text().replace("http://127.0.0.1:8080", pictures)
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "GCC-training.tsv").write_text(text)
    datasets = {
        name: {"title": name, "reader": "flat", "classes": ["dog"], "folder": str(origin), "images": 1}
        for name in ("sun", "cifar10")
    }
    crawl = {"shard_size": 16, "processes": 1, "timeout": 2, "image_size": 32}
    registry = {"datasets": datasets, "captions": captions(moved, trained_on=40)}
    write_study(project, registry, captions={"sources": ["cc3m"], "shards": 2, "crawl": crawl})
    succeeded(project.run("snakemake", "--cores", "2", f"{STUDY}/shards/index.parquet"))
    report = json.loads((project.folder / STUDY / "captions/crawl_cc3m.json").read_text())
    assert (report["rows"], report["images"]) == (30, 20)
    assert report["errors"] == {"HTTP Error 404: File not found": 10}
    samples = list(read_samples(sorted((project.folder / STUDY / "shards").glob("*.tar"))))
    assert [int(sample.key) for sample in samples] == [row for row in range(30) if row % 3]
    assert [sample.caption for sample in samples] == [
        line.split("\t")[0] for row, line in enumerate(text.splitlines()) if row % 3
    ]
    counts = json.loads((project.folder / STUDY / "shards/statistics.json").read_text())["sources"]["cc3m"]
    assert counts == {"captions": 30, "with_image": 20, "trained_on": 40, "share": 0.5}
    assert not project.plan(f"{STUDY}/shards/index.parquet")
