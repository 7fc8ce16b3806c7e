"""pip-compile and uv held against each other, over small worlds of packages."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.version import Version

import support.properties  # noqa: F401
from mlimage.cache import Cache
from mlimage.content.ownpython import own_python
from mlimage.fetch import Http
from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.index import Indexes
from mlimage.lock.resolver import Question, Resolver, UnresolvedError
from mlimage.lock.simple import serve_simple
from mlimage.lock.uv import Uv, find_uv
from mlimage.mirrors import Location, Mirrors
from mlimage.process import run
from support.loopback import offer
from support.webserver import web_server
from support.wheels import make_wheel

UV = Uv(program=find_uv(os.environ["PATH"]))
NAMES = ("a", "b", "c", "d")

World = Mapping[str, Mapping[str, Sequence[str]]]
"""What each version of each package asks for."""

requirements = st.builds(
    "".join,
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["", "", "[e]", ">=1", "<2", ">=2", "!=2.0", "==1.0"])),
)
asked = st.lists(requirements, max_size=2)
optional = requirements.map(lambda text: f'{text}; extra == "e"')
versions = st.dictionaries(
    st.sampled_from(["1.0", "2.0", "3.0"]),
    st.builds(list.__add__, asked, st.lists(optional, max_size=1)),
    min_size=1,
)
worlds = st.fixed_dictionaries(dict.fromkeys(NAMES, versions))


@settings(max_examples=15)
@given(world=worlds, wanted=st.lists(requirements, min_size=1, max_size=3))
def test_both_find_an_answer_or_neither(world: World, wanted: Sequence[str]) -> None:
    by_pip, by_uv = (answer(resolver, world, wanted) for resolver in (PIP_COMPILE, UV))
    assert (by_pip is None) == (by_uv is None)
    for pins in filter(None, (by_pip, by_uv)):
        for text in wanted:
            requirement = Requirement(text)
            assert requirement.specifier.contains(pins[requirement.name])
    if by_pip is not None and all(by_pip[name] == max(map(Version, world[name])) for name in by_pip):
        assert by_uv == by_pip


def answer(resolver: Resolver, world: World, wanted: Sequence[str]) -> Mapping[str, Version] | None:
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as scratch,
        web_server() as web,
        Http() as http,
    ):
        for name, versions in world.items():
            for version, requires in versions.items():
                headers = ["Provides-Extra: e"]
                offer(web, make_wheel(Path(folder), name, version, {}, requires=requires, headers=headers))
        indexes = Indexes(
            http=http,
            cache=Cache(Path(folder) / "cache"),
            mirrors=Mirrors(configured={"default": (Location(web.index),)}),
        )
        with serve_simple(indexes, as_of=None, tags=parse_tag("py3-none-any"), python="3.11.2") as server:
            question = Question(
                interpreter=own_python(),
                target=own_python().describe(run),
                requirements=wanted,
                index_url=server.url,
                seeds={},
                constraints={},
                upgrade_packages=(),
                scratch=Path(scratch),
            )
            try:
                return {pin.name: pin.version for pin in resolver.pins(question, run)}
            except UnresolvedError as error:
                assume("RecursionError" not in error.output)  # pip's, about circles; see `lock.explain`
                return None
