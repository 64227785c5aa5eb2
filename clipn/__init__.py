"""CLIPN: zero-shot out-of-distribution detection by teaching CLIP to say no."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipn.evaluation.detector import Detector
    from clipn.model.checkpoint import load


__all__ = ["Detector", "load"]


def __getattr__(name: str) -> Any:
    """Import `load` and `Detector` on first use: they need torch, which most steps do not."""
    if name == "load":
        from clipn.model.checkpoint import load

        return load
    if name == "Detector":
        from clipn.evaluation.detector import Detector

        return Detector
    raise AttributeError(f"module 'clipn' has no attribute {name!r}")
