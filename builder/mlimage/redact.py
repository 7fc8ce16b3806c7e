"""Credentials in text: the one place that finds them in messages, logs and reports, and hides them.

What people see passes `redact` where it leaves (`cli.style.clean`, `cli.screen`, `render.page`), so nobody
else has to think of it. Where a message quotes a value whose ends are known, `redact_quoted` finds more: a
password with spaces in it, or a piece of one.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

MARK: Final = "***"
"""Stands for what is hidden."""

_AUTHORITY: Final = re.compile(
    r"(?<=[A-Za-z0-9]):(?:\\*/){2}"
    # What a URL becomes as a path, or cut at its colon; and `user:password@host/…` where a message quotes it.
    r"|(?<=http|ttps):\\*/(?![\\/])"
    r"|(?<![\w:/\\.])//(?=[^\s/?#:@`]+:[^\s/`]*@)"
    r"|(?<=`)(?=(?!mailto:)[^\s/?#:@`]+:(?!\\*/)[^\s`]*@[A-Za-z0-9-]+[.:/])"
)
"""Where the authority of a URL begins (RFC 3986, section 3.2); JSON may have escaped the slashes."""
_RUN: Final = re.compile(r"""(?:(?!(?<!\\)["'`>](?:[],:;.)}>\s]|\Z))\S){0,4096}""")
"""How far a URL may reach in running text: up to white space, or a quote that closes."""
_USER_AND_COLON: Final = re.compile(r"(?!\[)(?:[^\s/?#:@]+:(?![0-9]{1,5}(?:[/?#]|\Z))|:)")
"""A user with a password behind the colon; `web:8080/x@1.0` is taken for a host with a port."""
_USER: Final = re.compile(r"(?!\[|localhost:)[^\s/?#:@.]*:")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|localhost\b|[^/?#@:]*\.[^/?#@:]|[^/?#@:]+:[0-9]")
"""What is certainly a host, though another `@` comes behind it."""
_DOMAIN: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?=[:/?#]|\Z)")
_IMAGE: Final = re.compile(r"@sha(?:256|512):")
_LOGIN_WITH_SPACE: Final = re.compile(
    r"(?!\[)(?:[^\s/?#:@.]*:(?![0-9]{1,5}(?:[/?#]|\Z))|[^\s/?#:@]+:(?!\s|\Z|[0-9]{1,5}(?:[\s/?#,;.)]|\Z)))"
)
"""A user with a password that may have white space. A host in a sentence has a dot: `https://a.io: b@c`."""
_QUOTE_BEFORE: Final = re.compile(r"[\"'`][A-Za-z][A-Za-z0-9+.-]*\Z")
_LOGIN: Final = re.compile(r"(/)[^\s/:@]+:[^/@]+(?=@)")
"""In the path of a folder, which a URL without its scheme is taken for."""
_EXAMPLE: Final = re.compile(r"(?:NAME|USER|USERNAME)?:?(?:PASSWORD|TOKEN)?")
"""What hints tell people to replace."""
_QUOTED_URL: Final = re.compile(r"(%3A%2F%2F)(?:(?!%2F|%3F|%23)[^\s/&\"'`])*(?=%40)", re.IGNORECASE)
"""The same, percent-encoded as a whole."""

_QUERY: Final = re.compile(
    r"((?:(?<=[?&;])|(?<=u0026))(?:[\w.-]*(?:token|secret|password|passwd|signature|credential|api[-_]?key)"
    r"|auth|key|pass|pwd|sig)=)[^\s&#;\"'`<>\\]+",
    re.IGNORECASE,
)
_WHOLE_QUERY: Final = re.compile(r"(://[^\s?#]*\?)[^\s#]+")
_ANACONDA: Final = re.compile(r"(://[^/\s]+/t/)[^/\s]+")
"""Anaconda's private channels have the token in the path."""
_HEADERS: Final = (
    re.compile(
        r"(\b(?:proxy-)?authorization\b[\"']?\s{0,9}[:=]\s{0,9}[\"']?(?:basic|bearer|token|apikey)\s+)[^\s\"'`,;]+",
        re.IGNORECASE,
    ),
    re.compile(
        r"(\b(?:x-api-key|x-auth-token|private-token|job-token)\b[\"']?\s{0,9}[:=]\s{0,9}[\"']?)[^\s\"'`,;]+",
        re.IGNORECASE,
    ),
    # Elsewhere `Basic authentication` and `Bearer realm="…"` are words.
    re.compile(r"(\b(?:Basic|Bearer) )(?=[\w.~+/-]*[0-9=])[\w.~+/-]{8,}=*(?![\w=\"])"),
)
_LEAST: Final = 4
"""Characters of a secret that are worth hiding where a message has no more of it."""


def redact(text: str, *, queries: bool = False) -> str:
    """The text without user names, passwords and tokens of URLs, and without those of HTTP headers.

    A user alone is a token in `https://TOKEN@host` and stays in `ssh://git@host`.

    Args:
        text: of any kind and length.
        queries: also hide all queries and tokens of Anaconda in URLs, for what is written into files.
    """
    if _AUTHORITY.search(text):
        text = "".join(_without_userinfo(text))
    if "%3" in text:
        text = _QUOTED_URL.sub(rf"\1{MARK}", text)
    if queries:
        text = _WHOLE_QUERY.sub(rf"\1{MARK}", _ANACONDA.sub(rf"\1{MARK}", text))
    text = _QUERY.sub(rf"\1{MARK}", text)
    for header in _HEADERS:
        text = header.sub(rf"\1{MARK}", text)
    return text


def redact_quoted(text: str, values: Iterable[str]) -> str:
    """The text, which may quote these values or parts of them, without the credentials in their URLs.

    Args:
        text: a message.
        values: as the user wrote them, whole.
    """
    for secret in dict.fromkeys(each for value in values for each in _secrets_of(value) if each):
        if not secret.isalnum():  # which may be a word of the message, too
            for form in _forms(secret):
                text = text.replace(form, MARK)
        parts = [text] if "`" in secret else text.split("`")
        odd = slice(0 if "`" in secret else 1, None, 2)
        parts[odd] = [_without_pieces(quoted, secret) for quoted in parts[odd]]
        text = "`".join(parts)
    return redact(text)


def redact_word(word: str) -> str:
    """An argument of a command without the credentials in it; what is a URL as a whole may have any signs."""
    said = userinfo(word) if re.match(r"[^\s\"'`{]*://", word) else None
    if said is not None and _is_secret(word, word.index("://"), said):
        word = word.replace(f"{said}@", f"{MARK}@", 1)
    return redact(word)


def redact_all(value: Any) -> Any:
    """A JSON value with each of its texts redacted, those of keys included."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_all(key): redact_all(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(each) for each in value]
    return value


def userinfo(url: str) -> str | None:
    """User and password of one URL, also with signs that should be percent-encoded; None without."""
    begin = _AUTHORITY.search(url)
    rest = url[begin.end() :] if begin else ""
    end = _end(rest)
    return rest[:end] if end >= 0 and not _IMAGE.match(rest, end) else None


def address(url: str) -> str:
    """One URL as messages may show it: without credentials, query and fragment; a folder as its path."""
    said = userinfo(url)
    try:
        parts = urlsplit(url.replace(f"{said}@", "", 1) if said is not None else url)
    except ValueError:
        return "(a URL that cannot be read)"
    if parts.scheme == "file":
        return _LOGIN.sub(rf"\1{MARK}", unquote(parts.path))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def _without_userinfo(text: str) -> Iterator[str]:
    done = 0
    for begin in _AUTHORITY.finditer(text):
        start = begin.end()
        if start < done:
            continue  # in what was hidden
        end = start + _end(_reach(text, begin))
        if end < start or not _is_secret(text, begin.start(), text[start:end]) or _IMAGE.match(text, end):
            continue
        yield text[done:start]
        yield MARK
        done = end
    yield text[done:]


def _reach(text: str, begin: re.Match[str]) -> str:
    """As much of the text as may be of the URL; between our backticks a password may have white space."""
    run = _RUN.match(text, begin.end())
    reach = run[0] if run else ""
    if "@" not in reach and _LOGIN_WITH_SPACE.match(reach) and text.count("`", 0, begin.start()) % 2:
        return text[begin.end() :].partition("`")[0]
    return reach


def _end(rest: str) -> int:
    """Where the `@` behind user and password is in what follows `://`; -1 without."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    at = authority.rfind("@")
    if at >= 0 and ("@" not in rest[at + 1 :] or _HOST.match(rest, at + 1)):
        return at
    return rest.rfind("@") if _USER_AND_COLON.match(rest) else at


def _is_secret(text: str, colon: int, said: str) -> bool:
    if not said or _EXAMPLE.fullmatch(said):
        return False
    return ":" in said or text[max(0, colon - 5) : colon].lower().endswith(("http", "https"))


def _secrets_of(value: str) -> Iterator[str]:
    """What of a value may not be shown: users with their passwords, passwords, and tokens in their place."""
    for begin in _AUTHORITY.finditer(value):
        rest = _rest_of_url(value, begin)
        end = _end(rest)
        # A user has no dot, and a host with a port mostly has one: rather too much is hidden than too little.
        if _USER.match(rest) and not (end >= 0 and _DOMAIN.match(rest, end + 1)):
            end = rest.rfind("@")
        if end >= 0 and _is_secret(value, begin.start(), rest[:end]) and not _IMAGE.match(rest, end):
            yield rest[:end]
            yield rest[:end].partition(":")[2]


def _rest_of_url(value: str, begin: re.Match[str]) -> str:
    """What of a value may be of the URL: an honest sentence, or JSON, goes on behind one."""
    rest = value[begin.end() :]
    quoted = _QUOTE_BEFORE.search(value[max(0, begin.start() - 32) : begin.start()])
    if quoted:
        rest = rest.partition(quoted[0][0])[0]
    return rest if _LOGIN_WITH_SPACE.match(rest) else re.split(r"\s", rest, maxsplit=1)[0]


def _forms(secret: str) -> list[str]:
    """The ways in which text may have it, the longest first."""
    forms = {
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        unquote(secret),
    }
    return sorted((form for form in forms if len(form) >= _LEAST), key=lambda form: (-len(form), form))


def _without_pieces(text: str, secret: str) -> str:
    """The text without what it has in common with the secret: messages may quote a part of it."""
    kept: list[str] = []
    at, said, hidden = 0, _small(text), _small(secret)
    while at < len(text):
        size = 0
        while at + size < len(text) and said[at : at + size + 1] in hidden:
            size += 1
        kept.append(MARK if size >= _LEAST else text[at : at + max(size, 1)])
        at += max(size, 1)
    return "".join(kept)


def _small(text: str) -> str:
    """In lower case, with as many characters."""
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)
