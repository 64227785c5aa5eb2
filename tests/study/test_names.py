"""Runs and scorings are named by the folders and files that hold them."""

from pathlib import PurePath

import pytest

from clipn.errors import ClipnError
from clipn.study.names import RunName, Scoring


@pytest.mark.parametrize("name", [RunName("ViT-B-32", "v1.5", 3), Scoring("tiny", "none", "clipn128", 0)])
def test_a_name_is_found_again_in_a_path(name: RunName | Scoring) -> None:
    path = PurePath(f"results/studies/demo/scores/{name}.parquet")
    assert type(name).of(path) == name


def test_their_paths() -> None:
    assert str(RunName("tiny", "learnable", 2)) == "tiny/learnable/seed2"
    assert str(Scoring("{backbone}", "{variant}", "{prompts}", "{seed}")) == "{backbone}/{variant}/{prompts}/seed{seed}"


@pytest.mark.parametrize(
    ("kind", "path", "form"),
    [
        (Scoring, "seed1.parquet", "<backbone>/<variant>/<prompts>/seed<k>.parquet"),
        (Scoring, "none/single/seed1.parquet", "<backbone>/<variant>/<prompts>/seed<k>.parquet"),
        (Scoring, "tiny/none/single/first.parquet", "<backbone>/<variant>/<prompts>/seed<k>.parquet"),
        (Scoring, "tiny/none/single/seed.parquet", "<backbone>/<variant>/<prompts>/seed<k>.parquet"),
        (Scoring, "tiny/none/single/1.parquet", "<backbone>/<variant>/<prompts>/seed<k>.parquet"),
        (Scoring, "tiny/none/single/seed-1", "<backbone>/<variant>/<prompts>/seed<k>"),
        (RunName, "learnable/seed1.csv", "<backbone>/<variant>/seed<k>.csv"),
        (RunName, "tiny/learnable/seedseed1.csv", "<backbone>/<variant>/seed<k>.csv"),
    ],
)
def test_a_path_of_another_form_is_refused(kind: type[RunName | Scoring], path: str, form: str) -> None:
    with pytest.raises(ClipnError, match=f"^{path}: expected .../{form}; rename the file$"):
        kind.of(PurePath(path))


@pytest.mark.parametrize(
    ("name", "run"),
    [(Scoring("tiny", "learnable", "single", 3), "learnable/seed3"), (Scoring("tiny", "none", "single", 0), "none")],
)
def test_the_run_of_a_scoring_is_called_as_its_classifiers_are(name: Scoring, run: str) -> None:
    assert name.run == run
