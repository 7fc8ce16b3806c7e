"""`ImageSpec` to `Lock`: the package index, apt, pip-compile or uv, and the text of the lock files."""
