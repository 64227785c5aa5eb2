"""What stands in for a project where there is none: files that come with the package, and the user's cache."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
INSTALLED = PACKAGE / "project"
"""Where an installed package has a project's files; in a checkout they lie beside it."""


def packaged_project() -> Path:
    """Folder of a project's files as the package brings them."""
    return INSTALLED if INSTALLED.is_dir() else PACKAGE.parent


def cache_folder() -> Path:
    """Where downloads lie outside a project: `$XDG_CACHE_HOME/clipn`, by default `~/.cache/clipn`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "clipn"
