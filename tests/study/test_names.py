"""Runs and scorings are named by the folders and files that hold them."""

from pathlib import PurePath

import pytest

from clipn.study.names import RunName, Scoring


@pytest.mark.parametrize("name", [RunName("ViT-B-32", "v1.5", 3), Scoring("tiny", "none", "clipn128", 0)])
def test_a_name_is_found_again_in_a_path(name: RunName | Scoring) -> None:
    path = PurePath(f"results/studies/demo/scores/{name}.parquet")
    assert type(name).of(path) == name


def test_their_paths() -> None:
    assert str(RunName("tiny", "learnable", 2)) == "tiny/learnable/seed2"
    assert str(Scoring("{backbone}", "{variant}", "{prompts}", "{seed}")) == "{backbone}/{variant}/{prompts}/seed{seed}"


@pytest.mark.parametrize("path", ["first.parquet", "tiny/none/single/first.parquet", "tiny/none/single/seed.parquet"])
def test_a_path_of_another_form_is_refused(path: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Scoring.of(PurePath(path))
