"""CLIPN, its backbones, and the files that hold them."""
