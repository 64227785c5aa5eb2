"""The rules as their files say them."""

import re

from tests.helpers.project import ROOT

_NAME = re.compile(r'rule (\w+):|rule:\n +name:\n +(?:as_one_rule\(workflow, |f)"(\w+)')
"""Of one that is named where it stands, or in a loop; there, what all names begin with."""


def rule_texts() -> dict[str, str]:
    """Texts of all rules by name, file by file; one that is derived from another is in the text before it."""
    texts = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for text in re.split(r"^ *(?=rule\b)", path.read_text(), flags=re.MULTILINE)[1:]:
            name = _NAME.match(text)
            assert name, text
            texts[name[1] or name[2]] = text
    return texts
