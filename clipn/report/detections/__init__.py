"""What `clipn detect` writes for people and programs."""
