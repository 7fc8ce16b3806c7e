"""What the shipped images are, to the byte: another result is a defect, or a change of the seal version."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.building import IMAGES, build, project_at


@pytest.mark.network
@pytest.mark.parametrize("image", IMAGES)
def test_the_image_is_the_one_that_was_committed(
    image: str, tmp_path: Path, warm_cache: Cache, golden: Callable[[str, bytes | str], None]
) -> None:
    found = build(project_at(tmp_path, image), warm_cache, image=image)
    golden(f"digests/{image}.json", json.dumps(found, indent=2, sort_keys=True) + "\n")
