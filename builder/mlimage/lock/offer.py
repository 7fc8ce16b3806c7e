"""What a resolver may see of the indexes: wheels that the target takes and that are not too new."""

import threading
from collections import defaultdict
from collections.abc import Set as AbstractSet
from datetime import datetime

from packaging.tags import Tag
from packaging.utils import NormalizedName, canonicalize_name

from mlimage.lock.files import IndexFile
from mlimage.lock.index import Indexes
from mlimage.lock.wheels import offered


class Offer:
    """Looks at each project once, whoever asks. Safe to use from several threads.

    Args:
        indexes: where the projects are.
        as_of: nothing that came later is offered.
        tags: what the target's interpreter takes; nothing else is offered.
        python: its version.
    """

    def __init__(
        self, indexes: Indexes, *, as_of: datetime | None, tags: AbstractSet[Tag], python: str
    ) -> None:
        self._tags = tags
        self._python = python
        self._indexes = indexes
        self._as_of = as_of
        self._locks: defaultdict[NormalizedName, threading.Lock] = defaultdict(threading.Lock)
        self._files: dict[NormalizedName, tuple[IndexFile, ...]] = {}

    def files(self, project: str) -> tuple[IndexFile, ...]:
        """The wheels of a project; raises as `Indexes.files` does."""
        name = canonicalize_name(project)
        with self._locks[name]:
            if name not in self._files:
                self._files[name] = offered(
                    self._indexes.files(name), as_of=self._as_of, tags=self._tags, python=self._python
                )
            return self._files[name]

    def metadata(self, file: IndexFile) -> bytes:
        """The METADATA of a wheel; raises as `Indexes.metadata` does."""
        return self._indexes.metadata(file)
