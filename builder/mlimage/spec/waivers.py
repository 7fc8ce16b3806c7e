"""The kinds of values with which a spec says that a known vulnerability does not count."""

import re
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from mlimage.spec.fields import refuse

_ADVISORY: Final = r"[A-Z][A-Z0-9]+-[A-Za-z0-9-]+"
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


def _advisory(value: str) -> str:
    if not re.fullmatch(_ADVISORY, value):
        raise refuse(f"`{value}` is not the name of an advisory", "write it as `CVE-2026-12345`")
    return value


def _reason(value: str) -> str:
    if not value.strip():
        raise refuse("an empty reason", "say why it does not matter here")
    return value


def _day(value: str) -> str:
    if not re.fullmatch(_DAY, value) or not _is_day(value):
        raise refuse(f"`{value}` is not a day", 'write it as `"2027-03-31"`')
    return value


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


AdvisoryId = Annotated[
    str, AfterValidator(_advisory), WithJsonSchema({"type": "string", "pattern": f"^{_ADVISORY}$"})
]
Reason = Annotated[str, AfterValidator(_reason), WithJsonSchema({"type": "string", "minLength": 1})]
Day = Annotated[
    str, AfterValidator(_day), WithJsonSchema({"type": "string", "pattern": f"^{_DAY}$", "format": "date"})
]
