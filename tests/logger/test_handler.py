"""Who gets few lines, and which command goes on."""

from typing import Any

import pytest
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings

from snakemake_logger_plugin_clipn import LogHandler, typed_command


def writes(**settings: Any) -> bool:
    return LogHandler(OutputSettings(**settings), None).writes_to_stream


def test_a_run_of_which_nothing_special_is_asked() -> None:
    assert writes()
    assert writes(nocolor=True)


@pytest.mark.parametrize("asked", ["dryrun", "printshellcmds", "verbose", "debug_dag", "show_failed_logs"])
def test_who_asks_for_something_else_gets_snakemakes_own_output(asked: str) -> None:
    assert not writes(**{asked: True})


@pytest.mark.parametrize("quiet", [{Quietness.ALL}, {Quietness.PROGRESS, Quietness.RULES}])
def test_who_asks_for_silence_gets_snakemakes_own_output(quiet: set[Quietness]) -> None:
    assert not writes(quiet=quiet)


def test_the_command_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/env/bin/snakemake", "--cores", "8", "--config", "study=my own"])
    monkeypatch.delenv("MAKELEVEL", raising=False)
    assert typed_command() == "snakemake --cores 8 --config 'study=my own'"


def test_a_program_that_python_runs_is_named_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/env/lib/python3.11/site-packages/snakemake/__main__.py", "all"])
    monkeypatch.delenv("MAKELEVEL", raising=False)
    assert typed_command() == "snakemake all"


def test_under_make_it_names_the_program_that_the_shell_may_not_know(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [f"{tmp_path}/.venv/bin/snakemake", "all"])
    monkeypatch.setenv("MAKELEVEL", "1")
    assert typed_command() == ".venv/bin/snakemake all"
