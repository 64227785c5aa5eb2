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
    seeds = {name: backbone["seeds"] for name, backbone in backbones.items() if _has_seeds(backbone)}
    written = {
        new: settings_of_new
        for name, backbone in backbones.items()
        for new, settings_of_new in (_seeded(name, backbone) if name in seeds else [(name, backbone)])
    }
    return {**settings, "backbones": written, "runs": [one for run in runs for one in _runs(run, seeds)]}


def _has_seeds(backbone: Any) -> bool:
    return (
        isinstance(backbone, Mapping)
        and isinstance(backbone.get("training"), Mapping)
        and isinstance(backbone.get("seeds"), list)
        and bool(backbone["seeds"])
    )


def _seeded(name: str, backbone: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    others = {key: value for key, value in backbone.items() if key != "seeds"}
    return [
        (seeded(name, seed), others | {"training": {**backbone["training"], "seed": seed}})
        for seed in backbone["seeds"]
    ]


def _runs(run: Any, seeds: Mapping[str, list[Any]]) -> list[Any]:
    """A run, or one run for each of its seeds that its backbone was trained with, too."""
    if not isinstance(run, Mapping) or run.get("backbone") not in seeds or not isinstance(run.get("seeds"), list):
        return [run]
    name, own = run["backbone"], run["seeds"]
    return [{**run, "backbone": seeded(name, seed), "seeds": [seed]} for seed in own]
