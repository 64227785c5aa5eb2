"""Less of Python's search for garbage, which took a tenth to a third of the time of short commands."""

import atexit
import gc
import sys

COLLECTED_OBJECTS = 10_000
"""New objects after which Python looks for garbage; after every 700, it would look through all imports many times."""


def search_less() -> None:
    """Look for garbage less often, and end this process without a look through all objects."""
    gc.set_threshold(COLLECTED_OBJECTS)
    atexit.register(_leave_memory_to_the_system)


def _leave_memory_to_the_system() -> None:
    # nanobind, which is in triton, and so in a process with torch, takes what is frozen for leaked.
    if "triton" not in sys.modules:
        gc.freeze()
