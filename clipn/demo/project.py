"""The demo as a project in a folder of its own, made from the workflow and configuration that come with the package."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from clipn.data.packaged import packaged_project
from clipn.errors import ClipnError

PARTS = ("workflow", "config", "dvc.yaml")
"""What makes a folder a project; dvc.yaml says which results belong together."""
PAGE = Path("results/report.html")


def write_project(folder: Path) -> None:
    """Copy the parts into a folder; one that has them stays as it is.

    Raises:
        ClipnError: something else is there.
    """
    if all((folder / part).exists() for part in PARTS):
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ClipnError(f"{folder}: is neither an empty folder nor a project; name another, or empty it")
    source = packaged_project()
    *folders, file = PARTS
    for part in folders:
        shutil.copytree(source / part, folder / part)
    # Last, so that a copy that was broken off is no project.
    shutil.copy(source / file, folder / file)


def run_project(folder: Path) -> None:
    """Make the demo study in a project with this environment's Snakemake; what is made already is kept.

    Raises:
        ModuleNotFoundError: there is no Snakemake.
        ClipnError: it did not finish.
    """
    # Here and not in the process, whose message would say less.
    import snakemake  # noqa: F401

    # Jobs call `clipn` by its name, and it must be that of this environment.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    command = [sys.executable, "-m", "snakemake", "all", "--config", "study=demo"]
    # Ctrl-C reaches Snakemake, which ends in order if it is waited for; were it ignored here, it would be there, too.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, check=False)  # noqa: S603
    finally:
        signal.signal(signal.SIGINT, before)
    if done.returncode:
        raise ClipnError(f"{folder}: the demo is not finished; `clipn demo --run {shlex.quote(str(folder))}` goes on")
