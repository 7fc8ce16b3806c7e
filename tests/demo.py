"""`make demo`: from a spec to a prediction, with the commands that a user types, shown as they run."""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.building import IMAGE, IMAGES
from support.digits import ZERO
from support.indexes import mirrors_of_wheels

ROOT = Path(__file__).parent.parent
MLIMAGE = Path(sys.executable).with_name("mlimage")
PATIENCE = 120.0
"""Seconds that the server may take to become healthy."""


def main() -> None:
    """Show it all, and leave with an error where something does not do what it should."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("image", nargs="?", default=IMAGE, help=f"one of {', '.join(IMAGES)} ({IMAGE})")
    image = parser.parse_args().image
    begun = time.monotonic()
    for name, folder in mirrors_of_wheels(image).items():
        _say("where the wheels of another index are; pip is configured for them")
        print(f"$ export {name}={shlex.quote(folder)}", flush=True)
        os.environ[name] = folder
    _say("lock: every wheel and every Debian package by name and SHA-256")
    if _mlimage("lock", image, "--check", may_fail=True) != 0:
        _mlimage("lock", image)
    _say("build: one sealed image from what the lock names; no Docker takes part")
    _mlimage("build", image, "--variant", "cpu")
    _say("train, in the image")
    _mlimage("run", image, "train")
    _say("serve, from the same image")
    with _server("run", image, "serve", "--port", "0") as url:
        _say("ask it what this is")
        print(
            "\n".join(
                "    " + "".join(" .:-=+*#%@"[min(9, pixel * 10 // 17)] * 2 for pixel in row) for row in ZERO
            )
        )
        answer = _ask(url)
        print(f"    {answer}")
        if answer["digit"] != 0:
            sys.exit("error: that is a 0")
    digest = json.loads(_output("inspect", f"{image}:cpu", "--json"))["digest"]
    _say(f"done in {time.monotonic() - begun:.0f} s; the image is, on every machine:")
    print(f"    {image}@{digest}")


def _say(text: str) -> None:
    print(f"\n# {text}", flush=True)


def _command(arguments: Sequence[str]) -> tuple[str, ...]:
    print(f"$ mlimage {shlex.join(arguments)}", flush=True)
    return (str(MLIMAGE), *arguments)


def _mlimage(*arguments: str, may_fail: bool = False) -> int:
    status = subprocess.run(_command(arguments), cwd=ROOT, check=False).returncode
    if status and not may_fail:
        sys.exit(f"error: `mlimage {shlex.join(arguments)}` ended with status {status}")
    return status


def _output(*arguments: str) -> str:
    return subprocess.run(
        (str(MLIMAGE), *arguments), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@contextmanager
def _server(*arguments: str) -> Iterator[str]:
    """A server in the background, ended as Ctrl-C does; gives its URL once it is healthy."""
    with subprocess.Popen(
        _command(arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        found: list[str] = []
        healthy = threading.Event()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                print(f"    {line}", end="", flush=True)
                match = re.match(r"serving \S+ on (\S+)", line)
                if match:
                    found.append(match[1])
                    healthy.set()
            healthy.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            healthy.wait(PATIENCE)
            if not found:
                sys.exit("error: the server did not become healthy")
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            reader.join()
    if process.returncode:
        sys.exit(f"error: the server ended with status {process.returncode}")


def _ask(url: str) -> dict[str, float]:
    request = urllib.request.Request(
        f"{url}/invocations",
        data=json.dumps({"instances": [ZERO]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    # No proxy stands between a machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        answer: dict[str, float] = json.load(response)["predictions"][0]
    return answer


if __name__ == "__main__":
    main()
