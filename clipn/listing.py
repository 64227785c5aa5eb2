"""Many files in few words."""

from collections.abc import Sequence


def named(paths: Sequence[str], most: int) -> str:
    """The first of some paths, and how many more there are."""
    more = len(paths) - most
    return f"{', '.join(paths[:most])}{f' and {more} more' if more > 0 else ''}"
