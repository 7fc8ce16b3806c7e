"""The peer: `docker buildx build` of the best Dockerfile that we know, with uv, for the same lock."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Run, timed

_BASE = "mlimage-bench-base:latest"
_IMAGE = "mlimage-bench-peer:latest"
_DOCKERFILE = f"""\
# syntax is the engine's own: nothing can be pulled here
FROM {_BASE}
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN --network=none \\
    --mount=type=bind,from=wheels,target=/wheels \\
    --mount=type=bind,from=tools,target=/tools \\
    /tools/uv venv -q --python /usr/bin/python3.11 /opt/venv \\
    && /tools/uv pip install -q --python /opt/venv --no-index --find-links /wheels --no-deps \\
       --require-hashes -r /wheels/requirements.txt
COPY app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:/usr/bin:/bin
CMD ["python", "serve.py"]
"""


class Peer:
    """Builds with the Docker Engine that the environment names; deletes only its own images there.

    Args:
        folder: where it keeps what it hands to the engine; made here.
        base_layer: the base, which the peer gets ready made.
        wheels: folder name to the wheels of a lock, by file name, and its requirements file.
        app: the application.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base_layer: Path,
        wheels: Mapping[str, tuple[Sequence[tuple[str, Path]], str]],
        app: Path,
    ) -> None:
        self._folder = folder
        for name, (files, requirements) in wheels.items():
            (folder / name).mkdir(parents=True)
            for file, path in files:
                os.link(path, folder / name / file)
            (folder / name / "requirements.txt").write_text(requirements)
        (folder / "tools").mkdir()
        shutil.copy(Path(sys.executable).with_name("uv"), folder / "tools" / "uv")
        shutil.copytree(app, folder / "context" / "app")
        (folder / "context" / "Dockerfile").write_text(_DOCKERFILE)
        subprocess.run(["docker", "import", str(base_layer), _BASE], check=True, stdout=subprocess.DEVNULL)

    def cold(self, wheels: str) -> Run:
        """A build that takes nothing from BuildKit's cache, with the image in the engine at its end."""
        subprocess.run(["docker", "image", "rm", "-f", _IMAGE], check=False, capture_output=True)
        return self._build(wheels, "--no-cache")

    def again(self, wheels: str) -> Run:
        """A build after the one before."""
        return self._build(wheels)

    def _build(self, wheels: str, *options: str) -> Run:
        return timed(
            [
                "docker", "buildx", "build", "--load", "--provenance=false", "-q", "-t", _IMAGE, *options,
                "--build-context", f"wheels={self._folder / wheels}",
                "--build-context", f"tools={self._folder / 'tools'}",
                str(self._folder / "context"),
            ]
        )  # fmt: skip
