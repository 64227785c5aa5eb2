"""Wider names of ImageNet's classes, as WordNet 3.0 has them: a golden retriever is a dog.

Of the synsets above a class, with at most 130 of the 1,000 classes below them, the file holds the first words of two:
those that WordNet counts most often in texts.
"""

import hashlib
from pathlib import Path

from clipn.errors import ClipnError

FILE = Path(__file__).with_name("wider_names.tsv")
# Here, so that another list is another code for the records that say how results were made.
SHA256 = "189e3de7e16f75421aa00d64a9d4513a561b5fadd57096a97a0c9d0166fe0965"


def wider_names() -> dict[str, str]:
    """One or two names, with `, ` between them, by the WordNet id of a class; a few classes have none.

    Raises:
        ClipnError: the file was changed.
    """
    content = FILE.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ClipnError(f"{FILE}: was changed; install clipn again")
    return dict(line.split("\t") for line in content.decode().splitlines())
