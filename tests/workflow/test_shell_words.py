"""No text of a configuration is more than a word of a command, whatever a shell would make of it."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.project import Project
from tests.helpers.tiny_model import ARCHITECTURE

pytestmark = pytest.mark.workflow

TAME = "tame"
NASTY = """it's $(touch WRITTEN) `touch WRITTEN` "; touch WRITTEN; & | > < * ? ~ # ! \\ \t é
"""
"""All that a shell reads as more than text."""


def write_study(project: Project, text: str) -> None:
    """A study whose every free text and path has this text."""
    folder = project.folder / text
    (folder / "mirror").mkdir(parents=True)
    for name in ("clip.pt", "run.pt", "words.txt", "mine.txt", "scores.csv", "list.txt"):
        (folder / name).write_text("a {}\n")
    (folder / "arch.json").write_text(json.dumps(ARCHITECTURE))
    shutil.copy(project.folder / "config/datasets.yaml", folder / "registry.yaml")
    weights = project.folder / "config/weights.yaml"
    records = yaml.safe_load(weights.read_text())
    archive = {"file": "fetched.pt", "addresses": ["https://example.org/a"], "sha256": "0" * 64}
    record = {"title": text, "architecture": text, "tag": text, "archive": archive}
    weights.write_text(yaml.safe_dump({**records, "backbones": {**records["backbones"], f"{text}/{text}": record}}))
    sets = dict.fromkeys(("cifar10", "cifar100"), f"{text}/scores.csv")
    study = {
        "registry": f"{text}/registry.yaml",
        "mirror": f"{text}/mirror",
        "captions": {"sources": ["cc3m"]},
        "backbones": {
            "local": {"architecture": f"{text}/arch.json", "pretrained": f"{text}/clip.pt"},
            "fetched": {"architecture": text, "pretrained": text},
        },
        "variants": {"released": {"checkpoints": {7: f"{text}/run.pt"}}, "taught": {"processes": 2}},
        "runs": [{"backbone": "local", "variant": name, "seeds": [7]} for name in ("released", "taught")],
        "pairs": {"cifar10": ["cifar100"]},
        "baselines": ["mcm", "neglabel", "odin_perturbed", "l_mcm"],
        "imported": {"theirs": {"backbone": "local", "higher": "id", "column": text, "files": {"cifar10": sets}}},
        "prompts": ["clipn128", f"{text}/mine.txt"],
        "negative_words": f"{text}/words.txt",
    }
    (project.folder / "config/studies/texts.yaml").write_text(yaml.safe_dump(study))


def commands(folder: Path, text: str) -> dict[str, list[str]]:
    """Words of the command of every job, by its first output."""
    project = Project.create(folder)
    write_study(project, text)
    with project.planned("all", study="texts") as plan:
        shell = {output: job.shellcmd for output, job in plan._by_output.items() if job.shellcmd}
        return {output: shlex.split(command) for output, command in shell.items()}


def replaced(value: Any) -> Any:
    """A value with the one text in the place of the other."""
    if isinstance(value, str):
        return value.replace(TAME, NASTY)
    if isinstance(value, list):
        return [replaced(entry) for entry in value]
    return {key: replaced(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def test_every_command_has_the_same_words_whatever_they_hold(tmp_path: Path) -> None:
    tame, nasty = commands(tmp_path / "tame", TAME), commands(tmp_path / "nasty", NASTY)
    assert tame.keys() == nasty.keys()
    assert sum(NASTY in word for words in nasty.values() for word in words) > 20
    for output, expected in tame.items():
        words = nasty[output]
        if "--settings" in expected:
            text = expected.index("--settings") + 1
            expected[text], words[text] = yaml.safe_load(expected[text]), yaml.safe_load(words[text])
        assert words == replaced(expected)
    assert not list(tmp_path.rglob("WRITTEN"))


def test_a_file_that_snakemake_would_take_for_a_wildcard_is_named(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    write_study(project, "{x}")
    said = project.clipn("why", "all", "--study", "texts")
    reason = "'{x}/clip.pt' has braces, which Snakemake takes for a wildcard; rename it"
    assert said.errors == [f"error: config/studies/texts.yaml: backbones.local.pretrained: {reason}"]
