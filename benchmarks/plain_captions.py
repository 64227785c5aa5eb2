"""The plain way from a caption file to Parquet: the whole table in memory, one caption after the other."""

import csv
from pathlib import Path

import ftfy
import open_clip
import pandas as pd


def prepare(captions: Path, rows: int, output: Path) -> None:
    """Write caption, address and tokens of the first `rows` rows."""
    table = pd.read_csv(
        captions,
        sep="\t",
        names=["caption", "url"],
        quoting=csv.QUOTE_NONE,
        lineterminator="\n",
        keep_default_na=False,
        nrows=rows,
    )
    tokenizer = open_clip.SimpleTokenizer()
    table["caption"] = [" ".join(ftfy.fix_text(caption).split()) for caption in table["caption"]]
    table["tokens"] = [tokenizer.encode(caption) for caption in table["caption"]]
    table.to_parquet(output, compression="zstd", index=False)
