"""The one run that may change a project at a time.

Snakemake's locks are files that name no process and stay when it is killed. This one the operating system holds for a
process, and lets go of whatever ends it.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import AcquireReturnProxy, BaseFileLock, FileLock, Timeout

from clipn.errors import ClipnError
from clipn.study.snakemake import Mode

NAME = Path(".snakemake/run.lock")


def only_run(root: Path) -> AcquireReturnProxy[BaseFileLock]:
    """Keep other processes from changing a project until the block ends.

    Raises:
        ClipnError: another one does, or the folder takes no lock.
    """
    try:
        (root / NAME).parent.mkdir(parents=True, exist_ok=True)
        return _lock(root.resolve()).acquire(blocking=False)
    except Timeout as error:
        remedy = f"wait until it has ended, or end it: `fuser {NAME}` names its process"
        raise ClipnError(f"{NAME}: another run is going on in this folder; {remedy}") from error
    # A folder that may only be read, a file of another user, a network drive without locks.
    except OSError as error:
        raise ClipnError(f"{NAME}: {error.strerror or error}; run in a folder where you may write") from error


def begin_run(root: Path, mode: Mode, check: Callable[[], None]) -> None:
    """Check the outputs while no other run changes them; one that writes is then the only one until it has ended.

    Args:
        root: the project.
        mode: how outputs are checked. `snakemake -n` and `clipn why`, which only ask, say where nothing is checked.
        check: of the outputs.

    Raises:
        ClipnError: this run would write, and another one is going on.
    """
    if _lock(root.resolve()).is_locked:
        check()
        return
    try:
        run = only_run(root)
    except ClipnError as error:
        if Mode.DRY_RUN not in mode:
            raise
        sys.stderr.write(f"{str(error).split(';')[0]}, so results are not checked now\n")
        return
    try:
        check()
    finally:
        if Mode.DRY_RUN in mode:
            run.lock.release()


@functools.cache
def _lock(root: Path) -> BaseFileLock:
    # One object per project, which a process may take again while it has it.
    return FileLock(root / NAME)
