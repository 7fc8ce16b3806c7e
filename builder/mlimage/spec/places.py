"""What `data:` may say: names, or names with the places where data is."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Discriminator, Tag, WithJsonSchema

from mlimage.redact import userinfo
from mlimage.spec.fields import refuse

_WORD: Final = r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*"


def _data(value: str) -> str:
    if not re.fullmatch(_WORD, value) or len(value) > 64:
        raise refuse(
            f"`{value}` cannot be the name of data, which is in the name of a folder and of a variable",
            "use lower-case letters and digits, with single `-` or `_` between them, as `train-set`",
        )
    return value


def _surrounding(value: str) -> str:
    if not re.fullmatch(_WORD, value) or len(value) > 64:
        raise refuse(
            f"`{value}` cannot be the word for a surrounding", "use lower-case letters and digits, as `cloud`"
        )
    return value


def _data_place(value: str) -> str:
    if ":" in (userinfo(value) or ""):
        raise refuse(
            "an address with a password: secrets have no place in a spec",
            "let the program take it from a variable; `mlimage run --env NAME` hands it over",
        )
    if not value.strip() or re.search(r"[\x00-\x1f]", value):
        raise refuse(
            "not a place of data",
            "write a folder, relative to mlimage.yaml, or an address as `s3://bucket/path`",
        )
    return value


def _data_shape(value: object) -> str:
    return "<places>" if isinstance(value, dict) else "<names>"


DataName = Annotated[
    str, AfterValidator(_data), WithJsonSchema({"type": "string", "pattern": f"^{_WORD}$", "maxLength": 64})
]
Surrounding = Annotated[
    str,
    AfterValidator(_surrounding),
    WithJsonSchema({"type": "string", "pattern": f"^{_WORD}$", "maxLength": 64}),
]
DataPlace = Annotated[str, AfterValidator(_data_place), WithJsonSchema({"type": "string", "minLength": 1})]
Data = Annotated[
    Annotated[tuple[DataName, ...], Tag("<names>")]
    | Annotated[dict[DataName, dict[Surrounding, DataPlace]], Tag("<places>")],
    Discriminator(_data_shape),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "pattern": f"^{_WORD}$", "maxLength": 64}},
                {
                    "type": "object",
                    "patternProperties": {
                        f"^{_WORD}$": {
                            "type": "object",
                            "patternProperties": {f"^{_WORD}$": {"type": "string", "minLength": 1}},
                        }
                    },
                },
            ]
        }
    ),
]
