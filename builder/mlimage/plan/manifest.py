"""Whether the manifest of a golden record is whole, unchanged, and says what it may. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from posixpath import normpath
from typing import Any, Final

from mlimage.errors import BuildError
from mlimage.runtime.golden.compare import SPREAD, TIERS
from mlimage.runtime.golden.record import CALLS, FORMAT
from mlimage.spec.frozen import DIGEST, FOLDER, MANIFEST, GoldenManifest
from mlimage.spec.golden import Golden

_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DAMAGED: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


def check_manifest(manifest: GoldenManifest, golden: Golden, image: str) -> None:
    """Raise `BuildError` for a manifest that no image may be built with.

    Args:
        manifest: what the project has.
        golden: what the spec says.
        image: its name.
    """
    place = f"lockfiles/{image}/{FOLDER}"
    again = f"take the whole folder from version control, or `mlimage freeze {image}` records anew"
    if manifest.problem:
        raise BuildError(
            f"the golden record in `{place}` is incomplete: {manifest.problem}",
            hint=f"{again}; `mlimage freeze {image} --drop` removes it, for an image without the model",
        )
    if not manifest.digest:
        raise BuildError(
            f"the golden record in `{place}` has no `{DIGEST}`, the digest of its manifest",
            hint=f"commit the one that `mlimage freeze` wrote; if an older mlimage wrote the record, and "
            f"nobody changed it: `(cd {place} && sha256sum {MANIFEST} > {DIGEST})`",
        )
    if not manifest.held:
        raise BuildError(
            f"`{place}/{MANIFEST}` is not the one that was recorded: `{DIGEST}` has another digest",
            hint=again,
        )
    fault = fault_of(manifest.content, golden)
    if fault:
        raise BuildError(
            f"`{place}/{MANIFEST}`: {fault}",
            hint=f"undo it, or begin anew: `mlimage freeze {image} --drop`, then build, train and freeze",
        )


def fault_of(content: bytes, golden: Golden) -> str | None:
    """What is wrong with a manifest first: values that no recorder gives, or that are not of this spec.

    Args:
        content: of `manifest.json`.
        golden: what the spec says.
    """
    try:
        said = json.loads(content)
        if said["format"] != FORMAT:
            return f"it has format {said['format']}, and this version of mlimage reads format {FORMAT}"
        return next(_faults(said, golden), None)
    except _DAMAGED as error:
        return f"it is damaged ({type(error).__name__}: {error})"


def _faults(said: Mapping[str, Any], golden: Golden) -> Iterator[str]:
    yield from _calls(said["calls"], golden)
    yield from _files(said, golden)
    yield from _tolerances(said["tolerance"])
    yield from _cases(said["cases"])


def _calls(said: Mapping[str, Any], golden: Golden) -> Iterator[str]:
    for word in CALLS:
        wanted = getattr(golden, word)
        if said[word] != wanted:
            yield f"it is of `{word}: {said[word]}`, and mlimage.yaml has `{word}: {wanted}`"


def _files(said: Mapping[str, Any], golden: Golden) -> Iterator[str]:
    model: Mapping[str, str] = said["model"]["files"]
    preprocess: Mapping[str, str] = said["preprocess"]["files"]
    state = [path.removeprefix("models/") for path in preprocess if path.startswith("models/")]
    for path, digest in (*model.items(), *preprocess.items()):
        if not path or path.startswith("/") or ".." in path.split("/") or _CONTROL.search(path):
            yield f"`{_shown(path)}` is not the path of a file"
        if not _SHA256.match(digest):
            yield f"`{_shown(str(digest))}` is not a SHA-256 digest"
    yield from _named("model", list(model), (golden.model,))
    yield from _named("state", state, golden.state)
    for path in preprocess:
        if not path.startswith(("app/", "models/")):
            yield f"`{_shown(path)}` is not a file of the application or the folder of models"


def _named(word: str, paths: list[str], wanted: tuple[str, ...]) -> Iterator[str]:
    """Each file is one that the spec names, or is in a folder that it names; and none of these is without."""
    for path in paths:
        if not any(_is_in(path, place) for place in wanted):
            yield f"it is of `{word}: {_shown(path)}`, which mlimage.yaml does not name"
    for place in wanted:
        if not any(_is_in(path, place) for path in paths):
            yield f"it has nothing of `{word}: {place}`, which mlimage.yaml names"


def _is_in(path: str, place: str) -> bool:
    path, place = normpath(path), normpath(place)
    return place in {".", path} or path.startswith(f"{place}/")


def _tolerances(said: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The recorder allows `SPREAD` times its own spread, and refuses what spreads further than `TIERS`."""
    for stage, limits in said.items():
        for dtype, limit in limits.items():
            most = SPREAD * TIERS.get(stage, {}).get(dtype, 0.0)
            if isinstance(limit, bool) or not 0 <= limit <= most:
                yield (
                    f"it allows {_shown(str(limit))} in {_shown(stage)} of {_shown(dtype)}, and no record "
                    f"allows more than {most:g} there"
                )


def _cases(said: Any) -> Iterator[str]:
    names = [case["name"] for case in said]
    if not names:
        yield "it has no cases"
    for name in names:
        if name in {"", ".", ".."} or "/" in name or _CONTROL.search(name):
            yield f"`{_shown(name)}` cannot be the name of a case: it is not the name of a file"
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        yield f"it has two cases named `{_shown(min(twice))}`"


def _shown(text: str) -> str:
    """Of a text that is not ours, as much as a line of a message holds."""
    return text.encode("unicode_escape").decode()[:80] if _CONTROL.search(text) else text[:80]
