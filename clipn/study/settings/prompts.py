"""What must hold of the prompt pools of a study."""

from collections.abc import Sequence

from clipn.errors import ClipnError
from clipn.scores import IMPORTED
from clipn.text.prompts import NO_POOLS, has_negations, pool_hash, pool_name


def require_pools(names: Sequence[str]) -> None:
    """Raise a ValueError if a pool cannot be read, or two have one name, or that of imported scores."""
    try:
        pools = {pool_name(name): pool_hash(name) for name in names}
    except ClipnError as error:
        raise ValueError(str(error).removeprefix("prompts: ")) from error
    if IMPORTED in pools:
        raise ValueError(f"{IMPORTED!r} is what scores of others are kept under; rename the file")
    # Scores lie in a folder per name, so `a/mine.txt` and `b/mine.txt` would overwrite each other.
    if len(pools) < len(names):
        raise ValueError("two pools have the same name; name each once")


def require_negations(pool: str) -> None:
    """Raise a ValueError if a pool, the first of a study with hand-crafted runs, has no negating prompts."""
    if not has_negations(pool):
        pools = ", ".join(NO_POOLS)
        raise ValueError(f"prompts: for hand-crafted runs name one of {pools} first, or a file with its `_no.txt`")
