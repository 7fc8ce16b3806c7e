"""The one error of golden records."""


class GoldenError(Exception):
    """A file is no golden record that this version understands, or an array cannot be in one; says why."""
