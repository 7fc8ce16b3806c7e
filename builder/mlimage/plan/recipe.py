"""What an image says of how it was made: spec and lock, as the files of a project. Pure.

The spec stands there as its digest counts it: without defaults, comments, and what is of other variants and
platforms. So what changes nothing of an image does not change its recipe either.
"""

import json
from typing import Final

from mlimage.lock.model import Lock
from mlimage.lock.writer import render_lock
from mlimage.plan.config import said_of
from mlimage.spec.load import FILE, LoadedSpec

NAME: Final = "recipe"
"""Of the layer."""
FOLDER: Final = "opt/mlimage/recipe"
"""Where the files lie in the image."""
SPEC: Final = FILE
LOCK: Final = "lock"
"""Folder of the lock's files, below."""


def recipe_files(loaded: LoadedSpec, lock: Lock) -> tuple[tuple[str, bytes], ...]:
    """The files, each with its path in the image, sorted.

    Args:
        loaded: the spec.
        lock: of the variant and platform.
    """
    spec = loaded.spec
    said = said_of(spec)
    own = spec.variants[lock.variant].model_dump(mode="json", exclude_defaults=True)
    said |= {"variants": {lock.variant: own}, "platforms": [str(lock.base.platform)]}
    files = {SPEC: json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n"}
    if spec.requirements:
        files[spec.requirements] = "".join(
            f"{each.text}\n" for each in loaded.requirements if not each.path.endswith(FILE)
        )
    if loaded.template and spec.dockerfile.template:
        files[spec.dockerfile.template] = loaded.template.text
    files |= {f"{LOCK}/{name}": text for name, text in render_lock(lock).items()}
    return tuple((f"{FOLDER}/{name}", text.encode()) for name, text in sorted(files.items()))
