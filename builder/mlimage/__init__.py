"""mlimage: one locked, reproducible image for training and serving a model."""

__version__ = "0.1.0"

DISTRIBUTION = "mlimage-builder"
"""The name on package indexes, where `mlimage` is somebody else's; command and import are `mlimage`."""
