"""How long steps took, for an estimate of how long others will."""

import csv
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from clipn.provenance.records import read_records


def rule_seconds(root: Path, *logs: str) -> dict[str, list[float]]:
    """Seconds that the jobs of a study took here when they ran last, by rule.

    Args:
        root: the working directory.
        logs: folders of the logs of the study, and of the one that it extends.
    """
    jobs = {(record.rule, file) for record in read_records(root).values() for file in record.benchmarks}
    seconds = defaultdict[str, list[float]](list)
    for rule, file in sorted(jobs):
        # Records travel and benchmarks do not, and a full disk leaves them cut.
        with suppress(OSError, KeyError, TypeError, ValueError):
            if file.startswith(tuple(f"{folder}/" for folder in logs)):
                with (root / file).open(newline="") as stream:
                    seconds[rule] += [float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")]
    return {rule: several for rule, several in seconds.items() if several}
