"""mlimage: one locked, reproducible image for training and serving a model."""

__version__ = "0.1.0"
