"""CLIPN: zero-shot out-of-distribution detection by teaching CLIP to say no."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipn.evaluation.detector import Detector, load_detector
    from clipn.evaluation.models import load, open_model

__all__ = ["Detector", "load", "load_detector", "open_model"]

_HOMES = {
    "Detector": "clipn.evaluation.detector",
    "load": "clipn.evaluation.models",
    "load_detector": "clipn.evaluation.detector",
    "open_model": "clipn.evaluation.models",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: they need torch, which most steps do not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'clipn' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
