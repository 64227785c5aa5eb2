"""Files of a figure."""

from pathlib import Path

from matplotlib.figure import Figure

from clipn.files import atomic
from clipn.report.figures.style import house_style

_DPI = 150
"""Of the PNG, and of images inside the PDF."""


# In the house style: matplotlib reads its settings when it draws, not when a figure is made.
@house_style()
def save(figure: Figure, png: Path, pdf: Path) -> None:
    """Write `figure` as PNG (150 dpi) and PDF; the same figure gives the same bytes."""
    # Without date and version of the program, which would tell two equal figures apart.
    with atomic(png) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
    with atomic(pdf) as temporary:
        nothing = {"Creator": None, "Producer": None, "CreationDate": None}
        figure.savefig(temporary, format="pdf", dpi=_DPI, metadata=nothing)
