"""Whether everything of the active study is made, so that all stages of one `dvc repro` start Snakemake once at most.

Snakemake's answer holds for the `dvc repro` that asks, until a file changes that it depends on. Results and their
sources count by their contents, as DVC replaces results by copies when it records them, and the check before a run
corrects their times; all else counts by its state. Whatever is in doubt counts as not finished.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from clipn.provenance.records import INCOMPLETE, LOCKS, METADATA
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.state_file import StateFile

NAME = "finished.json"
DECIDING = (Path("dvc.yaml"), Path("clipn"), Path("config"), Path("workflow"), METADATA, INCOMPLETE, LOCKS)
"""What Snakemake's plan depends on besides results and their sources."""


def finished(root: Path) -> bool:
    """Whether Snakemake has nothing to do for `all`, and so for no target.

    Args:
        root: the working directory.
    """
    file, caller, states = StateFile(root, NAME), _caller(), list(_states(root))
    answered, files = file.part("states", list[str]), file.part("files", dict[str, str])
    if not caller or file.part("caller", str) != caller:
        # Only now: this import takes longer than all the rest.
        from clipn.provenance.nothing_planned import files_if_nothing_is_planned

        answered, files = states, files_if_nothing_is_planned(root)
        file.save({"caller": caller, "states": answered, "files": files})
    # Also just after the answer, as somebody may have edited a file meanwhile.
    if files is None or answered != list(_states(root)):
        return False
    cache = HashCache(root)
    cache.hash_files(files)
    cache.save()
    return all(cache.sha256(path) == sha256 for path, sha256 in files.items())


def _caller() -> str:
    """The `dvc repro` whose shell runs this process; empty if it is none."""
    dvc = psutil.Process(os.getppid()).parent() if "DVC_STAGE" in os.environ else None
    return f"{dvc.pid} {dvc.create_time()}" if dvc else ""


def _states(root: Path) -> Iterator[str]:
    """Path, size, times and inode of every file that decides."""
    for place in DECIDING:
        for file in sorted([root / place, *(root / place).rglob("*")]):
            if file.is_file() and "__pycache__" not in file.parts:
                state = file.stat()
                yield f"{file} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}"
