"""The words of the entry point that are programs of the runtime: `python …/runtime WORD ARGUMENTS`.

They run in a process of their own, with the environment that a role would get: libraries read it only once.
"""

# ruff: noqa: PTH100, PTH120 - as everywhere in the runtime, `pathlib` costs time
import os
import sys
from importlib import import_module

if not __package__:
    # Started by its path: this folder, whose modules have names of others, gives way to that of `mlimage`.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.exit(import_module(f"mlimage.runtime.words.{sys.argv[1]}").main(sys.argv[2:]))
