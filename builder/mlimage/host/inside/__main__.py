"""Started by `unshare` as `python -I FOLDER CONTROL STATUS [DOOR]`; see `inside.init`."""

import sys
from pathlib import Path

# -I keeps this process free of the user's environment, and of where mlimage lies.
sys.path.insert(0, str(Path(__file__).parents[3]))

from mlimage.host.inside.init import main

main(*map(int, sys.argv[1:]))
