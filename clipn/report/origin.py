"""Which code and which processor measure."""

import platform
import re
import subprocess
from pathlib import Path

from clipn.errors import ClipnError

CPUINFO = Path("/proc/cpuinfo")


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


def processor() -> str:
    """Name of the processor's model, as far as the system tells it."""
    text = CPUINFO.read_text(encoding="utf-8") if CPUINFO.is_file() else ""
    # Without a name in /proc/cpuinfo, as on ARM, `platform` knows the architecture at least.
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()
