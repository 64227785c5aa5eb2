"""Pages of the documentation: their commands, to look at or to type from top to bottom."""

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping

from tests.helpers.project import ROOT, Project, succeeded

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "config/README.md",
    *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")),
]
PROGRAMS = ("clipn", "snakemake", "dvc", "make", "python")
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^\$ (.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`")
HERE_DOCUMENT = re.compile(r"<<'END'\n.*?^END$", re.MULTILINE | re.DOTALL)


def page(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def follow(path: str, project: Project, instead: Mapping[str, str] | None = None) -> str:
    """What the shell blocks of a page print, run in a project; none may fail.

    Args:
        path: of the page.
        project: whose folder is worked in; it gets a copy of `docs`.
        instead: what is typed instead of parts of lines, each of which must be on the page.
    """
    shutil.copytree(ROOT / "docs", project.folder / "docs")
    # One shell for all, as one person types them.
    typed = "\n".join(BLOCK.findall(page(path)))
    assert typed
    for shown, ours in (instead or {}).items():
        assert shown in typed
        typed = typed.replace(shown, ours)
    return succeeded(project.run("bash", "-euo", "pipefail", "-c", typed)).text


def commands(text: str) -> Iterator[list[str]]:
    """Words of every command of `PROGRAMS` in the shell blocks of a page, and in the code within its sentences."""
    yield from _typed("\n".join([*BLOCK.findall(text), *PROMPT.findall(text)]))
    for code in INLINE.findall(FENCED.sub("", text)):
        yield from _typed(" ".join(code.split()))


def _typed(script: str) -> Iterator[list[str]]:
    for line in HERE_DOCUMENT.sub("", script).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("&|;()<>"):
                yield from _of_a_program(command)
                command = []
            else:
                command.append(word)


def _of_a_program(words: list[str]) -> Iterator[list[str]]:
    """The command, less variables before it, and the program that starts it: a container, `torchrun`."""
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if words[:2] in (["docker", "run"], ["apptainer", "run"]) or words[:1] == ["torchrun"]:
        words = words[max(map(words.index, set(words) & set(PROGRAMS))) :]
    if words and words[0] in PROGRAMS:
        yield words
