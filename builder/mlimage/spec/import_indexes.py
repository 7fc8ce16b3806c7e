"""Addresses of package indexes in other tools' files: PyTorch's, which say a build, and everybody else's."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from mlimage.pipconfig import built_in_index
from mlimage.redact import userinfo

PYTORCH: Final = "https://download.pytorch.org/whl"
"""Where PyTorch publishes its builds, a folder for each."""

_LABEL: Final = r"cpu|cu[0-9]{2,3}|rocm[0-9](?:\.[0-9]+)*|xpu"
_BUILDS: Final = re.compile(
    rf"(?P<base>https://[^\s?#]*/whl(?:/nightly|/test)?)/(?P<label>{_LABEL})(?:_full)?(?=/|\Z)"
)
_ALL_BUILDS: Final = re.compile(r"https://[^\s?#]*/whl/(?:lts/[^/]+/)?torch_(?:stable|nightly)\.html\Z")
_GIVEN: Final = frozenset({"default", "debian", "debian-security"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build of PyTorch's: its label (`cpu`, `cu121`, `rocm6.0`), and the address that has it."""

    label: str
    base: str = PYTORCH

    @property
    def accelerator(self) -> str:
        """`cpu`, `cuda`, `rocm`, `xpu`."""
        return "cuda" if self.label.startswith("cu") else re.match(r"[a-z]+", self.label).group()  # type: ignore[union-attr]  # a label begins with a letter

    @property
    def url(self) -> str:
        """The index of it."""
        return f"{self.base}/{self.label}"

    @property
    def index(self) -> str:
        """What a spec calls that index."""
        return "pytorch-" + self.label.replace(".", "-")


def build_of(label: str) -> Build | None:
    """The build of a local version label; None where it is not one of PyTorch's."""
    return Build(label=label) if re.fullmatch(_LABEL, label) else None


def build_at(url: str) -> Build | None:
    """The build that an address is for; None where it is none of PyTorch's."""
    found = _BUILDS.match(clean_url(url))
    return Build(label=found["label"], base=found["base"]) if found else None


def is_all_builds(url: str) -> bool:
    """Whether it is the page of PyTorch's that has all builds."""
    return clean_url(url) == PYTORCH or bool(_ALL_BUILDS.match(clean_url(url)))


def is_default(url: str) -> bool:
    """Whether it is the index that everybody has anyway."""
    try:
        return urlsplit(clean_url(url)).hostname == urlsplit(built_in_index()).hostname
    except ValueError:  # brackets that hold no address
        return False


def pytorch_wheel(url: str) -> str | None:
    """The requirement that a wheel at PyTorch's address fulfils; None for any other address."""
    if not build_at(url):
        return None
    try:
        name, version, _, _ = parse_wheel_filename(unquote(urlsplit(clean_url(url)).path).rpartition("/")[2])
    except InvalidWheelFilename:
        return None
    return f"{name}=={version}"


def clean_url(url: str) -> str:
    """An address with no user, no password, and nothing behind `?` or `#`, where tokens may be."""
    bare = url.strip().strip("'\"")
    said = userinfo(bare)
    bare = bare if said is None else bare.replace(f"{said}@", "", 1)
    return re.sub(r"[?#].*", "", bare, flags=re.DOTALL).rstrip("/")


def may_stand(url: str) -> bool:
    """Whether a spec may name the cleaned address as an index."""
    return bool(re.fullmatch(r"https://[A-Za-z0-9.\[\]:-]+(?:/[^\s?#${}]*)?", url))


def index_name(text: str) -> str:
    """A name for an index that a spec takes: of an address its host, of another tool's name that name."""
    host = re.match(r"[a-z+]+://([^/:]+)", text)
    plain = re.sub(r"[^a-z0-9]+", "-", (host.group(1) if host else text).lower()).strip("-")
    name = plain if re.match(r"[a-z]", plain) else f"index-{plain}".rstrip("-")
    return f"{name}-index" if name in _GIVEN else name
