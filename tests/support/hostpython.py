"""This machine's own python in place of an unpacked base's, so that no base is needed."""

import sys
from typing import Final

STAND_IN: Final = f"""\
#!/bin/sh
while [ "$1" != --argv0 ]; do shift; done
shift 3
unset PYTHONHOME
exec {sys.executable} "$@"
"""
"""In the place of a dynamic loader: it starts this machine's python with the same arguments."""
