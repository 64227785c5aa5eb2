"""What each kind of figure is called on the page, what it shows, and beside which tables it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipn.report.page.html import OOD, Picture


@dataclass(frozen=True)
class Kind:
    """A kind of figures.

    Attributes:
        heading: its name.
        section: anchor of the section whose tables it stands beside.
        caption: what it shows, with a place for the title of the ID dataset.
        photographs: whether it shows images of datasets, whose colours must stay as they are.
    """

    heading: str
    section: str
    caption: str
    photographs: bool = False


KINDS = {
    "scores": Kind(
        "Score distributions",
        OOD,
        "Scores of {id_title} images against each OOD set; further right is more in-distribution.",
    ),
    "roc": Kind(
        "ROC curves",
        OOD,
        "ROC curves with {id_title} as the positive class; the line marks 95 % of ID accepted.",
    ),
    "intervals": Kind(
        "Intervals",
        OOD,
        "AUROC and FPR95 with {id_title} as ID: mean over runs, 95 % bootstrap interval over images, and SD; a control "
        "that scores all images alike is grey.",
    ),
    "similarity": Kind(
        "Similarity to “yes” and “no” texts",
        OOD,
        "Similarity of images to the “yes” and “no” texts: mean cosines of {id_title} images with the texts of each "
        "class, and how likely they call forth “no”.",
    ),
    "mistakes": Kind(
        "Most confident mistakes",
        OOD,
        "The most confident mistakes of agreeing-to-differ with {id_title} as ID.",
        photographs=True,
    ),
    "reliability": Kind(
        "Reliability of decisions",
        "decisions",
        "How far the decisions without a threshold can be trusted: score as a probability, and the share of "
        "{id_title} among the images that got it.",
    ),
    "calibration": Kind(
        "Calibration",
        "accuracy",
        "Whether the class that is predicted for {id_title} images is right as often as its probability says.",
    ),
    "backbones": Kind(
        "Backbones",
        "accuracy",
        "What detection and calibration owe to accuracy on {id_title} images: a point per backbone.",
    ),
    "ablations": Kind(
        "Ablations",
        "ablations",
        "Ablations: one setting at a time, average over the OOD sets of {id_title}; mean over runs, 95 % bootstrap "
        "interval over images, and SD.",
    ),
    "published": Kind(
        "Measured against published", "published", "Measured against published figures; on the diagonal they are equal."
    ),
    "training": Kind(
        "Training curves",
        "training",
        "Losses per training step; CLIPN's parts before weighting, and the backbone's contrastive loss.",
    ),
}


def picture(path: Path, id_datasets: Sequence[str], titles: Mapping[str, str]) -> Picture:
    """A figure as its name says what it is: `<ID>_<kind>_<backbone>`, `<ID>_<kind>`, or the kind alone."""
    if path.stem in KINDS:
        kind = KINDS[path.stem]
        return Picture(kind.heading, kind.caption, kind.section, path.read_bytes())
    # Names of ID datasets and of backbones may hold underscores, and one may be the beginning of another.
    id_dataset = max((name for name in id_datasets if path.stem.startswith(f"{name}_")), key=len)
    name, _, backbone = path.stem.removeprefix(f"{id_dataset}_").partition("_")
    kind, title = KINDS[name], titles.get(id_dataset, id_dataset)
    heading = ", ".join(part for part in (kind.heading, f"ID: {title}", backbone) if part)
    caption = kind.caption.format(id_title=title) + (f" Backbone: {backbone}." if backbone else "")
    return Picture(heading, caption, kind.section, path.read_bytes(), id_dataset, kind.photographs)
