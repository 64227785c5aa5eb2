"""Fetch the images of captions from their addresses by img2dataset, again where that failed, and say what came."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipn.data.crawl.process import only_one, run_img2dataset
from clipn.data.crawl.report import count, crawl_report
from clipn.data.crawl.shards import IMAGES, Round, Shard
from clipn.data.registry import CaptionSource
from clipn.data.settings import Crawl
from clipn.errors import ClipnError
from clipn.files import atomic, require, write_json

ATTEMPTS = 2
"""How often img2dataset is started for a round whose shards are not all whole."""


def crawl_images(
    captions: Path,
    name: str,
    source: CaptionSource,
    work: Path,
    report: Path,
    settings: Crawl,
    img2dataset: Path,
) -> None:
    """Fetch the images of one source; interrupted, it goes on where it was, and finished, it fetches nothing.

    Args:
        captions: Parquet of `prepare_captions`.
        name: of the caption source.
        source: its record.
        work: folder of the crawl: lists, shards and log of every round, and `IMAGES`, which says where images lie.
        report: JSON to write, see `crawl_report`.
        settings: sizes, limits and numbers of workers.
        img2dataset: its executable.

    Raises:
        ClipnError: img2dataset is not installed or broke down, the source has no addresses, `work` holds another
            crawl or a foreign file, or too few images came.
    """
    if shutil.which(img2dataset) is None:
        raise ClipnError(f"{img2dataset}: img2dataset is not installed; run `make crawler`")
    of_source = (pc.field("source") == name) & pc.field("url").is_valid()
    addresses = pq.read_table(require(captions), columns=["url", "caption", "row"], filters=of_source)
    if not len(addresses):
        raise ClipnError(f"{captions}: holds no address of {name!r}; correct the source or make them again")
    work.mkdir(parents=True, exist_ok=True)
    with only_one(work) as lock:
        rounds = list(_rounds(addresses, work, settings, img2dataset, lock))
        images = pa.concat_tables([outcome.images for outcome in rounds]).sort_by("row")
        if len(images) < settings.min_success * len(addresses):
            failures = rounds[-1].failures
            kinds = ", ".join(f"{number:,} {kind}" for kind, number in count(failures["kind"]).items())
            came = f"{len(images):,} of {len(addresses):,} images came ({len(images) / len(addresses):.1%})"
            raise ClipnError(
                f"{name}: {came}, fewer than `min_success`: {kinds}, {_most_frequent(failures)};"
                " raise `rounds` to try again, or lower `min_success`"
            )
        with atomic(work / IMAGES) as temporary:
            pq.write_table(images, temporary, compression="zstd")
        write_json(report, crawl_report(name, rounds, images, source.trained_on))


def _rounds(addresses: pa.Table, work: Path, settings: Crawl, img2dataset: Path, lock: int) -> Iterator[Shard]:
    """Outcome of every round; each later one fetches what failed before."""
    log = work / "img2dataset.log"
    for number in range(settings.rounds):
        # Later rounds are small, and a shard is what one worker fetches.
        size = max(1, settings.shard_size // 10**number)
        current = Round(work / f"round{number}", addresses["row"], size)
        _write_list(addresses, _list_path(current.folder), settings)
        current.judge()
        # The list of the next round holds the failures of this one, so it must not change any more.
        is_over = _list_path(work / f"round{number + 1}").exists()
        for _ in range(0 if is_over else ATTEMPTS):
            if not current.faults:
                break
            current.forget_faulty()
            command = _command(img2dataset, current.folder, size, settings)
            run_img2dataset(command, current.folder, len(current.parts), log, lock)
            current.judge()
        outcome = current.outcome()
        if number == 0 and not len(outcome.images):
            # The round is removed, so that a later run tries all of it again.
            shutil.rmtree(current.folder)
            _list_path(current.folder).unlink()
            raise ClipnError(
                f"{log}: all {len(outcome.failures):,} downloads failed, {_most_frequent(outcome.failures)};"
                " see to the connection and run again"
            )
        yield outcome
        if not len(outcome.failures):
            return
        addresses = addresses.filter(pc.is_in(addresses["row"], value_set=outcome.failures["row"]))


def _list_path(folder: Path) -> Path:
    return folder.with_suffix(".parquet")


def _write_list(addresses: pa.Table, path: Path, settings: Crawl) -> None:
    """Write the list of a round, or check that a former run wrote the same one."""
    shape = {b"image_size": str(settings.image_size).encode(), b"shard_size": str(settings.shard_size).encode()}
    if path.exists():
        # Captions may be corrected after the crawl: shards are built with those of their rows.
        stored = pq.read_table(path, columns=["url", "row"])
        if stored.schema.metadata != shape or not stored.equals(addresses.select(["url", "row"])):
            raise ClipnError(
                f"{path}: lists other addresses or sizes than asked for; set `captions` back to what they were,"
                f" or delete {path.parent} to crawl again"
            )
        return
    with atomic(path) as temporary:
        pq.write_table(addresses.replace_schema_metadata(shape), temporary, compression="zstd")


def _command(img2dataset: Path, folder: Path, shard_size: int, settings: Crawl) -> list[str]:
    # No retries: img2dataset would ask again at once, where the next round asks after all other addresses.
    options = {
        "url_list": _list_path(folder), "input_format": "parquet", "url_col": "url", "caption_col": "caption",
        "save_additional_columns": '["row"]', "output_format": "webdataset", "output_folder": folder,
        "number_sample_per_shard": shard_size, "image_size": settings.image_size, "resize_mode": "keep_ratio",
        "resize_only_if_bigger": True, "extract_exif": False, "processes_count": settings.processes,
        "thread_count": settings.threads, "timeout": settings.timeout, "retries": 0, "enable_wandb": False,
    }  # fmt: skip
    return [str(img2dataset), *(f"--{name}={value}" for name, value in options.items())]


def _most_frequent(failures: pa.Table) -> str:
    message, number = next(iter(count(failures["error"]).items()))
    return f"most often ({number:,} times) {message!r:.100}"
