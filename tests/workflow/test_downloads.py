"""Snakemake deletes the output of a fetch before it runs it again; the download stays."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.helpers.project import Project, succeeded
from tests.helpers.server import BODY, Server, running

pytestmark = pytest.mark.workflow

SUN = "results/studies/own/archives/sun/SUN.tar"
ARCHIVE: dict[str, object] = {"sha256": hashlib.sha256(BODY).hexdigest()}
FETCH = Counter({"fetch_archive": 1})


def write_study(folder: Path, archive: dict[str, object], **keys: object) -> None:
    """A study of published weights, one of whose datasets has this archive."""
    names = {"sun": "SUN.tar", "cifar10": "cifar10.tar"}
    records = {
        name: {"title": name, "reader": "flat", "classes": ["dog"], "archives": [archive | {"file": file}]}
        for name, file in names.items()
    }
    study = {
        "registry": "config/own.yaml",
        "backbones": {"b": {"architecture": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"}},
        "variants": {"released": {"checkpoints": {1: "clipn_vit_b_16_run1"}}},
        "runs": [{"backbone": "b", "variant": "released", "seeds": [1]}],
        "pairs": {"cifar10": ["sun"]},
        **keys,
    }
    (folder / "config/own.yaml").write_text(yaml.safe_dump({"datasets": records}))
    (folder / "config/studies/own.yaml").write_text(yaml.safe_dump(study))
    (folder / "config/config.yaml").write_text("study: own\n")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def test_a_download_outlives_its_output(project: Project, tmp_path: Path) -> None:
    output = project.folder / SUN
    with running(Server()) as server:
        address = server.at("/SUN.tar")
        write_study(project.folder, ARCHIVE | {"addresses": [address]})
        succeeded(project.run("snakemake", "--cores", "1", SUN))
    (tmp_path / "mirror").mkdir()
    write_study(project.folder, ARCHIVE | {"addresses": [f"{address}/new", address]}, mirror=str(tmp_path / "mirror"))
    assert not project.plan(SUN)

    md5 = hashlib.md5(BODY).hexdigest()
    write_study(project.folder, ARCHIVE | {"addresses": [address], "md5": md5})
    assert project.plan(SUN) == FETCH
    succeeded(project.run("snakemake", "--cores", "1", SUN))
    assert output.read_bytes() == BODY
    assert len(server.log) == 1

    write_study(project.folder, {"sha256": "0" * 64})
    assert project.run("snakemake", "--cores", "1", SUN).status != 0
    assert not output.exists()
    write_study(project.folder, ARCHIVE | {"addresses": [address]})
    succeeded(project.run("snakemake", "--cores", "1", SUN))
    assert output.read_bytes() == BODY


def test_a_download_of_an_earlier_version_outlives_its_output(project: Project) -> None:
    """Its record names the code, which none does now, so its job is run again."""
    output = project.folder / SUN
    with running(Server()) as server:
        write_study(project.folder, ARCHIVE | {"addresses": [server.at("/SUN.tar")]})
        succeeded(project.run("snakemake", "--cores", "1", SUN))
    output.resolve().rename(output)
    file = project.folder / ".snakemake/metadata" / urlsafe_b64encode(SUN.encode()).decode()
    record = json.loads(file.read_text())
    record["params"] = sorted([*record["params"], "'0123456789abcdef'"])
    file.write_text(json.dumps(record | {"endtime": output.stat().st_mtime}))

    assert project.plan(SUN) == FETCH
    succeeded(project.run("snakemake", "--cores", "1", SUN))
    assert output.is_symlink()
    assert output.read_bytes() == BODY
    assert len(server.log) == 1
