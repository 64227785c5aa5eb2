"""Class names and prompt pools, generated from open_clip's lists and proven by hash; imports no torch."""

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from clipn.errors import ClipnError

CLASSNAMES_SHA256 = "8800e39242cbed4c6889376e20a49cfdaf4f84a773a6686d15c3b39972ef94c4"
CLEAN_YES_SHA256 = "6bbdbaeb0f12927c352fe31384abb9366319cdc9f3581ac8cbcbce5c7c7fff19"
RELEASED_YES_SHA256 = "19632c6e00132f9a3d4eaa6ea5f06d1ba019daea1b8ae34c276a05171743799b"

DROPPED = re.compile(
    r"toy|plushie|plastic|origami|cartoon|embroidered|hard to see|^art of the \{\}\.|^itap of my \{\}\."
)
VIDEO_GAME = re.compile(r" in (a|the) video game\.$")
STRAY_COMMA_LINES = (34, 98)


@cache
def _metadata() -> ModuleType:
    """open_clip's list module, loaded by path because importing open_clip imports torch."""
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise ClipnError("open_clip is not installed; run `make install`")
    spec = importlib.util.spec_from_file_location(
        "clipn._open_clip_lists", Path(package.origin).with_name("zero_shot_metadata.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_sha256(lines: Iterable[str]) -> str:
    """sha256 of lines joined by LF with a final LF."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _proven(lines: list[str], sha256: str, what: str) -> list[str]:
    if lines_sha256(lines) != sha256:
        raise ClipnError(f"{what} differ from the released ones; install the open_clip of requirements.lock")
    return lines


def imagenet_classnames() -> list[str]:
    """The 1,000 names in sorted-wnid order that OpenAI, open_clip and the CLIPN authors use."""
    return _proven(list(_metadata().IMAGENET_CLASSNAMES), CLASSNAMES_SHA256, "ImageNet class names")


def _openai80() -> list[str]:
    return [template("{}") for template in _metadata().OPENAI_IMAGENET_TEMPLATES]


def _clipn128_clean() -> list[str]:
    first = [template for template in _openai80() if not DROPPED.search(template)]
    second = [
        VIDEO_GAME.sub(r" appearing in \1 video game.", template)
        if VIDEO_GAME.search(template)
        else template.replace(" of ", " with ")
        for template in first
    ]
    return _proven(first + second, CLEAN_YES_SHA256, "prompt templates")


def _clipn128() -> list[str]:
    quoted = [
        f"'{template}'" + ("," if line in STRAY_COMMA_LINES else "") for line, template in enumerate(_clipn128_clean())
    ]
    return _proven(quoted, RELEASED_YES_SHA256, "prompt templates")


POOLS: dict[str, Callable[[], list[str]]] = {
    "clipn128": _clipn128,
    "clipn128_clean": _clipn128_clean,
    "openai80": _openai80,
    "single": lambda: ["a photo of a {}."],
}


def prompt_pool(name: str) -> list[str]:
    """Templates with one `{}` for the class name.

    `clipn128` is the pool of the authors' released code, where every line keeps the quotation marks of the
    source it was pasted from; `clipn128_clean` is the same without them.

    Raises:
        ClipnError: there is no pool of that name.
    """
    if name not in POOLS:
        raise ClipnError(f"prompts: no pool {name!r}; choose one of {', '.join(POOLS)}")
    return POOLS[name]()
