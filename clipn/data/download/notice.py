"""Lines for a person, between whatever progress is shown."""

import sys

from tqdm import tqdm

from clipn import progress


def say(line: str) -> None:
    """Write a line to standard error, above the bars of a terminal; nothing where progress is hidden."""
    if not progress.hidden:
        tqdm.write(line, file=sys.stderr)
