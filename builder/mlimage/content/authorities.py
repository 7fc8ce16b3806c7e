"""The certificate authorities that an image trusts, as update-ca-certificates(8) lays them out."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from mlimage.content.entry import Entry, file_of_bytes, symlink
from mlimage.errors import BuildError

SOURCE: Final = "usr/share/ca-certificates/"
_FOLDER: Final = "etc/ssl/certs"
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_SPACES: Final = re.compile(rb"[ \t\n\v\f\r]+")
_ENCODINGS: Final = {
    12: "utf-8",
    19: "ascii",
    20: "latin-1",
    22: "ascii",
    26: "ascii",
    28: "utf-32-be",
    30: "utf-16-be",
}
"""ASN.1's string types (X.680) that OpenSSL compares by their text: UTF8String, PrintableString, …"""


def certificates(files: Sequence[tuple[str, bytes]], *, origin: str) -> Iterator[Entry]:
    """The bundle `ca-certificates.crt`, a link for each certificate, and one by the hash of its subject.

    OpenSSL's default is to look an issuer up by that hash, and Python's `ssl` uses OpenSSL's default.

    Args:
        files: path below `usr/share/ca-certificates` and PEM text of each certificate.
        origin: the package that has them.

    Raises:
        BuildError: a file is no certificate in PEM form.
    """
    ordered = sorted(files)
    bundle = b"".join(content if content.endswith(b"\n") else content + b"\n" for _, content in ordered)
    yield file_of_bytes(f"{_FOLDER}/ca-certificates.crt", bundle, origin=origin)
    names = "".join(f"{path}\n" for path, _ in ordered)
    yield file_of_bytes("etc/ca-certificates.conf", names.encode(), origin=origin)
    taken: dict[str, int] = {}
    for path, content in sorted(ordered, key=lambda item: _link_name(item[0])):
        name = _link_name(path)
        yield symlink(f"{_FOLDER}/{name}", f"/{SOURCE}{path}", origin=origin)
        try:
            digest = subject_hash(content)
        except (ValueError, IndexError):
            raise BuildError(f"`/{SOURCE}{path}` of `{origin}` is no certificate") from None
        number = taken.get(digest, 0)
        taken[digest] = number + 1
        yield symlink(f"{_FOLDER}/{digest}.{number}", name, origin=origin)


def subject_hash(pem: bytes) -> str:
    """What `openssl x509 -subject_hash` prints: eight hexadecimal digits.

    The SHA-1 of the subject in OpenSSL's canonical form (X509_NAME_hash_ex(3)): texts in UTF-8, ASCII letters
    small, runs of white space one space; without the outermost header; its first four bytes, little-endian.

    Raises:
        ValueError: no certificate in PEM form.
    """
    match = _PEM.search(pem)
    if match is None:
        raise ValueError
    try:
        certificate = base64.b64decode(b"".join(match[1].split()), validate=True)
    except binascii.Error as error:
        raise ValueError from error
    tbs = _children(_children(certificate)[0][1])[0][1]
    fields = _children(tbs)
    subject = fields[5 if fields[0][0] == 0xA0 else 4]
    canonical = b"".join(_canonical_part(part) for _, part in _children(subject[1]))
    return hashlib.sha1(canonical, usedforsecurity=False).digest()[3::-1].hex()


def _canonical_part(part: bytes) -> bytes:
    """A RelativeDistinguishedName: SET OF SEQUENCE { type, value }."""
    attributes = []
    for _, attribute in _children(part):
        (oid_tag, oid), (tag, value) = _children(attribute)
        encoding = _ENCODINGS.get(tag)
        if encoding is None:
            canonical = _encode(tag, value)
        else:
            text = _SPACES.sub(b" ", value.decode(encoding).encode()).strip(b" ")
            canonical = _encode(12, text.lower())
        attributes.append(_encode(0x30, _encode(oid_tag, oid) + canonical))
    return _encode(0x31, b"".join(sorted(attributes)))


def _children(content: bytes) -> list[tuple[int, bytes]]:
    """The values in DER (X.690) that stand one after another, as (tag, content)."""
    values = []
    position = 0
    while position < len(content):
        tag, length = content[position], content[position + 1]
        position += 2
        if length >= 0x80:
            count = length & 0x7F
            length = int.from_bytes(content[position : position + count], "big")
            position += count
        if position + length > len(content):
            raise ValueError
        values.append((tag, content[position : position + length]))
        position += length
    return values


def _encode(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content


def _link_name(path: str) -> str:
    name = path.rpartition("/")[2].removesuffix(".crt")
    return name.replace(" ", "_").replace("(", "=").replace(")", "=").replace(",", "_") + ".pem"
