"""Training of CLIPN and of small backbones."""
