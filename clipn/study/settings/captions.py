"""Captions of a study."""

from pydantic import Field, field_validator

from clipn.data.settings import CaptionPreparation, Crawl
from clipn.yaml_models import FileName, require_distinct


class Captions(CaptionPreparation):
    """Which captions, what becomes of them, and into how many shards they go."""

    sources: list[FileName] = Field(default=[], description="caption sources of the registry; needed for training only")
    shards: int = Field(default=4, ge=1, le=100_000, description="number of WebDataset shards")
    crawl: Crawl = Field(default=Crawl(), description="how images without an archive are fetched from the web")

    @field_validator("sources")
    @classmethod
    def _distinct(cls, sources: list[str]) -> list[str]:
        require_distinct(sources, "source")
        return sources
