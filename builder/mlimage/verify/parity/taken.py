"""The golden record of an image, out of its layer; the model, which may be large, stays there."""

from pathlib import Path, PurePosixPath

from mlimage.errors import BuildError, VerificationError
from mlimage.oci.blobstream import open_layer
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.oci.untar import MemberKind, TarError, TarReader
from mlimage.plan.golden import FOLDER, LARGEST_RECORD, MOST_FILES, NAME
from mlimage.regular import shown_limit
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import Record, read_golden
from mlimage.verify.records import is_fingerprint


def taken_record(
    image: SealedImage,
    store: Store,
    folder: Path,
    *,
    most: int = MOST_FILES,
    largest: int = LARGEST_RECORD,
) -> Record | None:
    """The record of an image; None where it has none.

    Args:
        image: the image.
        store: has it.
        folder: an empty folder, where its files come to lie.
        most: how many files there may be.
        largest: how many bytes they may have in all.

    Raises:
        VerificationError: the record is damaged, larger than one is, or of a format that this version does
            not know.
        BuildError: the layer is damaged in the store.
    """
    layer = next((each for each in image.layers if each.name == NAME), None)
    if layer is None:
        return None
    try:
        with open_layer(layer, store) as stream:
            _unpack(TarReader(stream), folder, most, largest)
        return _read(folder)
    except TarError as error:
        raise BuildError(f"layer `{layer.name}` of `{image.name}` cannot be read: {error}") from error
    except GoldenError as error:
        said = str(error).removeprefix(f"{folder}/")
        raise VerificationError(
            f"the golden record of `{image.name}` cannot be used: {said}",
            hint="a record of a newer mlimage needs that one; else freeze again, and build",
        ) from error


def _unpack(reader: TarReader, folder: Path, most: int, largest: int) -> None:
    files = size = 0
    for member in reader:
        path = PurePosixPath(member.path)
        if member.kind is not MemberKind.FILE or not path.is_relative_to(FOLDER) or ".." in path.parts:
            continue
        files, size = files + 1, size + member.size
        if files > most:
            raise GoldenError(f"it has more than {most:,} files")
        if size > largest:
            raise GoldenError(f"it is larger than {shown_limit(largest)}")
        place = folder / path.relative_to(FOLDER)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as file:
                for piece in reader.content():
                    file.write(piece)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise GoldenError(f"`{member.path}` is a file and a folder") from error


def _read(folder: Path) -> Record:
    record = read_golden(str(folder))
    if not is_fingerprint(record.fingerprint):
        raise GoldenError("its fingerprint is none of this version of mlimage")
    return record
