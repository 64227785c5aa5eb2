"""Settings of caption preparation and of the crawl."""

from typing import Literal

from pydantic import Field

from clipn.yaml_models import Record, Threads


class CaptionPreparation(Record):
    """What becomes of captions on their way to Parquet; each choice is counted in the statistics."""

    repair: bool = Field(default=True, description="repair Unicode: wrong decodings, entities, odd forms (ftfy)")
    empty: Literal["drop", "keep"] = Field(default="drop", description="captions without a visible character")
    overlong: Literal["keep", "drop"] = Field(
        default="keep", description="captions of more tokens than CLIP reads; kept ones are cut when they are read"
    )
    duplicates: Literal["keep", "drop"] = Field(
        default="keep", description="captions that occurred before, in any source; `drop` keeps the first"
    )


class Crawl(Record):
    """How images are fetched from the web."""

    image_size: int = Field(
        default=256, ge=32, le=1 << 16, description="shorter side that larger images are reduced to, in pixels"
    )
    min_success: float = Field(default=0.5, ge=0, le=1, description="share of images that must come")
    rounds: int = Field(
        default=2, ge=1, le=4, description="passes: over all addresses, then over those that failed, in smaller shards"
    )
    processes: Threads = Field(default=4, description="processes that fetch and resize")
    threads: Threads = Field(default=64, description="downloads at a time in each process")
    timeout: int = Field(default=10, ge=1, description="seconds without an answer after which a download failed")
    shard_size: int = Field(default=10_000, ge=1, description="addresses per shard of the first round")
