"""The runtime layer: mlimage's runtime, the skeleton of the virtual environment, and the folders of an image.

Nothing here depends on mlimage's version or on the image, so that all images of one python share the layer.
"""

from typing import Final

from mlimage import resources
from mlimage.content.entry import Entry, arrange, directory, file_of_bytes, file_of_path, symlink
from mlimage.digest import canonical_json

RUNTIME_FORMAT: Final = 3
"""Version of what the runtime understands: its arguments, its variables and `roles.json`.

2 brought the words `fingerprint` and `probe`, 3 brought `verify`.
"""

_ORIGIN: Final = "mlimage runtime"
_LIBRARY: Final = "opt/mlimage/lib/mlimage"
START_HOOKS: Final = "import mlimage.runtime.hooks; mlimage.runtime.hooks.install()\n"
"""What of a `.pth` file `site` executes at the start of each Python."""
_PTH: Final = f"/opt/mlimage/lib\n{START_HOOKS}".encode()
_EVERYBODY: Final = 0o1777
"""Any user may write, and none may remove what another wrote: who runs an image, its runner chooses."""


def runtime_entries(python: str, *, program: str | None = None) -> tuple[Entry, ...]:
    """The files of the runtime layer, arranged.

    Args:
        python: version of the base's python, `X.Y`.
        program: path of its interpreter, relative to the root; by default `usr/bin/pythonX.Y`.
    """
    interpreter = f"/{program or f'usr/bin/python{python}'}"
    return arrange([*_runtime(python), *_environment(python, interpreter), *_folders()])


def _runtime(python: str) -> list[Entry]:
    version = canonical_json({"python": python, "runtime": RUNTIME_FORMAT}) + b"\n"
    entries = [
        file_of_bytes("opt/mlimage/version", version, origin=_ORIGIN),
        # Not mlimage's own `__init__`, which changes with every release.
        file_of_bytes(f"{_LIBRARY}/__init__.py", b"", origin=_ORIGIN),
    ]
    entries += [
        file_of_path(f"opt/mlimage/lib/mlimage_runtime/{source.name}", source, origin=_ORIGIN)
        for source in sorted(resources.api().glob("*.py"))
    ]
    for source in sorted(resources.runtime().rglob("*.py")):
        inner = source.relative_to(resources.runtime()).as_posix()
        path = f"opt/mlimage/{inner}" if inner == "entrypoint.py" else f"{_LIBRARY}/runtime/{inner}"
        entries.append(file_of_path(path, source, origin=_ORIGIN))
    return entries


def _environment(python: str, interpreter: str) -> list[Entry]:
    # What `python -m venv --without-pip` makes, less the activation scripts: PATH already leads here.
    home = interpreter.rpartition("/")[0]
    settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {python}\n"
    return [
        file_of_bytes("opt/venv/pyvenv.cfg", settings.encode(), origin=_ORIGIN),
        symlink("opt/venv/bin/python", interpreter, origin=_ORIGIN),
        symlink("opt/venv/bin/python3", "python", origin=_ORIGIN),
        symlink(f"opt/venv/bin/python{python}", "python", origin=_ORIGIN),
        symlink("opt/venv/lib64", "lib", origin=_ORIGIN),
        # What `site` reads at each start: the runtime can be imported, and sees what the program imports.
        file_of_bytes(f"opt/venv/lib/python{python}/site-packages/mlimage.pth", _PTH, origin=_ORIGIN),
    ]


def _folders() -> list[Entry]:
    return [
        directory("app", origin=_ORIGIN),
        directory("data", origin=_ORIGIN),
        directory("models", origin=_ORIGIN, mode=_EVERYBODY),
    ]
