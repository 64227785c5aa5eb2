"""CLIPN: zero-shot out-of-distribution detection by teaching CLIP to say no."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipn.checkpoint import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Import `load` on first use: it needs torch, which most steps do not."""
    if name != "load":
        raise AttributeError(f"module 'clipn' has no attribute {name!r}")
    from clipn.checkpoint import load

    return load
