"""The entry point of every image: finds the runtime's modules beside itself, and hands over to them."""

# ruff: noqa: PTH100, PTH118, PTH120 - every start of a container would wait for the import of `pathlib`
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

from mlimage.runtime.start import main

main(sys.argv[1:])
