"""Programs that begin with the packages imported that they need.

To import torch, open_clip, Snakemake or DVC takes up to four seconds, and tests start hundreds of such programs. So all
processes of the tests share a server, which imports the packages, but nothing of this project, when the first program
is started. Programs of the same names, which stand before the real ones in `PATH`, send it their arguments, folder,
environment and streams; it forks, and the fork runs the real program.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from clipn.compute import HELD

PROGRAMS = ("clipn", "dvc", "snakemake")
FOLDER = "CLIPN_TEST_PROGRAMS"
"""Variable that tells processes which this one starts."""
HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, **HELD, "OMP_NUM_THREADS": "1"}
"""Of the server: as it is before packages that tests import add variables, which programs do not have."""


def warm_programs() -> Path:
    """Folder of the programs, for `PATH`; it goes, and their server ends, with the process that asked first."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = str(begin_server())
    return Path(os.environ[FOLDER])


def begin_server() -> Path:
    """Folder of the programs and the socket of a server, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    for name in PROGRAMS:
        # Without `site`, as it needs the standard library alone.
        (folder / name).write_text(f"#!{sys.executable} -IS\n{(HERE / 'client.py').read_text()}")
        (folder / name).chmod(0o755)
    command, pipe = [sys.executable, str(HERE / "server.py"), str(folder)], subprocess.PIPE
    server = subprocess.Popen(command, env=ENVIRONMENT, stdin=pipe, stdout=pipe)
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.terminate)
    assert server.stdout is not None
    assert server.stdout.readline(), "the server has not begun"
    return folder
