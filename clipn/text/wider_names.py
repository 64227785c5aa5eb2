"""Wider names of ImageNet's classes, as WordNet 3.0 has them: a golden retriever is a dog.

Of the synsets above a class, with at most 130 of the 1,000 classes below them, the file takes the two whose words
WordNet counts most often in texts, and of these the words that it counts at all.
"""

import hashlib
from pathlib import Path

from clipn.errors import ClipnError

FILE = Path(__file__).with_name("wider_names.tsv")
# Here, so that another list is another code for the records that say how results were made.
SHA256 = "dd40c5bdab01e1e7e4aed5dcdc812e524e815e3c5128d9b5f5d53116754f6f4a"


def wider_names() -> dict[str, str]:
    """A few names, with `, ` between them, by the WordNet id of a class; a few classes have none.

    Raises:
        ClipnError: the file was changed.
    """
    content = FILE.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ClipnError(f"{FILE}: was changed; install clipn again")
    return dict(line.split("\t") for line in content.decode().splitlines())
