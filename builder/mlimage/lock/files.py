"""One file that a package index offers, as a value."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from packaging.utils import NormalizedName

from mlimage.digest import Digest

SDIST_SUFFIXES: Final = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
"""How names of source distributions end, old ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """What an index says about a file.

    Attributes:
        index: name of the index.
        project: normalized name of the project on whose page it is.
        filename: its name, without a slash.
        url: where it is: `https:`, `http:` or, from a folder, `file:`. Not for lock files or messages.
        sha256: digest that the index gives; None when it gives none, and then it cannot be locked.
        size: bytes, where known.
        upload_time: when it came, in UTC; None where the index does not tell.
        yanked: why it was withdrawn, maybe an empty text; None when it was not.
        requires_python: specifier that the interpreter must fulfil.
        offers_metadata: whether `url` + `.metadata` exists (PEP 658).
        metadata_sha256: digest of that file, where given.
    """

    index: str
    project: NormalizedName
    filename: str
    url: str
    sha256: Digest | None
    size: int | None = None
    upload_time: datetime | None = None
    yanked: str | None = None
    requires_python: str | None = None
    offers_metadata: bool = False
    metadata_sha256: Digest | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel, by its name."""
        return self.filename.endswith(".whl")

    @property
    def is_sdist(self) -> bool:
        """Whether it is a source distribution, by its name."""
        return self.filename.endswith(SDIST_SUFFIXES)
