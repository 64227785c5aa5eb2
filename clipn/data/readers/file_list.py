"""Images that a text file lists, as OpenOOD and MOS publish them: `path` or `path label` per line."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from clipn.data.archives import member_names, read_members
from clipn.data.location import Location
from clipn.data.readers.image import LABEL_DIGITS, Image
from clipn.data.readers.selection import own_name, selected
from clipn.errors import ClipnError
from clipn.text.lines import read_lines

LABELLED = re.compile(r"(?P<path>.*\S)\s+(?P<label>-1|\d+)")
"""A line with a label, of which -1 is none."""
OTHER_FORMS = {
    r"\\": "write / between folders",
    r"[,;]": "write a space, and no comma, before each label, without a line of headings",
    r"[\"']": "write paths without quotation marks",
    r"\s\S*\d\.\d*$|\.\w+\s+[^\s.]+$": "write labels as whole numbers",
}
"""What in a listed path tells of another form of list, and how to write it here."""


def listed_images(location: Location) -> Iterator[Image]:
    """Images by their listed path, in the order of the archives.

    A listed path may begin with the folder's own name, or with that of the archive without its suffixes: in OpenOOD's
    lists, `ssb_hard/n01/1.JPEG` is what lies in `ssb_hard.zip` as `n01/1.JPEG`.

    Raises:
        ClipnError: the list is missing or names a file twice, or one that no archive or folder holds.
    """
    assert location.file_list is not None
    labels = read_file_list(location.file_list)
    for path, names in listed_members(location, labels):
        for name, content in read_members(path, names.__contains__):
            yield Image(names[name], labels[names[name]], content)


def listed_members(location: Location, labels: Collection[str]) -> list[tuple[Path, dict[str, str]]]:
    """Archives or folders, each with the listed path of its members that are read.

    Raises:
        ClipnError: the list names a file that no archive or folder holds.
    """
    listed: list[dict[str, str]] = []
    for path in location.paths:
        own = own_name(path) or f"{path.name.partition('.')[0]}/"
        forms = ((name, form) for name in member_names(path) for form in (name, own + name))
        listed.append({name: form for name, form in forms if form in labels})
    if missing := set(labels).difference(*(names.values() for names in listed)):
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        remedy = next((form for sign, form in OTHER_FORMS.items() if re.search(sign, min(missing))), "correct the list")
        composed = partial(unicodedata.normalize, "NFC")
        if composed(min(missing)) in {composed(name) for path in location.paths for name in member_names(path)}:
            remedy = "write accents as the names of the files do: as signs of their own, or with their letters"
        raise ClipnError(
            f"{location.file_list}: {min(missing)}{others} not found in {', '.join(map(str, location.paths))}; "
            f"complete the images, or {remedy}"
        )
    chosen = frozenset(selected(labels, location.record.select))
    return [
        (path, {name: form for name, form in names.items() if form in chosen})
        for path, names in zip(location.paths, listed, strict=True)
    ]


def read_file_list(path: Path) -> dict[str, int]:
    """Labels by listed path, in the order of the list; -1 where there is none.

    Blank lines, and lines that start with `#`, are left out.

    Raises:
        ClipnError: the list is missing, is not UTF-8 text, is empty, or names a file twice.
    """
    labels: dict[str, int] = {}
    for line in read_lines(path):
        if line.startswith("#"):
            continue
        # A last word that is no number belongs to a file name with a space in it.
        found = LABELLED.fullmatch(line)
        name = str(PurePosixPath(found["path"] if found else line))
        if found and len(found["label"]) > LABEL_DIGITS:
            raise ClipnError(f"{path}: {name} has a label of more than {LABEL_DIGITS} digits; correct it")
        if name in labels:
            raise ClipnError(f"{path}: lists {name} twice; leave one out")
        labels[name] = int(found["label"]) if found else -1
    if not labels:
        raise ClipnError(f"{path}: lists no file; write one path per line")
    return labels
