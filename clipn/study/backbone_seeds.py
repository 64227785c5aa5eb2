"""Several trainings of one backbone, of which each run of a variant takes its own.

The spread over such runs is that of the whole pipeline, and not of the "no" tower alone.
"""

from collections.abc import Mapping
from typing import Any

from clipn.study.names import seeded


def with_backbone_seeds(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a study, as they are written, with a backbone for each of its `seeds`, and the runs on them.

    What is not of the expected form is left as it is, for the checks of a study to name.
    """
    backbones, runs = settings.get("backbones"), settings.get("runs", [])
    if not isinstance(backbones, Mapping) or not isinstance(runs, list):
        return dict(settings)
    seeds = {}
    written: dict[str, Any] = {}
    for name, backbone in backbones.items():
        match backbone:
            # A seed twice, or one in `training`, too, is left to the checks.
            case {"training": {**training}, "seeds": [_, *_] as own} if "seed" not in training and _distinct(own):
                seeds[name] = own
                others = {key: value for key, value in backbone.items() if key != "seeds"}
                written |= {seeded(name, seed): others | {"training": training | {"seed": seed}} for seed in own}
            case _:
                written[name] = backbone
    return {**settings, "backbones": written, "runs": [one for run in runs for one in _runs(run, seeds)]}


def _distinct(seeds: list[Any]) -> bool:
    return len(set(map(str, seeds))) == len(seeds)


def _runs(run: Any, seeds: Mapping[str, list[Any]]) -> list[Any]:
    """A run, or one run for each of its seeds where its backbone has several."""
    match run:
        case {"backbone": str() as name, "seeds": [*own]} if name in seeds:
            return [{**run, "backbone": seeded(name, seed), "seeds": [seed]} for seed in own]
    return [run]
