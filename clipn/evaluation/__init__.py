"""From features to scores and metrics; the detector."""
