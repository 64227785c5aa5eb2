"""The check's record as Markdown: rates beside their share of the peak, goals, and whatever failed."""

from collections.abc import Iterator, Mapping
from typing import Any

PEAKS = {"fp32": 66.9e12, "tf32": 494.7e12, "bf16": 989.4e12, "fp16": 989.4e12}
"""Operations per second, dense, of an H100 SXM by NVIDIA's data sheet; an H200's are the same."""
CC3M, EPOCHS = 2_900_000, 10
"""The paper's training."""
HOURS, TRAINING_SHARE, ENCODING_SHARE = 2.0, 0.4, 0.5
"""Goals."""
Record = Mapping[str, Any]


def markdown(record: Record) -> str:
    """The whole table."""
    rows = [row for part in record["parts"].values() for row in part["rows"]]
    products = {row["precision"]: row["operations_per_second"] for row in rows if "operations_per_second" in row}
    sections = [
        f"# On a GPU\n\n{record['machine']}. Made by `{record['command']}` in {record['seconds']:.0f} s.",
        "\n".join(_parts(record)),
        "\n".join(_rates(rows, products)),
        "\n".join(_goals(rows)),
        "\n".join(_others(rows)),
        *_failures(rows),
    ]
    return "\n\n".join(sections) + "\n"


def share_of_peak(row: Record) -> float | None:
    """Of the data sheet's operations per second; None where no operations are counted."""
    if "operations_per_sample" not in row:
        return None
    return float(row["samples_per_second"] * row["operations_per_sample"] / PEAKS[row["precision"]])


def _parts(record: Record) -> Iterator[str]:
    yield "| part | ended | seconds | rows | failed |\n|---|---|---|---|---|"
    for name, part in record["parts"].items():
        failed = sum("failed" in row for row in part["rows"])
        yield f"| {name} | {part['ended']} | {part['seconds']:.0f} | {len(part['rows'])} | {failed} |"


def _rates(rows: list[Any], products: Mapping[str, float]) -> Iterator[str]:
    yield "| | per second | share of the peak | of a matrix product here | peak memory, GiB |\n|---|---|---|---|---|"
    for row in rows:
        if "samples_per_second" not in row:
            continue
        share, product = share_of_peak(row), products.get(_unit(row.get("precision", "")))
        of_product = None
        if share is not None and product is not None:
            of_product = row["samples_per_second"] * row["operations_per_sample"] / product
        memory = f"{row['peak_memory'] / 2**30:.1f}" if row.get("peak_memory") else ""
        rate = f"{row['samples_per_second']:,.0f}"
        yield f"| {row['name']} | {rate} | {_percent(share)} | {_percent(of_product)} | {memory} |"


def _unit(precision: str) -> str:
    """The matrix product that is as fast."""
    return "bf16" if precision == "fp16" else precision


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _goals(rows: list[Any]) -> Iterator[str]:
    yield "| goal | wanted | found |\n|---|---|---|"
    goals = (("training, online, bf16", TRAINING_SHARE), ("images, bf16", ENCODING_SHARE))
    for prefix, wanted in goals:
        best = max((share_of_peak(row) or 0.0 for row in rows if row["name"].startswith(prefix)), default=None)
        yield f"| {prefix}: share of the peak | {_percent(wanted)} | {_percent(best)} |"
    rates = [row.get("samples_per_second", 0) for row in rows if row["name"].startswith("training, online, bf16")]
    found = f"{CC3M * EPOCHS / max(rates) / 3600:.2f} h, extrapolated from a minute" if any(rates) else ""
    yield f"| {CC3M:,} samples x {EPOCHS} epochs, online | {HOURS} h | {found} |"


def _others(rows: list[Any]) -> Iterator[str]:
    """Rows that are no rates."""
    yield "| | |\n|---|---|"
    for row in rows:
        if "failed" not in row and "samples_per_second" not in row:
            values = {key: value for key, value in row.items() if key not in ("name", "measured_in")}
            yield f"| {row['name']} | {'; '.join(f'{key} {_shown(value)}' for key, value in values.items())} |"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(entry)}" for key, entry in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _failures(rows: list[Any]) -> Iterator[str]:
    for row in rows:
        if "failed" in row:
            yield f"## {row['name']}: failed\n\n```\n{row['failed'].strip()}\n```"
