"""The record that an image hands back: copied with limits, as from a stranger, and held to what was asked."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlimage.atomic import temporary_folder
from mlimage.errors import RunError, reason_of
from mlimage.plan.golden import LARGEST_FILE, LARGEST_RECORD, MOST_FILES
from mlimage.plan.manifest import fault_of
from mlimage.regular import UnfitFileError, listing, read_inside, shown_limit
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import MANIFEST, Record, files_of, read_golden
from mlimage.runtime.golden.recorder import content_type_of
from mlimage.spec.golden import Golden
from mlimage.verify.requests import Request


def returned_record(
    folder: Path, name: str, golden: Golden, requests: Sequence[Request], *, image: str
) -> Record:
    """The record that an image wrote.

    Args:
        folder: which the image could write in.
        name: of the folder in it where the record was to be.
        golden: what was asked for.
        requests: what it was asked for with.
        image: for messages.

    Raises:
        RunError: it is no record, not one of this, or something that cannot be read, a link or a named pipe.
    """
    with temporary_folder("golden") as own:
        _copy(folder, name, own, image)
        try:
            record = read_golden(str(own))
            manifest = files_of(record)[MANIFEST]
        except GoldenError as error:
            raise _refused(image, str(error).removeprefix(f"{own}/")) from error
    fault = fault_of(manifest, golden)
    if fault:
        raise _refused(image, fault)
    asked = [(each.name, content_type_of(each.name), each.content) for each in requests]
    if [(case.name, case.content_type, case.raw) for case in record.cases] != asked:
        raise _refused(image, "its cases are not the requests that it was given")
    return record


def _copy(folder: Path, name: str, own: Path, image: str) -> None:
    """Copy all of it, so that what is read is what was looked at."""
    for path, content in _contents(folder, name, image):
        place = own / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _contents(folder: Path, name: str, image: str) -> Iterator[tuple[str, bytes]]:
    try:
        for path in _listed(folder, name):
            yield path, read_inside(folder, f"{name}/{path}", LARGEST_FILE)
    except (UnfitFileError, FileNotFoundError, PermissionError, IsADirectoryError) as error:
        where = str(error.filename or name)
        raise _refused(image, f"`{where}`: {reason_of(error)}") from error


def _listed(folder: Path, name: str) -> Iterable[str]:
    found = listing(folder, name, most=MOST_FILES)
    if sum(found.values()) > LARGEST_RECORD:
        raise UnfitFileError(f"it is larger than {shown_limit(LARGEST_RECORD)}", name)
    return found


def _refused(image: str, why: str) -> RunError:
    return RunError(
        f"the golden record that `{image}` wrote cannot be used: {why}",
        hint="something in the image writes there in place of mlimage: look at what its code does when it is "
        "imported, and build again",
    )
