"""Both resolvers over the examples, with the package index and the Debian mirror of this machine."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from mlimage.cache import Cache
from mlimage.lock.chain import lock_all
from mlimage.lock.changes import Upgrade
from mlimage.lock.resolvers import resolver_for
from mlimage.lock.sources import Sources
from mlimage.lock.writer import render_lock
from mlimage.oci.images import RegistryImages
from mlimage.platforms import LINUX_AMD64
from mlimage.process import run
from mlimage.progress import SILENT
from mlimage.spec.project import Project
from mlimage.spec.tags import lock_tags
from support.machine import ROOT

pytestmark = pytest.mark.network

EXAMPLES = sorted(
    path.parent.name
    for path in (ROOT / "images").glob("*/mlimage.yaml")
    if "indexes:" not in path.read_text()
)
"""Those of the default index: a mirror of another one need not be on this machine."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """One for all examples: a base is unpacked once."""
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_locks_are_the_same_but_for_the_tools(name: str, cache: Cache) -> None:
    loaded = Project(ROOT).load(name)
    now = datetime.now(UTC)

    def files(resolver: str) -> list[tuple[tuple[str, ...], dict[str, str]]]:
        locked = lock_all(
            loaded,
            lock_tags(loaded.spec),
            previous={},
            upgrade=Upgrade(),
            now=now,
            open_sources=partial(
                Sources,
                loaded.spec,
                cache=cache,
                environ=os.environ,
                progress=SILENT,
                open_images=RegistryImages,
            ),
            run=run,
            resolvers=partial(resolver_for, name=resolver, host=LINUX_AMD64, environ=os.environ),
        )
        return [
            (tuple(tool for tool, _ in each.lock.tools), dict(render_lock(replace(each.lock, tools=()))))
            for each in locked
        ]

    by_pip, by_uv = files("pip-compile"), files("uv")
    assert [texts for _, texts in by_uv] == [texts for _, texts in by_pip]
    assert {tools for tools, _ in by_pip} == {("mlimage", "pip", "pip-tools")}
    assert {tools for tools, _ in by_uv} == {("mlimage", "uv")}
