"""What a server answers, as values."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A whole answer, 200 or 404; `url` is where redirects led, header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes of a file from `start`, and the size of the whole file."""

    start: int
    total: int
    content: bytes


def strong_validator(headers: Mapping[str, str]) -> list[str]:
    """RFC 9110, section 13.1.5: what `If-Range` may carry."""
    tag = headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return [tag]
    return [headers["Last-Modified"]] if "Last-Modified" in headers else []
