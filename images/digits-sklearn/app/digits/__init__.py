"""Handwritten digits: the example of mlimage. Training and serving share `preprocessing` and `model`."""
