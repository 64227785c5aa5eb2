"""The shell blocks of the documentation, run from top to bottom in a finished demo; test_own.py runs own_study.md."""

import re
from pathlib import Path

import pytest

from tests.helpers.pages import follow
from tests.helpers.project import ROOT, Project

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize("page", ["own_images", "own_method"])
def test_every_command_of_a_page_works(finished: Project, tmp_path: Path, page: str) -> None:
    follow(page, finished.copied_to(tmp_path / "project"))


def test_the_patch_is_the_one_that_is_shown() -> None:
    shown = re.search(r"^```diff\n(.*?)^```$", (ROOT / "docs/own_method.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1] == (ROOT / "docs/examples/margin.patch").read_text()
