"""Captions of every source, written to one Parquet table with their tokens, in constant memory."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clipn.data.captions.duplicates import Occurrences
from clipn.data.captions.sources import caption_file, read_captions
from clipn.data.captions.table import UNNUMBERED, without, write_captions
from clipn.data.registry import CaptionSource
from clipn.data.settings import CaptionPreparation
from clipn.errors import ClipnError
from clipn.files import write_json
from clipn.progress import progress
from clipn.text.tokenizer import is_plain, replaced, tokenize

LONGEST = 75
"""Tokens that CLIP reads of a caption, besides start and end."""
INVISIBLE = r"^[\pZ\pC]*$"
"""Spaces and control characters, or nothing at all."""


@dataclass
class Counts:
    """What became of a source's captions; what could be dropped is counted even where it is kept.

    Attributes:
        rows: captions in the source.
        repaired: changed by the repair of Unicode.
        empty: without a visible character.
        overlong: of more than `LONGEST` tokens.
        duplicates: the same text was met before, in any source, and not dropped as empty or overlong.
        dropped: left out.
        kept: written.
    """

    rows: int = 0
    repaired: int = 0
    empty: int = 0
    overlong: int = 0
    duplicates: int = 0
    dropped: int = 0
    kept: int = 0


def prepare_captions(
    sources: Mapping[str, CaptionSource],
    folders: Mapping[str, Path],
    settings: CaptionPreparation,
    output: Path,
    statistics: Path,
) -> None:
    """Write the captions of all `sources` as Parquet, and what became of them as JSON.

    Args:
        sources: records by name.
        folders: where each source's archives lie; for reader `table`, the source's folder itself.
        settings: what is repaired and dropped.
        output: Parquet of `table.SCHEMA`, in the order of the sources and of their rows.
        statistics: JSON, `Counts` by source.

    Raises:
        ClipnError: a source cannot be read, holds or keeps no caption, or not as many as its record says.
    """
    counts = {name: Counts() for name in sources}
    drop = settings.duplicates == "drop"
    output.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(output) as folder:
        result, occurrences = folder / "captions.parquet", Occurrences(folder)
        blocks = (
            block
            for name, source in sources.items()
            for block in _prepared(name, source, folders[name], settings, counts[name], occurrences)
        )
        write_captions(result, blocks)
        repeated = occurrences.repeated()
        _count_duplicates(counts, repeated, drop=drop)
        # Which rows are repeated is clear only at the end, so dropping them takes a second file.
        if drop and repeated.any():
            every, result = result, folder / "once.parquet"
            write_captions(result, without(every, repeated))
        result.replace(output)
    write_json(statistics, {name: asdict(count) for name, count in counts.items()})


@contextmanager
def _scratch(output: Path) -> Iterator[Path]:
    """An empty folder beside `output`; what a killed run left in it is removed."""
    # Beside the output, so that moving the result there is a rename within one file system.
    folder = output.with_name(f".{output.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _prepared(
    name: str,
    source: CaptionSource,
    folder: Path,
    settings: CaptionPreparation,
    counts: Counts,
    occurrences: Occurrences,
) -> Iterator[pa.RecordBatch]:
    """Blocks of a source, `table.UNNUMBERED`, entered in `counts` and `occurrences` as they pass."""
    with progress(source.rows, f"captions of {name}", "rows") as meter:
        for batch in read_captions(source, folder):
            block = _block(name, batch, settings, counts)
            occurrences.add(block["caption"])
            yield block
            meter.update(len(batch))
    if source.rows is not None and counts.rows != source.rows:
        raise ClipnError(f"{name}: holds {counts.rows:,} captions, expected {source.rows:,}; fetch it again")
    if counts.empty == counts.rows:
        raise ClipnError(f"{caption_file(source, folder)}: holds no caption; fetch it again")


def _block(name: str, batch: pa.RecordBatch, settings: CaptionPreparation, counts: Counts) -> pa.RecordBatch:
    written = batch["caption"]
    # Most captions are plain ASCII, which no repair changes: only the others pay for Python.
    strange = pc.invert(is_plain(written))
    repaired = replaced(written, strange, ftfy.fix_text) if settings.repair else written
    caption = replaced(repaired, strange, lambda text: " ".join(text.split()))
    tokens = tokenize(caption)
    empty = pc.match_substring_regex(caption, INVISIBLE)
    overlong = pc.greater(pc.list_value_length(tokens), LONGEST)
    dropped = pc.or_(pc.and_(empty, settings.empty == "drop"), pc.and_(overlong, settings.overlong == "drop"))
    # Rows are numbered before anything is dropped: CC3M's images are named by them.
    rows = pa.array(np.arange(counts.rows, counts.rows + len(batch)))
    columns = [pa.repeat(name, len(batch)), rows, batch["image"], batch["url"], caption, tokens]
    counts.rows += len(batch)
    counts.repaired += pc.not_equal(repaired, written).true_count
    counts.empty += empty.true_count
    counts.overlong += overlong.true_count
    counts.dropped += dropped.true_count
    return pa.record_batch(columns, schema=UNNUMBERED).filter(pc.invert(dropped))


def _count_duplicates(counts: Mapping[str, Counts], repeated: NDArray[np.bool_], *, drop: bool) -> None:
    """Count what is repeated and what is left; `repeated` is one value per row that was not dropped before."""
    stop = 0
    for name, count in counts.items():
        start, stop = stop, stop + count.rows - count.dropped
        count.duplicates = int(repeated[start:stop].sum())
        count.dropped += count.duplicates if drop else 0
        count.kept = count.rows - count.dropped
        if not count.kept:
            raise ClipnError(
                f"{name}: all {count.rows:,} captions are dropped; keep what is overlong or duplicate, or leave it out"
            )
