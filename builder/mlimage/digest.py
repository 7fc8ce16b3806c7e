"""Content digests as OCI writes them: `sha256:` and 64 hexadecimal digits."""

import hashlib
import json
import re
from pathlib import Path
from typing import BinaryIO, Final, Self

_BLOCK: Final = 1 << 20
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Digest(str):
    """A SHA-256 digest in OCI form, checked once: ``sha256:<64 hex>``."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the form; raises `ValueError` for anything else."""
        if not _DIGEST.match(text):
            message = f"not a sha256 digest: {text!r}"
            raise ValueError(message)
        return super().__new__(cls, text)

    @property
    def hex(self) -> str:
        """The 64 hexadecimal digits alone."""
        return self[7:]

    @property
    def short(self) -> str:
        """The first 12 digits, for people."""
        return self[7:19]

    @classmethod
    def from_hex(cls, digits: str) -> "Digest":
        """From 64 hexadecimal digits, in any case."""
        return cls("sha256:" + digits.lower())

    @classmethod
    def of(cls, content: bytes) -> "Digest":
        """The digest of these bytes."""
        return cls("sha256:" + hashlib.sha256(content).hexdigest())

    @classmethod
    def of_stream(cls, stream: BinaryIO) -> "Digest":
        """The digest of what is left in the stream."""
        digest = hashlib.sha256()
        while block := stream.read(_BLOCK):
            digest.update(block)
        return cls("sha256:" + digest.hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> "Digest":
        """The digest of the file's bytes, read as a stream."""
        with path.open("rb") as stream:
            return cls("sha256:" + hashlib.file_digest(stream, "sha256").hexdigest())


def canonical_json(value: object) -> bytes:
    """JSON with one spelling: sorted keys, no spaces, UTF-8, no final newline.

    Everything that mlimage digests as JSON goes through here, so equal values have equal digests.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
