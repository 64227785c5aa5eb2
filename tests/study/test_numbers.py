"""Every number that a configuration file or an option takes: NaN, infinity, negative and huge ones are refused."""

import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from clipn.cli.main import app
from clipn.cli.schema import SCHEMAS
from clipn.errors import ClipnError
from clipn.study.config import Study
from clipn.training.settings import Variant
from clipn.yaml_models import LARGEST_SEED, MOST_THREADS, Record, first_error
from tests.study.test_config import study_with

NO_NUMBERS = [math.nan, math.inf, -math.inf, -1, 10**30]


def records(base: type[Record] = Record) -> Iterator[type[Record]]:
    for record in base.__subclasses__():
        yield from records(record)
        if record.__module__.startswith("clipn."):
            yield record


def types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from types(part)


def fields() -> list[tuple[type[Record], str, Any]]:
    """Every setting of every configuration file that holds a number, with its type."""
    assert SCHEMAS  # imports all records
    return [
        (record, name, field.annotation)
        for record in records()
        for name, field in record.model_fields.items()
        if {int, float} & set(types(field.annotation))
    ]


def holding(annotation: Any, number: float) -> Any:
    """A value of this type with the number in it."""
    if any(getattr(part, "__origin__", None) is dict for part in types(annotation)):
        return {number: "a file"}
    if any(getattr(part, "__origin__", None) is list for part in types(annotation)):
        return [number]
    return number


def test_there_are_many() -> None:
    assert {"Variant", "BackboneTraining", "Study", "Run", "Demo", "Crawl", "Archive", "Dataset", "Tolerance"} <= {
        record.__name__ for record, _, _ in fields()
    }


@pytest.mark.parametrize("number", NO_NUMBERS)
@pytest.mark.parametrize(("record", "name", "annotation"), fields(), ids=lambda value: getattr(value, "__name__", None))
def test_what_is_no_number_is_refused(record: type[Record], name: str, annotation: Any, number: float) -> None:
    with pytest.raises(ValidationError) as caught:
        record.model_validate({name: holding(annotation, number)})
    assert any(error["loc"][0] == name and error["type"] != "extra_forbidden" for error in caught.value.errors())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "runs: [{backbone: tiny, variant: learnable, seeds: [-1]}]",
            "runs.0.seeds.0: Input should be greater than or",
        ),
        (f"runs: [{{backbone: tiny, variant: learnable, seeds: [{2**63}]}}]", "runs.0.seeds.0: Input should be less"),
        ("demo: {seed: -1}", "demo.seed: Input should be greater than or equal to 0 (got -1)"),
        ("demo: {seed: .nan}", "demo.seed: Input should be a finite number (got nan)"),
        ("perturbation: .inf", "perturbation: Input should be a finite number (got inf)"),
        ("logit_scale: .inf", "logit_scale.constrained-float: Input should be a finite number (got inf)"),
        ("logit_scale: 1.0e+308", "logit_scale.constrained-float: Input should be less than or equal to 1000000"),
        ("threads: 1000000000000", f"threads: Input should be less than or equal to {MOST_THREADS}"),
        ("workers: -1", "workers: Input should be greater than or equal to 0 (got -1)"),
    ],
)
def test_a_study_with_such_a_number_names_the_key(text: str, complaint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Study.model_validate(study_with("demo", **yaml.safe_load(text)))
    assert first_error(caught.value).startswith(complaint)


def test_the_largest_seed_is_one() -> None:
    run = {"backbone": "tiny", "variant": "learnable", "seeds": [0, LARGEST_SEED]}
    assert Study.model_validate(study_with("demo", runs=[run], ablations=[])).runs[0].seeds == [0, LARGEST_SEED]


TRAIN = "train --backbone b --index i --name n --output o --history h --seed"
PERTURBED = "features perturbed a --registry r --archives a --datasets d --backbone b --output o --epsilon"


@pytest.mark.parametrize(
    "command",
    [
        *(f"{TRAIN} {seed}" for seed in (-1, 2**63, "nan")),
        *(f"{TRAIN} 1 --share {share}" for share in ("nan", "inf", -1)),
        *(f"{TRAIN} 1 --learning-rate {rate}" for rate in ("nan", "inf", -1)),
        *(f"{TRAIN} 1 --loss-weight {weight}" for weight in ("nan", "inf", -1)),
        f"{TRAIN} 1 --threads {10**12}",
        f"{TRAIN} 1 --workers {10**12}",
        *(f"{PERTURBED} {epsilon}" for epsilon in ("nan", "inf", -1)),
        *(f"{PERTURBED} 0.1 --logit-scale {scale}" for scale in ("nan", "inf", -1, 0, 1e308)),
        *(f"detect x.png --classes a,b --model m --recall {recall}" for recall in ("nan", "inf", -1, 2)),
        *(f"demo-data folder --seed {seed}" for seed in (-1, 2**63)),
    ],
)
def test_options_are_refused_before_any_file_is_looked_for(command: str) -> None:
    done = CliRunner().invoke(app, command.split())
    if isinstance(done.exception, ClipnError):
        assert str(done.exception).startswith(f"{command.split()[-2]}"), done.exception
    else:
        assert done.exit_code == 2
        assert "Invalid value for" in done.output


def test_variants_from_the_command_line_have_the_same_bounds() -> None:
    assert Variant(threads=MOST_THREADS).threads == MOST_THREADS
