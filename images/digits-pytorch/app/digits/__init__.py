"""Handwritten digits with PyTorch. Training and serving share `preprocessing`, `network` and `model`."""
