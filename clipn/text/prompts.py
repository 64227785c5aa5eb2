"""Class names and prompt pools, from open_clip's lists, verified by hash, or from a user's file; imports no torch."""

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from types import ModuleType

from clipn.errors import ClipnError
from clipn.files import require
from clipn.text.open_clip_files import open_clip_file

CLASSNAMES_SHA256 = "8800e39242cbed4c6889376e20a49cfdaf4f84a773a6686d15c3b39972ef94c4"
CLEAN_YES_SHA256 = "6bbdbaeb0f12927c352fe31384abb9366319cdc9f3581ac8cbcbce5c7c7fff19"
CLEAN_NO_SHA256 = "a397ce585c17053ec70d3d9b02511e16c3967811c428fbc90732633a9517e6c5"
RELEASED_YES_SHA256 = "19632c6e00132f9a3d4eaa6ea5f06d1ba019daea1b8ae34c276a05171743799b"
RELEASED_NO_SHA256 = "be9c95fca32386b1ffad706f253dfc95cdf2a7fd0defa159571c86f2c0764017"

DROPPED = re.compile(
    r"toy|plushie|plastic|origami|cartoon|embroidered|hard to see|^art of the \{\}\.|^itap of my \{\}\."
)
VIDEO_GAME = re.compile(r" in (a|the) video game\.$")
VIDEO_GAME_NO = {
    "a {} in a video game.": "no a {} in a video game.",
    "the {} in a video game.": "the {} not in a video game.",
}
ARTICLE = re.compile(r" of (?:(?:a|the|my|one) )?")
STRAY_COMMA_LINES = (34, 98)
STEM = re.compile(r"[A-Za-z0-9_-]+")


@cache
def _metadata() -> ModuleType:
    """open_clip's list module, loaded by path because importing open_clip imports torch."""
    path = open_clip_file("zero_shot_metadata.py")
    spec = importlib.util.spec_from_file_location("clipn._open_clip_lists", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_sha256(lines: Iterable[str]) -> str:
    """sha256 of lines joined by LF with a final LF."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _verified(lines: list[str], sha256: str, what: str) -> list[str]:
    # Another open_clip may have corrected a name or a template, and every score would move a little.
    if lines_sha256(lines) != sha256:
        raise ClipnError(f"{what} differ from the released ones; install the open_clip of requirements.lock")
    return lines


def imagenet_classnames() -> list[str]:
    """The 1,000 names in sorted-wnid order that OpenAI, open_clip and the CLIPN authors use."""
    return _verified(list(_metadata().IMAGENET_CLASSNAMES), CLASSNAMES_SHA256, "ImageNet class names")


def _openai80() -> list[str]:
    return [template("{}") for template in _metadata().OPENAI_IMAGENET_TEMPLATES]


def _clipn128_clean() -> list[str]:
    # The authors' 128 lines are 64 of OpenAI's 80, and the same 64 in other words.
    first = [template for template in _openai80() if not DROPPED.search(template)]
    second = [
        VIDEO_GAME.sub(r" appearing in \1 video game.", template)
        if VIDEO_GAME.search(template)
        else template.replace(" of ", " with ")
        for template in first
    ]
    return _verified(first + second, CLEAN_YES_SHA256, "prompt templates")


def _clipn128_clean_no() -> list[str]:
    yes = _clipn128_clean()
    # Each half was negated by a rule of its own: " of no " in the first, " without " in the second.
    half = len(yes) // 2
    first = [VIDEO_GAME_NO.get(template, ARTICLE.sub(" of no ", template)) for template in yes[:half]]
    second = [
        template.replace(" with ", " without ").replace(" appearing in ", " not appearing in ")
        for template in yes[half:]
    ]
    return _verified(first + second, CLEAN_NO_SHA256, "negating templates")


def _as_released(pool: Callable[[], list[str]], sha256: str, what: str) -> list[str]:
    """A pool as in the authors' files: every line in quotation marks, and two of them with a comma behind."""
    lines = [f"'{line}'" + ("," if number in STRAY_COMMA_LINES else "") for number, line in enumerate(pool())]
    return _verified(lines, sha256, what)


POOLS: dict[str, Callable[[], list[str]]] = {
    "clipn128": partial(_as_released, _clipn128_clean, RELEASED_YES_SHA256, "prompt templates"),
    "clipn128_clean": _clipn128_clean,
    "openai80": _openai80,
    "single": lambda: ["a photo of a {}."],
    "nice": lambda: ["The nice {}."],
}
NO_POOLS: dict[str, Callable[[], list[str]]] = {
    "clipn128": partial(_as_released, _clipn128_clean_no, RELEASED_NO_SHA256, "negating templates"),
    "clipn128_clean": _clipn128_clean_no,
    "single": lambda: ["a photo of no {}."],
}


def prompt_pool(name: str) -> list[str]:
    """Templates with one `{}` for the class name.

    `clipn128` is the pool of the authors' released code, where every line keeps the quotation marks of the
    source it was pasted from; `clipn128_clean` is the same without them; `nice` is that of NegLabel (Jiang et al.,
    ICLR 2024).

    Args:
        name: of a pool, or a text file (`.txt`) with a template per line.

    Raises:
        ClipnError: there is no pool of that name; or the file is missing, or a line of it is no template.
    """
    if _is_file(name):
        return _read_templates(Path(name))
    if name not in POOLS:
        raise ClipnError(f"prompts: no pool {name!r}; choose one of {', '.join(POOLS)}, or a .txt file of templates")
    return POOLS[name]()


def no_prompt_pool(name: str) -> list[str]:
    """Templates that negate, line by line paired with those of `prompt_pool`.

    Args:
        name: of a pool, or a text file `x.txt`, whose negations are in `x_no.txt` beside it.

    Raises:
        ClipnError: there is no pool of that name, or none that negates; or one of both files is missing, has a line
            that is no template, or more lines than the other.
    """
    if _is_file(name):
        path, templates = _negations_of(name), prompt_pool(name)
        negations = _read_templates(path)
        if len(negations) != len(templates):
            counts = f"{len(negations)} against {len(templates)} lines of {name}"
            raise ClipnError(f"{path}: {counts}; write a negation for every template")
        return negations
    if name not in NO_POOLS:
        raise ClipnError(f"templates: no pool {name!r} that negates; choose one of {', '.join(NO_POOLS)}")
    return NO_POOLS[name]()


def has_negations(name: str) -> bool:
    """Whether a pool has templates that negate, which hand-crafted runs need."""
    return _negations_of(name).is_file() if _is_file(name) else name in NO_POOLS


def pool_name(name: str) -> str:
    """What tables and paths call a pool: its name, or that of its file without `.txt`.

    Raises:
        ClipnError: the file has the name of a pool, or one that does not suit a path.
    """
    if not _is_file(name):
        return name
    stem = Path(name).stem
    if stem in POOLS:
        raise ClipnError(f"{name}: {stem} is the name of a built-in pool; rename the file")
    if not STEM.fullmatch(stem):
        raise ClipnError(f"{name}: a pool is called by letters, digits, `_` and `-` only; rename the file")
    return stem


def pool_hash(name: str) -> str:
    """sha256 of a pool's templates and, if it has them, their negations.

    Raises:
        ClipnError: as `prompt_pool` and `no_prompt_pool`.
    """
    negations = no_prompt_pool(name) if has_negations(name) else []
    # The empty line keeps a pool of 2n lines apart from one of n with negations.
    return lines_sha256([*prompt_pool(name), "", *negations])


def _is_file(name: str) -> bool:
    return name.endswith(".txt")


def _negations_of(name: str) -> Path:
    path = Path(name)
    return path.with_name(f"{path.stem}_no.txt")


def _read_templates(path: Path) -> list[str]:
    try:
        # Not splitlines(): white space at either end may be meant, and a blank line is a mistake to report.
        lines = require(path).read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ClipnError(f"{path}: is not UTF-8 text; save it as such") from error
    for number, line in enumerate(lines, 1):
        if line.count("{}") != 1 or re.search("[{}]", line.replace("{}", "")):
            raise ClipnError(f"{path}: line {number} needs one {{}} for the class name and no other brace")
    return lines
