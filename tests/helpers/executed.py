"""Which definitions of the package a command runs."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from clipn.fingerprint import PACKAGE, Name

OPTIMIZED = 1
"""Flag of the code of functions; that of modules and classes runs when they are imported."""


@contextmanager
def executed() -> Iterator[set[Name]]:
    """Functions and classes of `clipn` whose code runs in the block, in any thread."""
    found: set[Name] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & OPTIMIZED and code.co_filename.startswith(f"{PACKAGE}/"):
            parts = Path(code.co_filename).relative_to(PACKAGE.parent).with_suffix("").parts
            found.add(Name(".".join(parts).removesuffix(".__init__"), code.co_qualname.partition(".")[0]))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
