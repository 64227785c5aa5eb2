"""Commands that the pages name: each exists, with its options, targets, stages and studies. None is run here."""

import importlib.util
import re
from collections.abc import Callable
from functools import cache

import pytest
import typer
import yaml
from dvc.cli.parser import get_main_parser
from snakemake.cli import get_argument_parser

from clipn.cli.main import app
from clipn.study.data import StudyData
from clipn.study.loading import load_study
from clipn.study.paths import StudyPaths
from clipn.study.targets import all_files
from tests.helpers.pages import PAGES, commands, page
from tests.helpers.project import ROOT

SNAKEFILES = [ROOT / "workflow/Snakefile", *ROOT.glob("workflow/rules/*.smk")]
RULES = {name for file in SNAKEFILES for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)}
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
STAGES = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
STUDIES = {path.stem for path in ROOT.glob("config/studies/*.yaml")}
OWN_TABLE = re.compile(r"results/tables/\w+_ood\.csv")
PLACEHOLDER = re.compile(r"\.\.\.|[A-Z]+")
"""A word of a page that stands for any other."""


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@cache
def files_of(name: str | None) -> set[str]:
    study = load_study(name)
    return set(all_files(StudyPaths(study, StudyData(study)), figures=[]))


def check_clipn(words: list[str], text: str) -> None:
    command, context = typer.main.get_command(app), None
    while True:
        context = command.context_class(command, parent=context)
        _, words, _ = command.make_parser(context).parse_args([*words])
        # A group hands on what it does not know itself; a command should know all.
        if not words or PLACEHOLDER.fullmatch(words[0]):
            return
        assert words[0] in getattr(command, "commands", ()), "no such command or argument"
        command, words = command.commands[words[0]], words[1:]


def check_snakemake(words: list[str], text: str) -> None:
    given = get_argument_parser().parse_args(words)
    study = dict(setting.split("=") for setting in given.config or []).get("study")
    written_by_page = study and re.search(rf"clipn study new {study}\b|> config/studies/{study}\.yaml", text)
    assert written_by_page or study in {None, *STUDIES}, "no such study"
    for target in given.targets or []:
        made = OWN_TABLE.fullmatch(target) if written_by_page else target in files_of(study)
        assert made or target in RULES or PLACEHOLDER.fullmatch(target), "no such target"


def check_dvc(words: list[str], text: str) -> None:
    given = get_main_parser().parse_args(words)
    if given.cmd in ("pull", "push", "repro"):
        # Others are paths, some of them behind a variable of the shell.
        names = [target for target in given.targets if re.fullmatch(r"\w+", target)]
        assert all(name in STAGES or PLACEHOLDER.fullmatch(name) for name in names), "no such stage"


def check_make(words: list[str], text: str) -> None:
    assert {word for word in words if "=" not in word} <= TARGETS, "no such target"


def check_python(words: list[str], text: str) -> None:
    assert words[0] != "-m" or importlib.util.find_spec(words[1]), "no such module"


CHECKS: dict[str, Callable[[list[str], str], None]] = {
    "clipn": check_clipn,
    "snakemake": check_snakemake,
    "dvc": check_dvc,
    "make": check_make,
    "python": check_python,
}


def objections(text: str) -> list[str]:
    """Commands of a page that could not be run as they stand there, each with the reason."""
    found = []
    for program, *words in commands(text):
        try:
            CHECKS[program](words, text)
        except (Exception, SystemExit) as error:
            found.append(f"{' '.join([program, *words])}: {str(error).splitlines()[0]}")
    return found


@pytest.mark.parametrize("path", PAGES)
def test_the_commands_of_a_page_exist(path: str) -> None:
    assert objections(page(path)) == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("clipn detekt photos", "no such command or argument"),
        ("clipn data fetsh sun", "no such command or argument"),
        ("clipn detect photos --classes a --modell m.pt", "No such option: --modell"),
        ("clipn data fetch sun --archives", "Option '--archives' requires an argument."),
        ("clipn study plan demo again", "no such command or argument"),
        ("snakemake --coers 8 all", "2"),
        ("snakemake everything", "no such target"),
        ("snakemake results/tables/imagenet.csv", "no such target"),
        ("snakemake results/tables/pets_ood.csv --config study=demo", "no such target"),
        ("snakemake all --config study=pets", "no such study"),
        ("dvc rebro", "parser error"),
        ("dvc push feature", "no such stage"),
        ("make reproduced", "no such target"),
        ("python -m benchmarks.none", "no such module"),
        ("apptainer run clipn.sif snakemake everything", "no such target"),
        ("PYTHONPATH=. torchrun --no-python clipn trein", "no such command or argument"),
    ],
)
def test_a_command_that_does_not_exist_is_named(command: str, reason: str) -> None:
    text = f"`make test` and `clipn --help` are there.\n\n```bash\ncd /tmp && {command}   # why\nmake docs\n```\n"
    [objection] = objections(text)
    typed, _, said = objection.partition(": ")
    assert command.endswith(typed)
    assert said == reason


def test_commands_are_found_in_blocks_and_sentences() -> None:
    text = """
Type `clipn data
list` or `make`, not `cliplist`.

```bash
study=demo clipn study plan demo > plan.txt   # not `make this`
python - <<'END'
make = "no command"
END
cut -d, -f2 a.csv | dvc push && \\
    docker run --rm clipn snakemake --cores 8 all
```

```console
$ clipn store status
clipn prints this
```
"""
    assert list(commands(text)) == [
        ["clipn", "study", "plan", "demo"],
        ["python", "-"],
        ["dvc", "push"],
        ["snakemake", "--cores", "8", "all"],
        ["clipn", "store", "status"],
        ["clipn", "data", "list"],
    ]
