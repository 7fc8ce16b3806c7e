"""What `data:` and `models:` may say: where data is, and where a program looks for both beside itself."""

import posixpath
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from mlimage.redact import userinfo
from mlimage.runtime.places import mounted
from mlimage.spec.fields import refuse
from mlimage.spec.part import Part

MODELS: Final = "/models"
"""Where the image has the folder of models."""
AT: Final = "at"
"""What among the places of data is that in the application."""
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


def wrong_place(value: str) -> tuple[str, str] | None:
    """What is wrong with a place in the application and what to write, None where nothing is."""
    if (
        value.startswith(("/", "~"))
        or value != value.strip()
        or "\\" in value
        or re.search(r"[\x00-\x1f\x7f]", value)
    ):
        return f"`{value}` is not a path in the application", "write it relative to `app.source`, with `/`"
    if not value.strip() or ".." in value.split("/") or clean_place(value) == ".":
        return (
            f"`{value}` is not a place inside the application",
            "name a file or folder below `app.source`, as `models`",
        )
    return None


def clean_place(value: str) -> str:
    """A place in one spelling: `./models/` is `models`, whatever form of Unicode it was written in."""
    return unicodedata.normalize("NFC", posixpath.normpath(value))


def _app_place(value: str) -> str:
    wrong = wrong_place(value)
    if wrong:
        raise refuse(*wrong)
    return clean_place(value)


def _data_shape(value: object) -> str:
    return "<places>" if isinstance(value, dict) else "<names>"


_AT: Final = (
    "Where the program looks for this data beside itself: a file or folder below `app.source`. In the image "
    "it leads to `/data/NAME`; what the folder of the application has there stays out of the image, and is "
    "the data of the place `local`, unless that is named."
)

DataName = Annotated[
    str, AfterValidator(_data), WithJsonSchema({"type": "string", "pattern": f"^{_WORD}$", "maxLength": 64})
]
Surrounding = Annotated[
    str,
    AfterValidator(_surrounding),
    WithJsonSchema({"type": "string", "pattern": f"^{_WORD}$", "maxLength": 64}),
]
DataPlace = Annotated[str, AfterValidator(_data_place), WithJsonSchema({"type": "string", "minLength": 1})]
_PLACE: Final = {"type": "string", "minLength": 1}
AppPlace = Annotated[str, AfterValidator(_app_place), WithJsonSchema(_PLACE)]
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
                            "properties": {AT: {"type": "string", "minLength": 1, "description": _AT}},
                            "patternProperties": {f"^{_WORD}$": {"type": "string", "minLength": 1}},
                        }
                    },
                },
            ]
        }
    ),
]


class Models(Part):
    """Where the program looks for models."""

    at: Annotated[
        tuple[str, ...],  # judged by `checks`, which knows whether one was written or a list
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
        WithJsonSchema(
            {"anyOf": [_PLACE, {"type": "array", "items": _PLACE}]},
        ),
    ] = Field(
        default=(),
        description="Folder below `app.source` to which the program writes models, and from which it reads "
        "them, or several. In the image each leads to `/models`; what the folder of the application has "
        "there stays out of the image.",
        examples=["models", ["checkpoints", "logs"]],
    )
    files: tuple[AppPlace, ...] = Field(
        default=(),
        description="Single files that the program writes, and reads, outside of a folder of models. In the "
        "image each leads to the file of its name in `/models`.",
        examples=[["model.pkl", "metrics.json"]],
    )


def app_places(
    models: Models, data: tuple[str, ...] | Mapping[str, Mapping[str, str]]
) -> tuple[tuple[str, str], ...]:
    """The places in the application, in order, each with the path of the image that it leads to."""
    found = dict.fromkeys(map(clean_place, models.at), MODELS)
    found |= {place: f"{MODELS}/{posixpath.basename(place)}" for place in models.files}
    if isinstance(data, Mapping):
        found |= {clean_place(known[AT]): mounted(name) for name, known in data.items() if AT in known}
    return tuple(sorted(found.items()))
