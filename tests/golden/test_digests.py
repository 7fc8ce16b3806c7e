"""What the shipped image is, to the byte: another result is a defect, or a change of the seal version."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, build, project_at


@pytest.mark.network
def test_the_image_is_the_one_that_was_committed(
    tmp_path: Path, warm_cache: Cache, golden: Callable[[str, bytes | str], None]
) -> None:
    found = build(project_at(tmp_path), warm_cache)
    golden(f"digests/{IMAGE}.json", json.dumps(found, indent=2, sort_keys=True) + "\n")
