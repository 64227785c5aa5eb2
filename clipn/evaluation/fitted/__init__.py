"""Classifiers of an ID dataset that are fitted on training images, and read by `clipn.evaluation.scoring`."""
