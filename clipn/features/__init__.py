"""What the frozen towers say of images and captions, computed once."""
