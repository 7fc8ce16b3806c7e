"""`(ImageSpec, Lock)` to `BuildPlan`: which layers, in which order, and the configuration. Pure."""
