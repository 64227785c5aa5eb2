"""No command overwrites what it reads."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import pytest
import typer

from clipn.cli import main as cli
from clipn.errors import ClipnError
from clipn.files import write_text
from tests.helpers.shard_building import picture

FOLDER_OUTPUTS = ("folder to write to", "folder with", "folder of")


def callbacks(commands: typer.Typer) -> Iterator[Callable[..., None]]:
    for command in commands.registered_commands:
        assert command.callback is not None
        yield command.callback
    for group in commands.registered_groups:
        assert group.typer_instance is not None
        yield from callbacks(group.typer_instance)


COMMANDS = {f"{callback.__module__}.{callback.__name__}": callback for callback in callbacks(cli.app)}


def options(command: Callable[..., None]) -> dict[str, Any]:
    """What Typer is told of every parameter but switches, by name."""
    annotated = {name: get_args(value.annotation) for name, value in inspect.signature(command).parameters.items()}
    return {name: parts[1] for name, parts in annotated.items() if len(parts) > 1 and parts[0] is not bool}


def refusal(*arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> str:
    with mock.patch.object(sys, "argv", ["clipn", *map(str, arguments)]), pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_writes_is_none_of_what_it_reads(name: str, tmp_path: Path) -> None:
    command, known = COMMANDS[name], options(COMMANDS[name])
    file = tmp_path / "file"
    file.write_text("of somebody")
    outputs = [name for name, option in known.items() if option.writable]
    for output in outputs:
        for other in known.keys() - outputs:
            for given in (file, [file], f"name:{file}", [f"name:other:{file}"], f"name={file}"):
                with pytest.raises(ClipnError, match="file: is read by this command, and would be overwritten"):
                    command(**{output: file, other: given})
    for first, second in pairwise(outputs):
        with pytest.raises(ClipnError, match="new: is named as two outputs"):
            command(**{first: tmp_path / "new", second: tmp_path / "new"})
    assert file.read_text() == "of somebody"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_file_that_is_written_is_marked_as_an_output(name: str) -> None:
    for option in options(COMMANDS[name]).values():
        says_so = "write" in (option.help or "") and not option.help.startswith(FOLDER_OUTPUTS)
        assert bool(option.writable) == says_so, option.help


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_another_name_of_a_file_is_the_file(
    link: Callable[[Path, Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, other = tmp_path / "mine.pt", tmp_path / "other.pt"
    weights.write_text("weights")
    link(weights, other)
    said = refusal("checkpoint", "import", weights, "--backbone", "b.json", "--output", other, capsys=capsys)
    assert said == f"error: {other}: is read by this command, and would be overwritten; name another output"
    assert weights.read_text() == "weights"


def test_a_table_is_not_written_over_an_image_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "photos/1.png"
    image.parent.mkdir()
    image.write_bytes(picture("1"))
    said = refusal("detect", tmp_path / "photos", "--classes", "a,b", "--csv", image, capsys=capsys)
    assert said == f"error: {image}: is read by this command, and would be overwritten; name another output"
    assert image.read_bytes() == picture("1")


def test_what_is_written_below_a_folder_is_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate_runs(runs: Any, pairs: Any, options: Any) -> None:
        write_text(next(iter(runs)).with_suffix(".parquet"), "replicates")

    monkeypatch.setattr("clipn.evaluation.evaluate.evaluate_runs", evaluate_runs)
    scores = tmp_path / "tiny/none/clipn128/seed0.parquet"
    write_text(scores, "scores")
    evaluate = COMMANDS["clipn.cli.evaluation.evaluate"]
    with pytest.raises(ClipnError, match=r"seed0\.parquet: is read by this command"):
        evaluate(scores=[scores], pair=["a:b"], study="s", output=tmp_path)
    assert scores.read_text() == "scores"
    # Only while a command runs: what another one reads may be written.
    write_text(scores, "new scores")


@pytest.mark.parametrize("form", [["--log", "{}"], ["--log={}"]])
def test_a_log_is_not_written_over_an_argument(
    form: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "mine.pt"
    weights.write_text("weights")
    log, importing = [part.format(weights) for part in form], ["checkpoint", "import", weights]
    said = refusal(*log, *importing, "--backbone", "b.json", "--output", tmp_path / "new", capsys=capsys)
    assert (
        said
        == f"error: --log {weights}: is an argument of the command, too, and would be overwritten; name another file"
    )
    assert weights.read_text() == "weights"


def test_an_output_that_cannot_be_is_named_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    importing = ["checkpoint", "import", "mine.pt", "--backbone", "b.json", "--output"]
    assert refusal(*importing, tmp_path, capsys=capsys) == f"error: {tmp_path}: is a folder; name a file"
    below = tmp_path / "file/new"
    reason = f"cannot lie below {tmp_path / 'file'}, which is a file; name another folder"
    assert refusal(*importing, below, capsys=capsys) == f"error: {below}: {reason}"
