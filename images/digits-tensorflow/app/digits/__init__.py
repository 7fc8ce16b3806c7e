"""Handwritten digits with TensorFlow. Training and serving share `preprocessing`, `network` and `model`."""
