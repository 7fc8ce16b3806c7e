"""Where the files that travel with mlimage lie: in the wheel, or in a checkout of its source."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def templates() -> Path:
    """The folder of what is rendered: `templates/`."""
    packed = _PACKAGE / "templates"
    return packed if packed.is_dir() else _PACKAGE.parent.parent / "templates"


def runtime() -> Path:
    """The folder of the modules that go into every image."""
    return _PACKAGE / "runtime"


def api() -> Path:
    """The folder of the package that programs in images import, `mlimage_runtime`."""
    return _PACKAGE.parent / "mlimage_runtime"
