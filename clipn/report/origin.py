"""Which code measures."""

import subprocess
from pathlib import Path

from clipn.errors import ClipnError


def commit() -> str:
    """The commit that is checked out, with `-dirty` behind if tracked files differ from it.

    Raises:
        ClipnError: there is no commit, or no Git.
    """
    # `--exclude=*` leaves out tags, so that the answer is always a hash; `git rev-parse` does not know `--dirty`.
    command = ("git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise ClipnError(f"{Path.cwd()}: no commit to name; run `git init` and commit, or work in a clone") from error
