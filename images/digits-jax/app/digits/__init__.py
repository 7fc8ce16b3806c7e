"""Handwritten digits with JAX. Training and serving share `preprocessing`, `network` and `model`."""
