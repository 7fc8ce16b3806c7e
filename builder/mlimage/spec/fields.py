"""The kinds of values in a spec: what each may be, said once for messages and for the JSON Schema."""

import re
from difflib import get_close_matches
from typing import Annotated, Final

from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from mlimage.platforms import ARCHITECTURES, PLATFORMS, Platform
from mlimage.redact import userinfo
from mlimage.spec.registry import is_reference
from mlimage.spec.requirements import check_requirement
from mlimage.spec.variants import NAME as VARIANT
from mlimage.spec.variants import is_variant

REFUSED: Final = "mlimage"
"""Type of the pydantic errors that carry a message and a hint of ours."""

_NAME: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
ENV: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_ACCELERATOR: Final = r"[a-z]+"
_DEB: Final = r"[a-z0-9][a-z0-9+.-]+"
_FUNCTION: Final = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"
_INDEX: Final = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_LABEL: Final = r"[A-Za-z0-9]+(?:[._/-][A-Za-z0-9]+)*"
_PACKAGE: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_SECRET: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]*"  # noqa: S105 - of names
_USER: Final = r"[0-9]+(?::[0-9]+)?"
_URL: Final = r"https?://[^\s/?#@]+(?:/[^\s?#]*)?"
_SIZE: Final = r"([0-9]+(?:\.[0-9]+)?) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?"
_UNITS: Final = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_MOST_SIZE: Final = 2**50
_MOST_ID: Final = 2**32 - 2
_RESERVED_VARIANTS: Final = frozenset({"base", "digests"})
_ENDS_OF_TAGS: Final = re.compile(rf"-({'|'.join(('train', 'serve', *ARCHITECTURES))})\Z")
"""What tags have behind the variant (`spec.tags`), so that no two images could have one."""
_LOOPBACK: Final = re.compile(r"http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?(/|\Z)")


def refuse(message: str, hint: str | None = None, *, offset: int = 0) -> PydanticCustomError:
    """The error to raise in a validator; `offset` moves the column into the text."""
    return PydanticCustomError(REFUSED, "{message}", {"message": message, "hint": hint, "offset": offset})


def _text(pattern: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", **more})


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value) or len(value) > 128:
        raise refuse(
            f"`{value}` cannot be the name of an image",
            "use lower-case letters and digits, with `-`, `_` or `.` between them, as `digits-sklearn`",
        )
    return value


def _python(value: str) -> str:
    if re.fullmatch(r"3\.[0-9]+\.[0-9]+", value):
        raise refuse(
            f"`{value}` has a patch level, which the base decides",
            f'write `python: "{value.rpartition(".")[0]}"`',
        )
    if not re.fullmatch(r"3\.[1-9]?[0-9]", value):
        raise refuse(f"`{value}` is not a version of python", 'write `python: "3.11"`')
    return value


def _deb(value: str) -> str:
    if re.fullmatch(_DEB, value):
        return value
    name = re.match(_DEB, value)
    hint = (
        f"write `{name.group()}`; `mlimage lock` chooses and locks the version"
        if name
        else "write a name, as `libgomp1`"
    )
    raise refuse(f"`{value}` is not the name of a Debian package", hint)


def _image(value: str) -> str:
    if not is_reference(value):
        raise refuse(f"`{value}` is not a reference to an image", "write it as `python:3.11-slim-bookworm`")
    return value


def _requirement(value: str) -> str:
    refusal = check_requirement(value)
    if refusal:
        raise refuse(refusal.message, refusal.hint, offset=refusal.offset)
    return value


def _relative(value: str) -> str:
    parts = value.split("/")
    if not value.strip():
        raise refuse("an empty path", "name a path inside the image's folder")
    if value.startswith(("/", "~")) or "\\" in value:
        raise refuse(
            f"`{value}` is not a path inside the image's folder",
            "write it relative to mlimage.yaml, with `/`",
        )
    if ".." in parts:
        raise refuse(
            f"`{value}` leads out of the image's folder", "put the file or folder beside mlimage.yaml"
        )
    return value


def _function(value: str) -> str:
    if not re.fullmatch(_FUNCTION, value):
        raise refuse(
            f"`{value}` names no function", "write its module and its name, as `package.features:transform`"
        )
    return value


def _pattern(value: str) -> str:
    if not value.strip():
        raise refuse("an empty pattern", "remove it")
    if value.startswith("#"):
        raise refuse(
            f"`{value}` is a comment in a `.dockerignore`", f"write `\\{value}` if the name begins so"
        )
    return value


def _secret(value: str) -> str:
    if not re.fullmatch(_SECRET, value):
        raise refuse(
            f"`{value}` cannot be the name of a secret",
            "use letters, digits, `-` and `_`, as `hub-token`; its value is handed over when it is built",
        )
    return value


def _cache_path(value: str) -> str:
    if not re.fullmatch(r"/[^\s,\"'\\$]+", value) or ".." in value.split("/"):
        raise refuse(
            f"`{value}` is not an absolute path of a folder in the image", "write it as `/root/.cache/pip`"
        )
    return value


def _env_name(value: str) -> str:
    if not value:
        raise refuse("an empty name", "name the variable")
    if not re.fullmatch(ENV, value):
        raise refuse(
            f"`{value}` cannot be the name of a variable", "use letters, digits and `_`, and no digit first"
        )
    if value.upper().startswith("MLIMAGE_"):
        raise refuse(f"`{value}`: names that begin with `MLIMAGE_` are mlimage's own", "choose another name")
    return value


def _route(value: str, example: str) -> str:
    if not re.fullmatch(r"/[!-~]*", value):
        hint = (
            f"write it as `{example}`"
            if not re.fullmatch(r"[!-~]+", value) or "://" in value
            else f"write `/{value}`"
        )
        raise refuse(f"`{value}` is not a path that a server is asked for", hint)
    return value


def _health(value: str) -> str:
    return _route(value, "/ping")


def _predict(value: str) -> str:
    return _route(value, "/predict")


def _variant(value: str) -> str:
    if not is_variant(value):
        raise refuse(
            f"`{value}` cannot be the name of a variant",
            "use lower-case letters and digits, as `cpu` or `cuda12`",
        )
    if value in _RESERVED_VARIANTS:
        raise refuse(f"`{value}` is the name of another lock file", "choose another name")
    end = _ENDS_OF_TAGS.search(value)
    if end:
        raise refuse(
            f"`{value}` cannot be the name of a variant: tags end in `{end.group()}` for another reason",
            f"choose another name, as `{value.removesuffix(end.group())}`",
        )
    return value


def _platform(value: str) -> str:
    try:
        return str(Platform.parse(value))
    except ValueError as error:
        message, _, known = str(error).partition("; ")
        near = get_close_matches(value.lower(), map(str, PLATFORMS), n=1)
        raise refuse(message, f"did you mean `{near[0]}`?" if near else known) from None


def _accelerator(value: str) -> str:
    if not re.fullmatch(_ACCELERATOR, value):
        raise refuse(
            f"`{value}` cannot be the name of an accelerator", "write it as `cpu`, `cuda`, `rocm` or `tpu`"
        )
    return value


_ARCHIVES: Final = frozenset({"debian", "debian-security"})
_SERVICES: Final = frozenset({"osv", "debian-security-tracker"})


def _index(value: str) -> str:
    if value == "default":
        raise refuse(
            "`default` is the index that this machine's pip is configured for",
            "choose another name, or set the default index in pip's configuration",
        )
    if value in _ARCHIVES:
        raise refuse(
            f"`{value}` is the name of an archive of debs, which has mirrors too", "choose another name"
        )
    if value in _SERVICES:
        raise refuse(
            f"`{value}` is the name of a source of advisories, which has mirrors too", "choose another name"
        )
    if not re.fullmatch(_INDEX, value):
        raise refuse(
            f"`{value}` cannot be the name of an index",
            "use lower-case letters, digits and `-`, as `pytorch-cpu`",
        )
    return value


def _url(value: str) -> str:
    if userinfo(value) is not None:
        raise refuse(
            "a URL with a user name or a password: secrets have no place in a spec",
            "put them into `~/.netrc`, which is read when the index is asked",
        )
    if re.search(r"[?#]", value):
        raise refuse("a URL with `?` or `#`: an index has none", "write the address up to there")
    if not re.fullmatch(_URL, value):
        raise refuse(
            f"`{value}` is not the URL of a package index",
            "write `https://…/simple`; where it is a folder of wheels, write the address that the index has "
            "elsewhere, or any, and set MLIMAGE_MIRROR_NAME=FOLDER, by the name of the index",
        )
    if value.startswith("http://") and not _LOOPBACK.match(value):
        raise refuse(f"`{value}` is not encrypted", f"write `https://{value[7:]}`")
    return value


def _package(value: str) -> str:
    if not re.fullmatch(_PACKAGE, value):
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", value)
        hint = (
            f"write `{name.group().rstrip('._-')}`; versions stand in `dependencies:`"
            if name
            else "write a name, as `torch`"
        )
        raise refuse(f"`{value}` is not the name of a package", hint)
    return str(canonicalize_name(value))


def _user(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        ids = [value]
    elif isinstance(value, str):
        if not re.fullmatch(_USER, value):
            raise refuse(
                f"`{value}` is not a user of the image, which knows users by number",
                'write a number, or user and group as `"1000:1000"`'
                + ("; root is `0`" if value == "root" else ""),
            )
        ids = [int(part) for part in value.split(":")] if len(value) < 32 else [-1]
    else:
        raise PydanticKnownError("string_type")
    if not all(0 <= one <= _MOST_ID for one in ids):
        raise refuse(f"`{value}` is not the number of a user", f"write a number from 0 to {_MOST_ID}")
    return value


def _label(value: str) -> str:
    if not value:
        raise refuse("an empty name", "name the label")
    if not re.fullmatch(_LABEL, value):
        raise refuse(f"`{value}` cannot be the name of a label", "write it as `com.example.team`")
    if value.startswith("dev.mlimage."):
        raise refuse(
            f"`{value}`: labels that begin with `dev.mlimage.` are mlimage's own", "choose another name"
        )
    return value


def _size(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    if isinstance(value, str):
        match = re.fullmatch(_SIZE, value.strip()) if len(value) < 32 else None
        if not match:
            raise refuse(
                f"`{value}` is not a size", "write bytes, or a number with a unit: `4 MB`, `512 kB`, `1 GiB`"
            )
        size = int(float(match.group(1)) * _UNITS[match.group(2) or "B"])
    else:
        size = value
    if not 0 <= size <= _MOST_SIZE:
        raise refuse(
            f"`{value}` is not a size", "write bytes, or a number with a unit: `4 MB`, `512 kB`, `1 GiB`"
        )
    return size


ImageName = Annotated[str, AfterValidator(_name), _text(_NAME, maxLength=128)]
Python = Annotated[str, AfterValidator(_python), _text(r"3\.[1-9]?[0-9]")]
DebName = Annotated[str, AfterValidator(_deb), _text(_DEB)]
ImageReference = Annotated[str, AfterValidator(_image), WithJsonSchema({"type": "string"})]
RequirementText = Annotated[
    str, AfterValidator(_requirement), WithJsonSchema({"type": "string", "minLength": 1})
]
RelativePath = Annotated[str, AfterValidator(_relative), WithJsonSchema({"type": "string", "minLength": 1})]
FunctionName = Annotated[str, AfterValidator(_function), _text(_FUNCTION)]
Pattern = Annotated[str, AfterValidator(_pattern), WithJsonSchema({"type": "string", "minLength": 1})]
SecretName = Annotated[str, AfterValidator(_secret), _text(_SECRET)]
CachePath = Annotated[str, AfterValidator(_cache_path), WithJsonSchema({"type": "string", "pattern": "^/"})]
EnvName = Annotated[str, AfterValidator(_env_name), _text(ENV)]
Environment = dict[EnvName, str]
Port = Annotated[int, Field(ge=1, le=65535)]
HealthPath = Annotated[str, AfterValidator(_health), _text(r"/[!-~]*")]
PredictPath = Annotated[str, AfterValidator(_predict), _text(r"/[!-~]*")]
VariantName = Annotated[str, AfterValidator(_variant), _text(VARIANT, maxLength=64)]
AcceleratorName = Annotated[str, AfterValidator(_accelerator), _text(_ACCELERATOR, maxLength=32)]
IndexName = Annotated[str, AfterValidator(_index), _text(_INDEX)]
IndexUrl = Annotated[str, AfterValidator(_url), _text(_URL, format="uri")]
PackageName = Annotated[str, AfterValidator(_package), _text(_PACKAGE)]
PlatformName = Annotated[
    str, AfterValidator(_platform), WithJsonSchema({"type": "string", "enum": list(map(str, PLATFORMS))})
]
User = Annotated[
    int | str,
    BeforeValidator(_user),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": _MOST_ID},
                {"type": "string", "pattern": f"^{_USER}$"},
            ]
        }
    ),
]
LabelName = Annotated[str, AfterValidator(_label), _text(_LABEL)]
Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_SIZE}$"}]}
    ),
]
