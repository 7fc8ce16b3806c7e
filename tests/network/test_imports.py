"""The Debian packages that hints name for missing libraries are there, in each suite."""

import os

import pytest

from mlimage.cache import Cache
from mlimage.host.imports.debs import package_of, table
from mlimage.lock.base import opened_apt
from mlimage.lock.sources import Sources
from mlimage.platforms import LINUX_AMD64
from mlimage.process import run
from mlimage.progress import SILENT
from mlimage.spec.load import parse_spec

pytestmark = pytest.mark.network

FOLLOW_POLICY = (
    "libGL.so.1", "libSM.so.6", "libXext.so.6", "libfontconfig.so.1", "libgomp.so.1", "libgssapi_krb5.so.2",
    "libodbc.so.2", "libpq.so.5", "libusb-1.0.so.0", "libxcb-icccm.so.4", "libxcb.so.1",
)  # fmt: skip
SPEC = b'name: x\npython: "3.11"\nbase: {debian: bookworm}\ntrain: {command: t}\n'


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_packages_of_libraries(suite: str, shared_cache: Cache) -> None:
    spec = parse_spec(SPEC, path="images/x/mlimage.yaml", folder="x")
    named = {package_of(library, suite) for library in (*table(suite), *FOLLOW_POLICY)}
    with (
        Sources(spec, "cpu", cache=shared_cache, environ=os.environ, progress=SILENT) as sources,
        opened_apt(suite, LINUX_AMD64, sources=sources, run=run) as apt,
    ):
        assert named - apt.names() == set()
