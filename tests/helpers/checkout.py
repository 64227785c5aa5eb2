"""A copy of the project under Git and DVC, as a person has it."""

import shutil
from pathlib import Path
from typing import Any, Self

import yaml

from tests.helpers.project import Outcome, Project, remember_modules, succeeded

PERSON = {f"GIT_{role}_{key}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
DEMO = "config/studies/demo.yaml"
TABLE = "results/tables/imagenet_ood.csv"
NOTHING = "Data and pipelines are up to date."


class Checkout(Project):
    """A project with a history, and results that travel."""

    @property
    def environment(self) -> dict[str, str]:
        """For commands that run the code of this copy, and commit."""
        return super().environment | PERSON

    @classmethod
    def record(cls, finished: Project, folder: Path, remote: Path) -> Self:
        """A copy of a finished project, committed, recorded and pushed."""
        shutil.copytree(finished.folder, folder, symlinks=True)
        checkout = cls(folder)
        checkout.git("init", "--quiet", "--initial-branch", "main")
        checkout.dvc("remote", "add", "--force", "--default", "folder", str(remote))
        checkout.dvc("repro")
        checkout.share("results")
        return checkout

    def clone(self, folder: Path, *targets: str, pull: bool = True) -> Self:
        """Another checkout of what was committed, with all results or those of some stages."""
        self.git("clone", "--quiet", str(self.folder), str(folder))
        clone = type(self)(folder)
        remember_modules(folder)
        if pull:
            clone.dvc("pull", *targets)
        return clone

    def git(self, *arguments: str) -> Outcome:
        """Run Git, which must succeed."""
        return succeeded(self.run("git", *arguments))

    def dvc(self, *arguments: str) -> Outcome:
        """Run DVC, which must succeed."""
        return succeeded(self.run("dvc", *arguments))

    def share(self, message: str) -> None:
        """Commit everything and push the results."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.dvc("push")

    def why(self, target: str) -> str:
        """What `clipn why` says."""
        return succeeded(self.clipn("why", target)).text

    def status(self) -> str:
        """What DVC says of the state of things."""
        return self.dvc("status").text

    def set(self, **changes: Any) -> None:
        """Change keys of the demo."""
        path = self.folder / DEMO
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))


def agree_on_nothing_to_do(checkout: Checkout) -> None:
    """Snakemake and DVC both say that nothing is to be done."""
    assert not checkout.plan()
    assert NOTHING in checkout.status()
