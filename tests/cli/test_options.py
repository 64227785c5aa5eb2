"""Options generated from typed settings; pairs, copies and scales on the command line."""

from pathlib import Path

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner, Result

from clipn.cli.options import options_from, parse_copies, parse_lists, parse_logit_scale, parse_named, parse_pairs
from clipn.demo.settings import Demo
from clipn.errors import ClipnError
from clipn.training.settings import BackboneTraining, Variant
from clipn.yaml_models import Record


class Settings(Record):
    """One option of every kind that the studies use."""

    batch_size: int = Field(default=256, ge=2, description="samples per step")
    rate: float = Field(default=0.5, gt=0)
    flip: bool = Field(default=False)


def run(*arguments: str) -> Result:
    """A command with an argument of its own and `Settings`; it prints what it got."""
    app = typer.Typer()

    @app.command()
    @options_from(Settings)
    def command(name: str, settings: Settings) -> None:
        print(name, repr(settings))  # noqa: T201

    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Settings()),
        (["--batch-size", "2", "--rate", "1e-3", "--flip"], Settings(batch_size=2, rate=1e-3, flip=True)),
        (["--no-flip"], Settings()),
    ],
)
def test_defaults_and_overrides(arguments: list[str], expected: Settings) -> None:
    assert run("tiny", *arguments).output.strip() == f"tiny {expected!r}"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--batch-size", "1"], "--batch-size: Input should be greater than or equal to 2 (got 1)"),
        (["--rate", "-1"], "--rate: Input should be greater than 0 (got -1.0)"),
    ],
)
def test_values_out_of_range_are_one_line_that_names_the_option(arguments: list[str], complaint: str) -> None:
    error = run("tiny", *arguments).exception
    assert isinstance(error, ClipnError)
    assert str(error) == complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tiny", "--batch-size", "many"], "Invalid value for '--batch-size'"),
        (["tiny", "--batch_size", "3"], "No such option: --batch_size"),
        ([], "Missing argument"),
    ],
)
def test_values_of_another_type_and_unknown_options(arguments: list[str], complaint: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert complaint in result.output


@pytest.mark.parametrize("settings", [Demo, BackboneTraining, Variant])
def test_every_setting_of_a_study_has_a_default_and_a_description(settings: type[Record]) -> None:
    assert settings().model_fields_set == set()
    assert all(field.description for field in settings.model_fields.values())


def test_help_shows_default_and_description() -> None:
    text = run("--help").output
    assert "samples per step" in text
    assert "256" in text


def test_named_values() -> None:
    assert parse_named("--x", ["a/b:c", "d:e:f,g"], "A:B") == {"a/b": "c", "d": "e:f,g"}
    assert parse_named("--x", [], "A:B") == {}


@pytest.mark.parametrize("text", ["a", "a:", ":b", ":", ""])
def test_named_values_of_another_form(text: str) -> None:
    with pytest.raises(ClipnError, match=f"^--x '{text}': write it as A:B, e.g. a:b$"):
        parse_named("--x", ["z:y", text], "A:B, e.g. a:b")


def test_a_name_given_twice_loses_nothing_silently() -> None:
    message = "^--x 'a:d': a is given twice; name it once, with all that belongs to it$"
    for parse in (parse_named, parse_lists):
        with pytest.raises(ClipnError, match=message):
            parse("--x", ["a:c", "a:d"], "A:B")


def test_named_lists() -> None:
    assert parse_lists("--x", ["a:b,c", "d:e"], "A:B,B") == {"a": ["b", "c"], "d": ["e"]}


@pytest.mark.parametrize("text", ["a", "a:", ":b", "", "a:b,,c", "a:b,", "a:,b"])
def test_named_lists_of_another_form(text: str) -> None:
    with pytest.raises(ClipnError, match=f"^--x '{text}': write it as A:B,B$"):
        parse_lists("--x", ["z:y", text], "A:B,B")


def test_pairs() -> None:
    assert parse_pairs(["imagenet:sun,places", "cifar10:dtd"]) == {"imagenet": ["sun", "places"], "cifar10": ["dtd"]}
    with pytest.raises(ClipnError, match=r"--pair 'imagenet': write it as ID:OOD,OOD, e.g. imagenet:sun,places"):
        parse_pairs(["imagenet"])


def test_unpacked_copies() -> None:
    assert parse_copies(["sun:/data/sun", "places:a:b"]) == {"sun": Path("/data/sun"), "places": Path("a:b")}
    assert parse_copies(None) == parse_copies([]) == {}


def test_copies_of_another_form() -> None:
    with pytest.raises(ClipnError, match="--unpacked 'sun': write it as DATASET:FOLDER"):
        parse_copies(["sun"])


@pytest.mark.parametrize(("text", "scale"), [("100", 100.0), ("1e-3", 0.001), ("checkpoint", None)])
def test_logit_scales(text: str, scale: float | None) -> None:
    assert parse_logit_scale(text) == scale


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e308", "own", ""])
def test_no_logit_scales(text: str) -> None:
    with pytest.raises(
        ClipnError, match=f"--logit-scale '{text}': give a positive number up to 1,000,000, or `checkpoint`"
    ):
        parse_logit_scale(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cifar10:sun,sun", "--pair 'cifar10:sun,sun': something is named twice; name each once"),
        ("cifar10:sun,cifar10", "--pair cifar10: cannot be OOD of itself; name other datasets behind the colon"),
        ("cifar10:cifar10", "--pair cifar10: cannot be OOD of itself; name other datasets behind the colon"),
    ],
)
def test_pairs_that_measure_nothing(text: str, complaint: str) -> None:
    with pytest.raises(ClipnError) as caught:
        parse_pairs([text])
    assert str(caught.value) == complaint
