"""Several trainings of one backbone, of which each run of a variant takes its own.

The spread over such runs is that of the whole pipeline, and not of the "no" tower alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from clipn.study.names import family, seed_of, seeded
from clipn.study.settings.backbones import Backbone
from clipn.study.settings.runs import Run


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


def require_names_of_seeds(backbones: Mapping[str, Backbone], runs: Sequence[Run]) -> None:
    """Raise a ValueError if a backbone is called like one of several trainings but is not."""
    firsts: dict[str, Backbone] = {}
    for name, backbone in backbones.items():
        seed, several = seed_of(name), family(name)
        if seed is None or backbone.training is None:
            alike = seed is None
        else:
            without = backbone.model_copy(update={"training": backbone.training.model_copy(update={"seed": 0})})
            seeds_of_runs = [run.seeds for run in runs if run.backbone == name]
            alike = backbone.training.seed == seed and firsts.setdefault(several, without) == without
            alike = alike and several not in backbones and all(seeds == [seed] for seeds in seeds_of_runs)
        if not alike:
            told = f"is what the training of {several} with seed {seed} is called, and its run"
            raise ValueError(f"backbones: {name} {told}; call it otherwise, or give {several} `seeds`")
