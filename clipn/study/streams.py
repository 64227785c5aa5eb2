"""The part of a study that says which methods adapt on the test stream, and how that comes."""

from pydantic import Field, field_validator

from clipn.adaptation import ADAPTIVE
from clipn.scores import SCORES
from clipn.yaml_models import MOST_ORDERS, Record, Seed


class Stream(Record):
    """Order and batch of the images of a pair; ID and OOD images, all of both, come shuffled together."""

    seeds: list[Seed] = Field(
        min_length=1, max_length=MOST_ORDERS, description="of the orders; each is a stream of its own, and a row"
    )
    batch: int = Field(default=128, ge=1, le=1_000_000, description="images that come at once")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("an order occurs twice; name each seed once")
        return seeds


class Adaptation(Record):
    """Methods that adapt on the test stream, and the stream; their figures have a table of their own."""

    methods: list[str] = Field(min_length=1, description="of docs/methods.md, e.g. `adaneg`")
    stream: Stream = Field(description="how the test images come")

    @field_validator("methods")
    @classmethod
    def _adaptive(cls, names: list[str]) -> list[str]:
        for name in names:
            if name in SCORES:
                raise ValueError(f"{name!r} looks at one image alone and adapts on nothing; name it under `baselines`")
            if name not in ADAPTIVE:
                raise ValueError(f"no method {name!r}; choose among {', '.join(ADAPTIVE)}")
        if len(set(names)) < len(names):
            raise ValueError("a method occurs twice; name each once")
        return names
