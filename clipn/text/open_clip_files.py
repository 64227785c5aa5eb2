"""Files of the installed open_clip, found without importing it, since it imports torch."""

import importlib.util
from pathlib import Path

from clipn.errors import ClipnError


def open_clip_file(name: str) -> Path:
    """A file of the package.

    Raises:
        ClipnError: open_clip is not installed.
    """
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise ClipnError("open_clip is not installed; run `make install`")
    return Path(package.origin).with_name(name)
