"""What a base tells of its python, where that cannot be asked."""

from dataclasses import replace

import pytest
from packaging.tags import sys_tags

from mlimage.lock.target import markers_of, target_of
from mlimage.platforms import LINUX_ARM64
from support.locks import base, deb, image_base

BASE = replace(base(), debs=(deb("libc6", "2.36-9+deb12u14"), deb("python3.11-minimal", "3.11.2-6+deb12u6")))


def test_an_assembled_base() -> None:
    target = target_of(replace(BASE, platform=LINUX_ARM64))
    assert (target.version, target.glibc) == ("3.11.2", "2.36")
    assert target.markers == {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "aarch64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "python_version": "3.11",
        "python_full_version": "3.11.2",
        "implementation_version": "3.11.2",
        "platform_release": "",
        "platform_version": "",
    }
    assert target.tags[:4] == (
        "cp311-cp311-linux_aarch64",
        "cp311-cp311-manylinux_2_36_aarch64",
        "cp311-cp311-manylinux_2_35_aarch64",
        "cp311-cp311-manylinux_2_34_aarch64",
    )
    assert {"cp311-cp311-manylinux2014_aarch64", "cp39-abi3-linux_aarch64"} <= set(target.tags)
    assert target.tags[-1] == "py30-none-any"
    assert "cp311-cp311-manylinux_2_16_aarch64" not in target.tags


def test_an_image() -> None:
    target = target_of(image_base())
    assert (target.version, target.glibc) == ("3.11.9", "2.36")
    assert target.markers["python_full_version"] == "3.11.9"
    assert "cp311-cp311-manylinux1_x86_64" in target.tags


def test_other_tags_are_in_the_order_of_the_library() -> None:
    """Behind those of the interpreter, `packaging` lists the same for any platform."""
    pure = [tag for tag in target_of(BASE).tags if tag.endswith("-none-any")]
    assert pure == [str(tag) for tag in sys_tags() if tag.platform == "any" and str(tag) in pure]


def test_a_base_without_python() -> None:
    assert markers_of(base("libc6"))["python_full_version"] == "3.11.0"
    with pytest.raises(ValueError, match="a base without python or glibc"):
        target_of(base("libc6"))
