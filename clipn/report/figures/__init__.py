"""Figures of a study, one file each: a pure function from tables to a matplotlib figure, and the step that saves it."""
