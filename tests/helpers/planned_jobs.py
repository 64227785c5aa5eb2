"""Planned jobs, and a folder with the record of what they would rebuild."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipn.provenance.state.run_state import RunState
from clipn.provenance.why import Reason, reasons
from clipn.study.rules.parameters import Contents, Settings
from clipn.study.snakemake import PlannedJob
from tests.helpers.records import write_record

OUTPUT = "study/runs/tiny/learnable/seed1.safetensors"
OLD, NEW = "0123456789abcdef", "fedcba9876543210"
EPOCHS = "variants.learnable.epochs"


def job(**fields: Any) -> PlannedJob:
    """A planned job of a run."""
    return PlannedJob(**{"rule": "train_clipn", "outputs": [OUTPUT], "inputs": []} | fields)


def settings(values: Mapping[str, Any]) -> str:
    """Settings as Snakemake records them."""
    return repr(Settings(values, ["--an-option", "1"]))


def contents(values: Mapping[str, Any]) -> str:
    """Contents as Snakemake records them."""
    return repr(Contents(values))


class Project:
    """A folder with the record of one file, and the modules of the code that made it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = RunState(root)
        self.record: dict[str, Any] = {}

    def reason(self, planned: PlannedJob) -> Reason:
        """Why a job would run."""
        write_record(self.root, OUTPUT, **self.record)
        self.state.save()
        (reason,) = reasons([planned], self.root)
        return reason

    def causes(self, **fields: Any) -> list[str]:
        """Causes of a job with the record."""
        return self.reason(job(**fields)).causes

    def causes_of_change(self, then: list[str], now: dict[str, str]) -> list[str]:
        """Causes of a job whose parameters are others than those of the record, as Snakemake tells them."""
        self.record["params"] = sorted(then)
        before = sorted(set(then) - set(now.values()))
        return self.causes(before=before, now={name: text for name, text in now.items() if text not in then})
