"""Sealed images to registries, and back."""
