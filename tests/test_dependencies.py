"""What is installed: a small core, and an extra for what only the pipeline needs."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from clipn.cli.extras import PIPELINE

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = packages_distributions()
OF_THE_PIPELINE = (
    "demo/project.py", "provenance/finished.py", "provenance/stages.py", "provenance/store/lookup.py",
    "report/figures/", "study/snakemake.py",
)  # fmt: skip
"""Files and folders that may import packages of the extra."""


def normalised(names: Iterable[str]) -> set[str]:
    """Names of distributions as an index has them, without versions."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[<>=!~ ;\[]", name)[0]).lower() for name in names}


CORE = normalised(PROJECT["dependencies"])
EXTRA = normalised(PROJECT["optional-dependencies"]["pipeline"])


def imported(file: Path) -> Iterator[str]:
    """Packages of others that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"clipn"}
        # Snakemake's interfaces are packages of their own, and come with it.
        yield from ("snakemake" if name.startswith("snakemake_interface_") else name for name in packages)


def test_an_extra_is_no_part_of_the_core() -> None:
    assert not CORE & EXTRA
    assert "clipn[pipeline]" in PROJECT["optional-dependencies"]["real"]
    assert "clipn[real]" in PROJECT["optional-dependencies"]["dev"]


def test_every_package_of_the_extra_is_named_when_it_is_missing() -> None:
    assert {name for package in PIPELINE for name in normalised(DISTRIBUTIONS[package])} == EXTRA


def test_the_package_imports_what_it_requires_and_only_the_pipeline_the_extra() -> None:
    for file in sorted((ROOT / "clipn").rglob("*.py")):
        path = file.relative_to(ROOT / "clipn").as_posix()
        allowed = CORE | EXTRA if path.startswith(OF_THE_PIPELINE) else CORE
        for package in imported(file):
            assert normalised(DISTRIBUTIONS[package]) <= allowed, f"{path}: {package}"
