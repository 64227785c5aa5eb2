"""The parts of a study's typed model, each with what must hold of it."""
