"""The documentation as a site: it builds without a dead link, shows every page, and loads nothing from other hosts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MKDOCS = shutil.which("mkdocs", path=ROOT / ".docs" / "bin") or shutil.which("mkdocs")
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(https?:[^\"\s>]*)")
STYLED = re.compile(r"(?:@import|url\()\s*[\"']?(https?:[^\"')\s]*)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if MKDOCS is None:
        pytest.skip("needs MkDocs: `make docs` installs it")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [MKDOCS, "build", "--strict", "--site-dir", folder], cwd=ROOT, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_of_docs_is_built(site: Path) -> None:
    built = {page.stem for page in site.glob("*.html")}
    assert built == {page.stem for page in DOCS.glob("*.md")} | {"404"}


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    for page in site.glob("*.html"):
        assert LOADED.findall(page.read_text()) == [], page.name
    for style in site.rglob("*.css"):
        assert STYLED.findall(style.read_text()) == [], style.name


@pytest.mark.parametrize("name", ["clipn.losses.itbo", "clipn.scores.accepts", "clipn.metrics.fpr"])
def test_the_reference_shows_functions_with_their_docstrings(site: Path, name: str) -> None:
    text = (site / "reference.html").read_text()
    assert f'id="{name}"' in text
    assert "Higher scores mean" in text


def test_the_lock_holds_what_the_group_asks_for() -> None:
    lock = (DOCS / "requirements.lock").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    for package in ("mkdocs-material", "mkdocstrings-python"):
        assert f'"{package}>=' in project
        assert re.search(rf"^{package}==.*\\$", lock, re.MULTILINE)
    assert "--index-url" not in lock


def test_hooks_fetch_nothing() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    assert {hook["language"] for hook in repositories[0]["hooks"]} == {"system"}
