"""Project pages, JSON (PEP 691, 700, 714) or HTML (PEP 503, 592, 658): read as one value, and written."""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.lock.files import IndexFile
from mlimage.redact import address

ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
"""PEP 691's negotiation: JSON where the index has it."""
JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
HTML_TYPE: Final = "text/html; charset=utf-8"

_ABSOLUTE = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?/[A-Za-z0-9/._~%+=#&-]*\Z")
"""What is plainly a URL, which spares large pages (15,000 links) most of the time that `urljoin` takes."""
_TAG = re.compile(
    r"""<(?:!--|(?P<name>a|base|form|input|script|style)(?=[\s/>])(?P<rest>(?:[^<>"']++|"[^"]*+"|'[^']*+')*+)>)""",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++)))?""")
_MARKUP = re.compile(r"<[^<>]*+>?")
_TITLE = re.compile(r"<title>\s*([^<]{1,60})", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_INDEX_HINT: Final = "is that the address of a package index? open it in a browser"
_LOGIN_HINT: Final = "is a login, or a proxy, in between? open the URL in a browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A project's page as it came.

    Attributes:
        content: the bytes.
        content_type: media type, parameters allowed.
        url: where it came from, after redirects; relative links count from it.
        index: name of the index, for messages.
        project: whose page it is.
    """

    content: bytes
    content_type: str
    url: str
    index: str
    project: NormalizedName


def parse_page(page: Page) -> tuple[IndexFile, ...]:
    """The files on the page, in its order.

    Links that lead to something else than a file on a web server (or, on a page from a folder, in a folder)
    are passed over; so are file names with a slash in them.

    Raises:
        FetchError: it is no project page: a login page, broken JSON, another version of the interface.
    """
    kind = page.content_type.partition(";")[0].strip().lower()
    if kind in {JSON_TYPE, "application/json"}:
        return tuple(_of_json(page))
    if kind in {"application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml"}:
        return tuple(_of_html(page))
    raise _refused(page, f"answers with `{kind or 'no content type'}`, which is no index page")


def _of_json(page: Page) -> Iterator[IndexFile]:
    try:
        content = json.loads(page.content)
        version = content["meta"]["api-version"]
        files = content["files"]
        if not isinstance(version, str) or not isinstance(files, list):
            raise TypeError  # noqa: TRY301 - one place that says what is wrong with the JSON
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused(page, "answers with JSON that is no project page (PEP 691)") from error
    if version.partition(".")[0] != "1":
        raise _refused(page, f"speaks version {version[:20]} of the index interface; mlimage knows version 1")
    for entry in files:
        if isinstance(entry, dict) and isinstance(entry.get("url"), str):
            yield from _json_file(page, entry)


def _json_file(page: Page, entry: Mapping[str, Any]) -> Iterator[IndexFile]:
    url, filename = _link(page.url, entry["url"]), entry.get("filename")
    if url is None or not isinstance(filename, str) or not _is_name(filename):
        return
    hashes, size, yanked = entry.get("hashes"), entry.get("size"), entry.get("yanked", False)
    metadata = entry.get("core-metadata", entry.get("dist-info-metadata", False))
    yield IndexFile(
        index=page.index,
        project=page.project,
        filename=filename,
        url=url,
        sha256=_digest(hashes.get("sha256")) if isinstance(hashes, dict) else None,
        size=size if type(size) is int and size >= 0 else None,
        upload_time=_moment(entry.get("upload-time")),
        yanked=yanked if isinstance(yanked, str) else "" if yanked is True else None,
        requires_python=_text(entry.get("requires-python")),
        offers_metadata=bool(metadata),
        metadata_sha256=_digest(metadata.get("sha256")) if isinstance(metadata, dict) else None,
    )


def _of_html(page: Page) -> list[IndexFile]:
    base, links, has_form = page.url, [], False
    text = page.content.decode("utf-8", errors="replace")
    for name, attributes in _tags(text):
        if name == "a":
            links.append(attributes)
        elif name == "base" and base is page.url:
            base = _link(page.url, attributes.get("href", "")) or page.url
        elif name != "base":
            has_form = True
    found = [file for link in links for file in _html_file(page, base, link)]
    # A page that says "please sign in" may have links, but none to a file of the project.
    if not any(canonicalize_name(file.filename).startswith(page.project) for file in found) and (
        has_form or _tells_of_something_else(text, page.project)
    ):
        title = _TITLE.search(text)
        named = f" (`{html.unescape(title[1]).strip()}`)" if title else ""
        raise _refused(page, f"answers with a web page{named} that is no index page", hint=_LOGIN_HINT)
    return found


def _tells_of_something_else(text: str, project: NormalizedName) -> bool:
    """Whether people can read something on a page, and not the name of the project."""
    visible = html.unescape(_MARKUP.sub(" ", text))
    return bool(visible.strip()) and project not in canonicalize_name(visible)


def _html_file(page: Page, base: str, attributes: Mapping[str, str]) -> Iterator[IndexFile]:
    url = _link(base, attributes.get("href", ""))
    if url is None:
        return
    address, _, fragment = url.partition("#")
    filename = unquote(address.partition("?")[0].rpartition("/")[2])
    if not _is_name(filename):
        return
    hashes = dict(part.partition("=")[::2] for part in fragment.split("&"))
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    yield IndexFile(
        index=page.index,
        project=page.project,
        filename=filename,
        url=address,
        sha256=_digest(hashes.get("sha256")),
        upload_time=_moment(attributes.get("data-upload-time")),
        yanked=attributes.get("data-yanked"),
        requires_python=_text(attributes.get("data-requires-python")),
        offers_metadata=metadata is not None and metadata.lower() != "false",
        metadata_sha256=_digest((metadata or "").removeprefix("sha256=")),
    )


def _tags(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The start tags that count, with their attributes; what is in comments and scripts is passed over.

    Takes time in proportion to the text, whatever is in it: `html.parser` takes minutes for 100 KB of `<a `.
    """
    position = 0
    while found := _TAG.search(text, position):
        position = found.end()
        name = (found["name"] or "").lower()
        ending = "-->" if not name else f"</{name}" if name in {"script", "style"} else ""
        if name:
            attributes: dict[str, str] = {}
            for key, *values in _ATTRIBUTE.findall(found["rest"]):
                attributes.setdefault(key.lower(), html.unescape("".join(values)))
            yield name, attributes
        if ending:
            end = re.compile(ending, re.IGNORECASE).search(text, position)
            if end is None:
                return
            position = end.end()


def _link(base: str, reference: str) -> str | None:
    """The absolute URL, or None where it leads out of the web, or into folders from a web page."""
    if _ABSOLUTE.match(reference):
        return reference
    try:
        url = urljoin(base, reference.strip())
        url.encode()
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme in {"http", "https"} and parts.hostname:
        return url
    return url if parts.scheme == "file" and base.startswith("file:") else None


def _is_name(filename: str) -> bool:
    return bool(filename) and filename.isprintable() and "/" not in filename and "\\" not in filename


def _digest(text: object) -> Digest | None:
    return Digest.from_hex(text) if isinstance(text, str) and _SHA256.match(text) else None


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter of the first and the last day of all
        return None


def _refused(page: Page, what: str, hint: str = _INDEX_HINT) -> FetchError:
    return FetchError(f"`{address(page.url)}` {what} (asked for `{page.project}`)", hint=hint)


def _reference(file: IndexFile) -> str:
    return f"../../files/{quote(file.index, safe='')}/{file.project}/{quote(file.filename, safe='')}"


def as_json(files: Sequence[IndexFile]) -> bytes:
    """What `lock.simple` serves for at least one file: PEP 691, with the size and upload time of PEP 700."""
    entries: list[dict[str, object]] = []
    for file in files:
        entry: dict[str, object] = {
            "filename": file.filename,
            "url": _reference(file),
            "hashes": {"sha256": file.sha256.hex} if file.sha256 else {},
            "core-metadata": True,
            "yanked": False if file.yanked is None else file.yanked or True,
        }
        if file.requires_python is not None:
            entry["requires-python"] = file.requires_python
        if file.size is not None:
            entry["size"] = file.size
        if file.upload_time is not None:
            entry["upload-time"] = file.upload_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        entries.append(entry)
    return json.dumps({"meta": {"api-version": "1.0"}, "name": files[0].project, "files": entries}).encode()


def as_html(files: Sequence[IndexFile]) -> bytes:
    """PEP 503, for clients that do not ask for JSON."""
    lines = ["<!DOCTYPE html>", "<html><body>"]
    for file in files:
        fragment = f"#sha256={file.sha256.hex}" if file.sha256 else ""
        attributes = {"href": _reference(file) + fragment, "data-core-metadata": "true"}
        if file.requires_python is not None:
            attributes["data-requires-python"] = file.requires_python
        if file.yanked is not None:
            attributes["data-yanked"] = file.yanked
        written = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
        lines.append(f"<a {written}>{html.escape(file.filename)}</a><br>")
    return "\n".join([*lines, "</body></html>", ""]).encode()
