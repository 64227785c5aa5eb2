"""The wheel of the project, and an environment of its own with it."""

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from clipn.cli.extras import PIPELINE
from tests.helpers.project import ENVIRONMENT, ROOT, Outcome

HIDDEN = f"import sys\nsys.modules.update(dict.fromkeys({[*PIPELINE]}))\n"
"""What Python runs first where the packages of the extra are not to be found."""


def build_wheel(folder: Path) -> Path:
    """Build the wheel from the checkout, without a network."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel.

    Attributes:
        environment: folder of the environment.
        folder: where commands run.
        has_extra: whether the packages of the extra are found.
    """

    environment: Path
    folder: Path
    has_extra: bool = True

    @classmethod
    def create(cls, wheel: Path, folder: Path) -> Self:
        """Make an environment, and an empty folder to work in."""
        made = cls(folder / "environment", folder / "work")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", made.environment], check=True)
        pip = [sys.executable, "-m", "pip", "--python", made.programs / "python", "install", "--quiet", "--no-index"]
        subprocess.run([*pip, "--no-deps", wheel], check=True)
        # The packages of others are those of this environment, as to install them takes a network and 6 GB. The .pth
        # files in a folder that a .pth file names are not read, so an editable installation there stays unknown.
        (made.packages / "others.pth").write_text(sysconfig.get_path("purelib"))
        made.hidden.mkdir()
        (made.hidden / "sitecustomize.py").write_text(HIDDEN)
        made.folder.mkdir()
        return made

    @property
    def programs(self) -> Path:
        """Folder of Python and `clipn`."""
        return self.environment / "bin"

    @property
    def packages(self) -> Path:
        """Folder of the packages that it holds itself."""
        (folder,) = (self.environment / "lib").glob("python*/site-packages")
        return folder

    @property
    def hidden(self) -> Path:
        """Folder with the module that hides the packages of the extra."""
        return self.environment / "hidden"

    def run(self, program: str, *arguments: str) -> Outcome:
        """Run a program of the environment, with nothing in its variables that leads to the checkout."""
        variables = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
        variables["PATH"] = "/usr/bin:/bin"
        if not self.has_extra:
            variables["PYTHONPATH"] = str(self.hidden)
        command = [self.programs / program, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return Outcome(done.returncode, done.stdout)
