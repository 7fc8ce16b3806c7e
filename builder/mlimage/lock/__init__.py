"""`ImageSpec` to `Lock`: the package index, apt, pip-compile, and the text of the lock files."""
