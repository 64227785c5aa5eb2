"""Planned jobs, and a folder with the record of what they would rebuild."""

import copy
from pathlib import Path
from typing import Any

from clipn.provenance.run_state import RunState
from clipn.provenance.snakemake import PlannedJob
from clipn.provenance.why import Reason, reasons
from tests.helpers.records import write_record

OUTPUT = "study/runs/tiny/learnable/seed1.safetensors"
OLD, NEW = "0123456789abcdef", "fedcba9876543210"
SETTINGS: dict[str, Any] = {
    "study": "demo",
    "threads": 1,
    "resamples": 1000,
    "mirror": None,
    "logit_scale": 100.0,
    "perturbation": 0.0014,
    "prompts": ["clipn128", "single"],
    "baselines": ["msp", "mcm"],
    "conventions": ["clipn"],
    "rules": ["ctw", "atd"],
    "cleaning": ["ninco"],
    "captions": {"sources": ["cc3m"], "repair": True, "shards": 4},
    "pairs": {"imagenet": ["sun", "places"], "cifar10": ["cifar100"]},
    "backbones": {"tiny": {"architecture": "tiny.json", "training": {"epochs": 12, "flip": False, "threads": 1}}},
    "variants": {
        "learnable": {"epochs": 5, "warmup_steps": 10, "prompts": 16, "tokens": None, "threads": 1, "processes": 1},
        "handcrafted": {"epochs": 5, "warmup_steps": 10, "prompts": 16, "tokens": None, "threads": 1, "processes": 1},
        "v1.5": {"epochs": 5},
        "v1": {"epochs": 5},
    },
    "runs": [{"backbone": "tiny", "variant": "learnable", "seeds": [1]}],
}
Changes = dict[tuple[str, ...], Any]
OWN_EPOCHS: Changes = {("variants", "learnable", "epochs"): 10}
RUN = ("tiny", "learnable", "1")


def job(*names: str, **fields: Any) -> PlannedJob:
    """A planned job with the values of its wildcards; by default, those of a run."""
    known = {"rule": "train_clipn", "outputs": [OUTPUT], "inputs": [], "names": frozenset(names or RUN)}
    return PlannedJob(**known | fields)


def _changed(changes: Changes) -> dict[str, Any]:
    settings = copy.deepcopy(SETTINGS)
    for (*above, name), value in changes.items():
        inner = settings
        for key in above:
            inner = inner[key]
        inner[name] = value
    return settings


class Project:
    """A folder with the record of one file, and what is known of its past."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = RunState(root)
        self.state.running = "now"
        self.record: dict[str, Any] = {"settings": "then"}
        self.change({})

    def change(self, now: Changes, then: Changes | None = None) -> None:
        """Give the study other settings now, and when the record was made."""
        self.state.settings = {"then": _changed(then or {}), "now": _changed(now)}

    def reason(self, planned: PlannedJob) -> Reason:
        """Why a job would run."""
        write_record(self.root, OUTPUT, **self.record)
        self.state.save()
        (reason,) = reasons([planned], self.root)
        return reason

    def causes(self, *names: str, **fields: Any) -> list[str]:
        """Causes of a job with the record."""
        return self.reason(job(*names, **fields)).causes


def texts(*values: object) -> list[str]:
    """Parameters as Snakemake writes them down."""
    return sorted(map(repr, values))
