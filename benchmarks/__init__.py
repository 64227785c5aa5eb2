"""Measurements of speed, each against the plain way in the same run."""
