"""What the names of locked files say: a wheel's of PEP 427, a Debian package's of dpkg-name(1). Pure."""

from packaging.utils import parse_wheel_filename
from packaging.version import Version


def names_wheel(file: str, name: str, version: Version) -> bool:
    """Whether a wheel's file name is of this package, by its normalized name, and version."""
    try:
        return parse_wheel_filename(file)[:2] == (name, version)
    except ValueError:  # not one of its own where a number has too many digits
        return False


def names_deb(path: str, name: str, version: str, architecture: str) -> bool:
    """Whether a path in an archive's pool is of this package; the epoch of a version is in no file name."""
    return path.rpartition("/")[2] == f"{name}_{version.partition(':')[2] or version}_{architecture}.deb"
