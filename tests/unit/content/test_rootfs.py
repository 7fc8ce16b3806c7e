"""Paths of an unpacked image: its links lead from its own root."""

from pathlib import Path

import pytest

from mlimage.content.rootfs import inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("outside")
    root = tmp_path / "root"
    (root / "usr/lib64").mkdir(parents=True)
    (root / "usr/lib64/file").write_text("inside")
    (root / "lib64").symlink_to("/usr/lib64")
    (root / "relative").symlink_to("usr/lib64/file")
    (root / "up").symlink_to("../../../usr/lib64/file")
    (root / "host").symlink_to(tmp_path / "outside")
    (root / "circle").symlink_to("circle")
    (root / "chain").symlink_to("lib64/../lib64/file")
    return root


@pytest.mark.parametrize(
    "path", ["/usr/lib64/file", "lib64/file", "relative", "up", "chain", "//lib64/./file"]
)
def test_links_lead_from_the_root_of_the_image(root: Path, path: str) -> None:
    assert inside(root, path) == root / "usr/lib64/file"


@pytest.mark.parametrize("path", ["host", "circle", "missing", "usr/lib64/file/x/.."])
def test_what_leads_nowhere(root: Path, path: str) -> None:
    found = inside(root, path)
    assert found is None or found == root / "usr/lib64/file"


def test_the_root_itself(root: Path) -> None:
    assert inside(root, "/") == root
    assert inside(root, "../..") == root
