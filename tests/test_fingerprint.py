"""The fingerprint reacts to what code does, and to nothing else."""

import ast
import inspect
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from typer.main import get_command

from clipn import fingerprint as module
from clipn import losses
from clipn.cli import main as cli
from clipn.fingerprint import Fingerprints, fingerprint, path_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that may be edited."""
    copy = tmp_path / "clipn"
    shutil.copytree(module.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", copy)
    return copy


def hashes(*modules: str) -> dict[str, str]:
    """Hash of every module behind a fingerprint."""
    fingerprints = Fingerprints()
    return fingerprints.closures[fingerprints(*modules)]


def changes(edit: Callable[[], object], *modules: str) -> bool:
    """Whether `edit` changes the fingerprint of `modules`."""
    before = fingerprint(*modules)
    edit()
    return fingerprint(*modules) != before


def replaced(path: Path, old: str, new: str) -> Callable[[], object]:
    text = path.read_text(encoding="utf-8")
    assert old in text
    return lambda: path.write_text(text.replace(old, new), encoding="utf-8")


HARMLESS = {
    "comment": ("import torch\n", "# a comment\nimport torch  # another\n"),
    "layout": ("def tso(yes: Tensor, no: Tensor, eps", "def tso(\n    yes: Tensor,\n    no: Tensor, eps"),
    "parentheses and quotes": ("return 2 - distance.mean()", "return (2 - (distance.mean()))"),
    "docstring of a module": ("The two CLIPN losses", "Both losses"),
    "docstring of a function": ("Text semantic-opposite loss", "TSO"),
    "docstring removed": (f'"""{losses.__doc__}"""\n', ""),
}

HARMFUL = {
    "number": ("eps: float = 1e-4", "eps: float = 1e-5"),
    "operator": ("2 - distance.mean()", "2 + distance.mean()"),
    "order": ("return matched, unmatched", "return unmatched, matched"),
    "new import": ("import torch\n", "import torch\nimport clipn.text.prompts\n"),
}


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_words_and_layout_do_not_count(package: Path, old: str, new: str) -> None:
    assert not changes(replaced(package / "losses.py", old, new), "clipn.losses")


def test_docstrings_of_attributes_do_not_count(package: Path) -> None:
    reworded = replaced(package / "scores/evidence.py", "torch tensor or NumPy array", "array of torch or NumPy")
    assert not changes(reworded, "clipn.scores")


def test_text_that_a_program_uses_counts(package: Path) -> None:
    assert changes(replaced(package / "scores/__init__.py", '"CLIPN-CTW"', '"CTW"'), "clipn.scores")


@pytest.mark.parametrize(("old", "new"), HARMFUL.values(), ids=HARMFUL)
def test_code_counts_wherever_it_is_imported(package: Path, old: str, new: str) -> None:
    edit = replaced(package / "losses.py", old, new)
    before = fingerprint("clipn.evaluation.scoring")
    assert changes(edit, "clipn.training.clipn")
    assert fingerprint("clipn.evaluation.scoring") == before


@pytest.mark.parametrize(
    ("file", "step", "counts"),
    [
        ("errors.py", "clipn.training.clipn", True),  # imported by all that train imports
        ("data/archives/tars.py", "clipn.data.shards", True),
        ("data/__init__.py", "clipn.data.shards", False),  # nobody imports the package for itself
        ("cli/main.py", "clipn.training.clipn", False),
        ("report/page/html.py", "clipn.training.clipn", False),
        ("progress.py", "clipn.data.download", True),
    ],
)
def test_a_step_depends_on_what_it_imports(package: Path, file: str, step: str, counts: bool) -> None:
    path = package / file
    assert changes(lambda: path.write_text(path.read_text() + "\nADDED = 1\n"), step) is counts


def test_all_modules_of_a_step_count(package: Path) -> None:
    both = fingerprint("clipn.losses", "clipn.metrics")
    assert fingerprint("clipn.metrics", "clipn.losses") == both
    assert len({both, fingerprint("clipn.losses"), fingerprint("clipn.metrics")}) == 3
    assert len(both) == 16


def test_the_modules_behind_a_fingerprint_are_kept(package: Path) -> None:
    fingerprints = Fingerprints()
    found = fingerprints("clipn.scores")
    assert fingerprints.closures[found].keys() == fingerprints.closure(["clipn.scores"])
    assert "clipn.scores.evidence" in fingerprints.closures[found]


def test_the_hash_of_the_module_that_changed_is_the_only_other_one(package: Path) -> None:
    before = hashes("clipn.training.clipn")
    replaced(package / "losses.py", "eps: float = 1e-4", "eps: float = 1e-5")()
    after = hashes("clipn.training.clipn")
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["clipn.losses"]


def test_words_and_layout_do_not_change_the_hash_of_a_module(package: Path) -> None:
    before = hashes("clipn.losses")
    for old, new in (HARMLESS["comment"], HARMLESS["docstring of a module"]):
        replaced(package / "losses.py", old, new)()
    assert hashes("clipn.losses") == before


@pytest.mark.parametrize(("own_text", "taken"), [(module.OWN_TEXT, True), (b"another version", False)])
def test_what_another_process_has_parsed_is_taken_only_from_the_same_version_of_this_module(
    package: Path, monkeypatch: pytest.MonkeyPatch, own_text: bytes, taken: bool
) -> None:
    earlier = Fingerprints()
    parsed = earlier.closures[earlier("clipn.metrics")]
    known = {key: source._replace(tree="of another process") for key, source in earlier.sources.items()}
    monkeypatch.setattr(module, "OWN_TEXT", own_text)
    later = Fingerprints(known)
    found = later.closures[later("clipn.metrics")]
    assert found == (dict.fromkeys(parsed, "of another process") if taken else parsed)


# The fingerprints of the rules

ROOT = Path(__file__).parents[1]
RECORDS = {"clipn.data.overview", "clipn.data.description", "clipn.data.weights_registry"}
"""What only prints, or reads records that enter the rules by their content."""


def rule_texts() -> Iterator[str]:
    """Every rule, from its name on."""
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        yield from re.split(r"^ *rule ", path.read_text(), flags=re.MULTILINE)[1:]


def rules() -> Iterator[tuple[str, list[str], list[str]]]:
    """Name, modules of the fingerprint and words of the command of every rule that calls this program.

    A rule whose command a wildcard `kind` completes comes once for every kind.
    """
    constraint = re.search(r'kind="([\w|]+)"', (ROOT / "workflow/rules/common.smk").read_text())
    assert constraint
    for text in rule_texts():
        command = re.search(r"clipn --log \{log\} ([\w -]+(?:\{wildcards.kind\})?)", text)
        modules = re.search(r"code=fingerprint\(([^)]*)\)", text)
        if command and modules:
            name, imported = text.partition(":")[0], re.findall(r"[\w.]+", modules[1])
            for kind in constraint[1].split("|") if "{" in command[1] else [""]:
                yield name, imported, command[1].replace("{wildcards.kind}", kind).split()


def imported_by_command(words: list[str]) -> set[str]:
    """Modules that a command imports when it is called, in itself or in a function beside it."""
    command: Any = get_command(cli.app)
    for word in words:
        command = command.commands[word] if hasattr(command, "commands") else command
    function = inspect.unwrap(command.callback)
    beside = inspect.getmodule(function).__dict__
    text = inspect.getsource(function)
    helpers = [inspect.getsource(beside[name]) for name in re.findall(r"\b_[a-z]+(?=\()", text) if name in beside]
    trees = (ast.walk(ast.parse(dedent(part))) for part in (text, *helpers))
    return {name for tree in trees for node in tree if isinstance(node, ast.ImportFrom) for name in names(node)}


def names(node: ast.ImportFrom) -> Iterator[str]:
    """Modules that a statement imports."""
    for alias in node.names:
        name = f"{node.module}.{alias.name}"
        yield name if path_of(name).exists() else str(node.module)


def test_the_fingerprint_of_a_rule_holds_what_its_command_imports() -> None:
    found = list(rules())
    assert len(found) > 25
    fingerprints = Fingerprints()
    for rule, modules, words in found:
        imported = {name for name in imported_by_command(words) if name.startswith("clipn.")}
        assert imported - RECORDS <= fingerprints.closure(modules), rule


def test_only_what_its_checksum_proves_needs_no_fingerprint() -> None:
    without = {text.partition(":")[0] for text in rule_texts() if "clipn --log" in text and "fingerprint(" not in text}
    assert without == {"fetch_archive", "fetch_weights"}


@pytest.mark.parametrize("step", ["clipn.training.clipn", "clipn.features.images", "clipn.data.verify"])
def test_a_new_method_neither_trains_nor_verifies(step: str) -> None:
    assert not {name for name in Fingerprints().closure([step]) if name.startswith(("clipn.scores", "clipn.report"))}
