"""pip-compile against the index that it is given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.tags import parse_tag

from mlimage.lock.index import Indexes
from mlimage.lock.simple import serve_simple
from support.loopback import offer, wheel
from support.webserver import Fault, WebServer

TAGS = parse_tag("py3-none-any")


def compile_(url: str, folder: Path, *requirements: str) -> tuple[int, str, str]:
    """What pip-compile makes of the requirements, as the lock runs it."""
    (folder / "in.txt").write_text("\n".join(requirements) + "\n")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "piptools", "compile", "--no-config", "--no-header", "--no-emit-options"),
            *("--quiet", "--strip-extras", "--no-annotate", "--cache-dir", str(folder / "pip-tools")),
            *("--pip-args", "--no-cache-dir --only-binary=:all:", "-i", url, "-o", str(folder / "out.txt")),
            str(folder / "in.txt"),
        ],
        env=environ | {"PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    out = folder / "out.txt"
    return done.returncode, out.read_text() if out.exists() else "", done.stderr


@pytest.mark.parametrize("style", ["json", "html"])
def test_pip_compile_resolves_by_it_without_fetching_wheels(
    style: str, web: WebServer, own: WebServer, indexes: Indexes, tmp_path: Path
) -> None:
    web.style = "json" if style == "json" else "html"
    offer(web, wheel(tmp_path, "demo", "1.0", "lib>=1", "private"))
    offer(web, wheel(tmp_path, "demo", "1.1", "lib>=3", "private"))
    offer(web, wheel(tmp_path, "lib", "1.0"), requires_python=">=3.11")
    offer(web, wheel(tmp_path, "lib", "2.0"))
    offer(web, wheel(tmp_path, "lib", "2.5"), requires_python=">=4")
    offer(web, wheel(tmp_path, "lib", "2.6"), yanked="bad")
    web.offer("lib", "lib-2.7.tar.gz", b"source")
    offer(web, wheel(tmp_path, "private", "9.0"))
    offer(own, wheel(tmp_path, "private", "1.0"))
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        status, text, errors = compile_(served.url, tmp_path, "demo", "lib<3")
    assert (status, errors) == (0, "")
    assert text == "demo==1.0\nlib==2.0\nprivate==1.0\n"
    fetched = [request for request in (*web.requests, *own.requests) if request.path.endswith(".whl")]
    assert all(request.headers.get("Range", "").startswith("bytes=") for request in fetched)
    assert fetched
    assert served.failures == ()


def test_pip_compile_ends_soon_when_the_index_is_down(
    web: WebServer, indexes: Indexes, tmp_path: Path
) -> None:
    web.spoil("/simple/", Fault(status=503))
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        status, text, _ = compile_(served.url, tmp_path, "demo")
    assert (status, text) == (1, "")
    assert len(served.failures) == 1
