"""The shell blocks of the documentation, run from top to bottom in a finished demo."""

import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.project import ROOT, Project, succeeded

pytestmark = pytest.mark.workflow

BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["own_images", "own_study", "own_method"])
def test_every_command_of_a_page_works(finished: Project, tmp_path: Path, page: str) -> None:
    project = finished.copied_to(tmp_path / "project")
    shutil.copytree(ROOT / "docs", project.folder / "docs")
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert blocks
    # One shell for all, as one person types them.
    succeeded(project.run("bash", "-euo", "pipefail", "-c", "\n".join(blocks)))


def test_the_patch_is_the_one_that_is_shown() -> None:
    shown = re.search(r"^```diff\n(.*?)^```$", (ROOT / "docs/own_method.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1] == (ROOT / "docs/examples/margin.patch").read_text()
