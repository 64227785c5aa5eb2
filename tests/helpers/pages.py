"""Pages of the documentation, whose commands are typed from top to bottom."""

import re
import shutil

from tests.helpers.project import ROOT, Project, succeeded

BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(page: str, project: Project) -> None:
    """Run every shell block of a page in a project, which must not fail."""
    shutil.copytree(ROOT / "docs", project.folder / "docs")
    blocks = BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    assert blocks
    # One shell for all, as one person types them.
    succeeded(project.run("bash", "-euo", "pipefail", "-c", "\n".join(blocks)))
