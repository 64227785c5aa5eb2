"""`clipn detect`: whether images belong to named classes."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipn.cli.options import Device, PromptPool, finite
from clipn.errors import ClipnError
from clipn.files import identity, protected, require_replaceable
from clipn.progress import warn, write_line

if TYPE_CHECKING:
    from clipn.evaluation.detector import Detector
    from clipn.features.loading import FileReading

NOT_ID = 3
"""Exit status under `--fail-on-ood`; 1 and 2 are those of errors."""
INTERRUPTED = 130

Images = Annotated[
    list[str] | None, typer.Argument(help="image files, folders and all in them, patterns, or `-` for a list of files")
]
Classes = Annotated[str | None, typer.Option(help="`cat,dog,...`, or a text file with a name per line")]
Model = Annotated[
    str | None,
    typer.Option(
        help="checkpoint or backbone of this project, published .pt, other weight file of CLIP, folder of open_clip's "
        "hub, or NAME/TAG of open_clip"
    ),
]
Architecture = Annotated[
    str | None, typer.Option(help="open_clip name or JSON file, for a weight file whose shapes do not tell it")
]
Saved = Annotated[Path | None, typer.Option(help="what `--save` wrote, in place of --classes and --prompts")]
Method = Annotated[str | None, typer.Option(help="score: atd (default), ctw; mcm (default on plain CLIP), msp, ...")]
Rule = Annotated[str | None, typer.Option(help="threshold-free rule: atd (default), ctw, atd_original")]
Calibrate = Annotated[Path | None, typer.Option(help="folder of images of the classes, to take a threshold from")]
Recall = Annotated[
    float,
    typer.Option(
        min=0, max=1, callback=finite, help="share of images of the classes that the threshold accepts, at least"
    ),
]
Save = Annotated[
    Path | None, typer.Option(help="write classes, prompts and threshold to a file for --detector", writable=True)
]
Rows = Annotated[Path | None, typer.Option(help="write a row per image", writable=True)]
Page = Annotated[Path | None, typer.Option(help="write a page of thumbnails, sorted by score", writable=True)]
BatchSize = Annotated[int, typer.Option(min=1, help="images that are encoded at once")]
Decoders = Annotated[int, typer.Option(min=1, help="threads that read and decode images")]
FailOnOod = Annotated[bool, typer.Option("--fail-on-ood", help="end with status 3 unless all images are ID")]


def detect(
    images: Images = None,
    classes: Classes = None,
    model: Model = None,
    architecture: Architecture = None,
    detector: Saved = None,
    method: Method = None,
    rule: Rule = None,
    prompts: PromptPool = "clipn128",
    calibrate: Calibrate = None,
    recall: Recall = 0.95,
    save: Save = None,
    csv: Rows = None,
    parquet: Rows = None,
    json: Rows = None,
    html: Page = None,
    device: Device = "cpu",
    batch_size: BatchSize = 32,
    workers: Decoders = 2,
    fail_on_ood: FailOnOod = False,
) -> None:
    """Say of images whether they belong to named classes, and to which."""
    if not images and save is None:
        raise ClipnError("IMAGES: name image files or folders; or --save, to keep a detector without asking it")
    # A wrong path should not be told only after torch was imported and a model was read.
    files, examples = _files(images or []), _files([str(calibrate)] if calibrate else [])
    # A file that is not there, or whose name is no name, becomes a row with the reason.
    protected.update(identity(file) for file in (*files, *examples) if os.path.isfile(file))  # noqa: PTH113
    for path in filter(None, (save, csv, parquet, json, html)):
        require_replaceable(path)
    from clipn.evaluation.detect import calibrate_on_files
    from clipn.evaluation.opening import Asked, open_detector
    from clipn.features.loading import FileReading

    made = open_detector(Asked(detector, classes, prompts, model, architecture), device)
    reading = FileReading(batch_size, workers)
    if examples:
        warn(f"threshold: {calibrate_on_files(made, examples, recall, method, reading)}")
    if save is not None:
        made.save(save)
    if files:
        outputs = {form: path for form, path in (("csv", csv), ("parquet", parquet), ("json", json)) if path}
        counts = _detected(made, files, method, rule, reading, outputs, html)
        if counts.total() < len(files):
            raise typer.Exit(INTERRUPTED)
        if fail_on_ood and counts.total() > counts["ID"]:
            raise typer.Exit(NOT_ID)


def _files(names: list[str]) -> list[str]:
    """Image files behind some names; others in folders are counted."""
    from clipn.data.image_files import find_images

    if not names:
        return []
    found = find_images(names, sys.stdin)
    if found.left_out:
        warn(found.left_out)
    return found.images


def _detected(
    detector: "Detector",
    files: list[str],
    method: str | None,
    rule: str | None,
    reading: "FileReading",
    outputs: dict[str, Path],
    html: Path | None,
) -> Counter[str]:
    """Print or write what is said of every file, and count the decisions."""
    from clipn.evaluation.detect import detect_files
    from clipn.report.detections import text
    from clipn.report.detections.files import written
    from clipn.report.detections.page import write_page

    lines = text.Lines(detector.classes, detector.method(method))
    counts, shown = Counter[str](), []
    # Rows go to a file if one is named, and to the terminal if none is.
    printed = not outputs and html is None
    if printed:
        write_line(lines.header)
    with written(outputs) as write:
        try:
            for detection in detect_files(detector, files, method, rule, reading):
                counts[text.kind(detection)] += 1
                write(detection)
                if printed:
                    write_line(lines.line(detection))
                if html is not None:
                    shown.append(detection)
        except KeyboardInterrupt:
            # The rows so far took time, too, and are kept.
            warn(f"interrupted after {counts.total():,} of {len(files):,} images")
    warn(text.summary(counts))
    if html is not None:
        write_page(html, shown, detector, method, rule, text.summary(counts))
    return counts
