"""Text from data in a line of its own, apart from `clipn.progress`, as results hold such lines, too."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
"""Ends of lines, signs that steer a terminal, and those that turn the direction of what follows."""


def unicode(text: str) -> str:
    """As UTF-8 can hold it: a file's name may have bytes that it cannot, which become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str) -> str:
    """Text from data, with a space for signs that end a line, steer a terminal or turn the direction of reading."""
    return _CONTROL.sub(" ", unicode(text))
