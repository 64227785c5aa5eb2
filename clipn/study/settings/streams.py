"""The part of a study that says which methods adapt on the test stream, and how that comes."""

from collections.abc import Sequence

from pydantic import Field, field_validator

from clipn.adaptation import ADAPTIVE
from clipn.scores import SCORES
from clipn.text.prompts import prompt_pool
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

    @property
    def reads_words(self) -> bool:
        """Whether a method needs NegLabel's words."""
        return not all(ADAPTIVE[name].weighs_prompts for name in self.methods)

    @property
    def weighs_prompts(self) -> bool:
        """Whether a method weighs the prompts of the study's first pool."""
        return any(ADAPTIVE[name].weighs_prompts for name in self.methods)


def require_inputs(test_time: Adaptation, has_words: bool, sources: Sequence[str], pool: str) -> None:
    """Refuse methods for which a study lacks something.

    Args:
        test_time: the methods.
        has_words: whether there is a word list.
        sources: of captions.
        pool: the first prompt pool.

    Raises:
        ValueError: words, captions or prompts are missing.
    """
    if test_time.reads_words and not has_words:
        raise ValueError("negative_words: `test_time` needs a word list; name a file, or `wordnet`")
    if test_time.weighs_prompts and not sources:
        raise ValueError("captions: `zpe` compares test images with those of captions; name `sources`, or leave it out")
    if test_time.weighs_prompts and len(prompt_pool(pool)) == 1:
        raise ValueError(f"prompts: `zpe` weighs those of the first pool, and {pool} has one; name another first")
