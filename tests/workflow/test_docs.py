"""The console blocks of the documentation, run from top to bottom in a finished demo."""

import re
from pathlib import Path

import pytest

from tests.helpers.project import ROOT, Project, succeeded

pytestmark = pytest.mark.workflow

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["own_images"]


def commands(page: str) -> list[str]:
    """The typed lines of a page."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return [line.removeprefix("$ ") for block in BLOCK.findall(text) for line in block.splitlines() if line[:2] == "$ "]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(finished: Project, tmp_path: Path, page: str) -> None:
    project = finished.copied_to(tmp_path / "project")
    typed = commands(page)
    assert typed
    # One shell for all, as one person types them.
    succeeded(project.run("bash", "-euo", "pipefail", "-c", "\n".join(typed)))
