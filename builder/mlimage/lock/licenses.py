"""What a wheel says of its licence. Pure."""

from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

_CLASSIFIER: Final = "License :: "
_LONGEST: Final = 100
"""Characters of a licence's name; what is longer is its text, which `License` held before 2022."""
_NOTHING: Final = frozenset({"", "UNKNOWN", "OTHER", "NONE"})


def license_of(metadata: bytes) -> str:
    r"""The licence in one line: an SPDX expression, or else its name in the package's words; may be empty.

    `License-Expression` (PEP 639) counts before `License`, and that before the classifiers.

    >>> license_of(b"License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n")
    'MIT License'
    """
    fields = BytesHeaderParser().parsebytes(metadata)
    return _named(fields, "License-Expression") or _named(fields, "License") or _classified(fields)


def _named(fields: Message, field: str) -> str:
    text = str(fields.get(field, "")).strip()
    if len(text) > _LONGEST or not text.isprintable() or text.upper() in _NOTHING:
        return ""  # a line break is not printable
    return text


def _classified(fields: Message) -> str:
    found = {
        str(text).rpartition(" :: ")[2].strip()
        for text in fields.get_all("Classifier", [])
        if str(text).startswith(_CLASSIFIER)
    }
    text = ", ".join(sorted(found - {"OSI Approved"}))
    return text if len(text) <= _LONGEST and text.isprintable() else ""
