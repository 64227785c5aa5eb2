"""Figures of a study: pure functions from tables to matplotlib figures, one file each, and `save`."""

from clipn.report.figures.ablations import ablations
from clipn.report.figures.histograms import score_histograms
from clipn.report.figures.intervals import intervals
from clipn.report.figures.mistakes import Mistake, mistakes
from clipn.report.figures.published import published
from clipn.report.figures.reliability import reliability
from clipn.report.figures.roc import roc_curves
from clipn.report.figures.saving import save
from clipn.report.figures.similarity import similarity
from clipn.report.figures.training import training_curves

__all__ = [
    "Mistake",
    "ablations",
    "intervals",
    "mistakes",
    "published",
    "reliability",
    "roc_curves",
    "save",
    "score_histograms",
    "similarity",
    "training_curves",
]
