"""Mistakes in the file of published numbers, each refused in one line that names the key."""

from pathlib import Path

import pytest
import yaml

from clipn.errors import ClipnError
from clipn.report.published_numbers import load_published
from tests.report.test_published import BASELINE, CLOSE

SPREAD = {"spread": {"deviations": 2, "reason": "runs"}}


def written(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump({"tolerances": CLOSE, "entries": [BASELINE | changes]}))
    return path


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"method": "clipn"},
            "entries: 0.method: no such method 'clipn'; choose among msp, .*, or enter it in `methods`",
        ),
        ({"kind": "guessed"}, r"entries.0.kind: no such kind; choose among paper, .*recorded \(got 'guessed'\)"),
        ({"source": " "}, r"entries.0.source: .*\(got ' '\)"),
        ({"prompts": "clipn182"}, r"entries.0.prompts: .*clipn182"),
        ({"backbone": "ViT-B-32"}, r"entries.0.backbone: .*\(got 'ViT-B-32'\)"),
        ({"cells": {"sun": [90, 100.1]}}, "entries.0.cells.sun.1: a percentage lies between 0 and 100; correct it"),
        ({"cells": {"sun": [-1]}}, "entries.0.cells.sun.0: a percentage lies between"),
        ({"cells": {"sun": [float("nan")]}}, "entries.0.cells.sun.0: Input should be a finite number"),
        ({"cells": {"sun": [90, 30, 1]}}, "entries.0.cells.sun: .*at most 2 items"),
        ({"cells": {}}, "entries.0.cells: .*at least 1 item"),
        ({"compare": {"paper": "wide"}}, "entries: 0.compare.paper: no tolerance 'wide'; `tolerances` has close"),
        ({"remark": "good"}, "entries.0.remark: unknown key; remove it"),
        (
            {"convention": "sklearn"},
            r"entries.0.convention: no such convention; choose among clipn, .*\(got 'sklearn'\)",
        ),
        ({"ood_version": "clean"}, "entries.0: compare: only `ood_version: official` is compared; leave it out"),
    ],
)
def test_mistakes_in_an_entry_are_refused(changes: dict[str, object], complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path / "numbers.yaml", **changes)
    with pytest.raises(ClipnError, match=rf"numbers\.yaml: {complaint}"):
        load_published(path)


@pytest.mark.parametrize(
    "tolerance", [{}, {"auroc": 1}, {"auroc": 1, "fpr95": 2, "deviations": 2}, {"fpr95": 1, "deviations": 2}]
)
def test_a_tolerance_is_stated_or_computed(tolerance: dict[str, float], tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text(yaml.safe_dump({"tolerances": {"close": tolerance | {"reason": "so"}}}))
    with pytest.raises(ClipnError, match=r"tolerances\.close: give either `auroc` and `fpr95`, or `deviations`"):
        load_published(path)


def test_an_entry_in_two_conventions_is_two(tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    entries = [BASELINE, BASELINE | {"convention": "openood"}]
    path.write_text(yaml.safe_dump({"tolerances": CLOSE, "entries": entries}))
    assert len(load_published(path).entries) == 2


def test_an_entry_is_refused_twice(tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text(yaml.safe_dump({"tolerances": CLOSE, "entries": [BASELINE, BASELINE | {"cells": {"sun": [1]}}]}))
    with pytest.raises(ClipnError, match=r"entries: 1 repeats 0 \(max_logit, a note\); merge them or remove one"):
        load_published(path)


@pytest.mark.parametrize("runs", [[], [1]])
def test_deviations_need_published_runs(runs: list[int], tmp_path: Path) -> None:
    singles = [BASELINE | {"run": run, "compare": {}} for run in runs]
    path = tmp_path / "numbers.yaml"
    entries = [BASELINE | {"compare": {"paper": "spread"}}, *singles]
    path.write_text(yaml.safe_dump({"tolerances": SPREAD, "entries": entries}))
    with pytest.raises(ClipnError, match="tolerance 'spread' needs two entries with `run` that have auroc of cifar10"):
        load_published(path)
