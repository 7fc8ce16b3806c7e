"""Where the data of a run is: what the person typed, then the places that the spec names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlimage.errors import UsageError
from mlimage.host.arguments import check_data, parse_data
from mlimage.host.folders import data_folder
from mlimage.runtime.failure import StartError
from mlimage.runtime.places import CHOICE, chosen_places, data_variable, is_address, mounted
from mlimage.runtime.roles import Roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The data of one run.

    Attributes:
        folders: by data name, the folders of this machine that are mounted; for what has a place in the
            application, a file can be.
        env: variables that tell of what is an address, and of what has another place than the usual one.
    """

    folders: Mapping[str, Path]
    env: Mapping[str, str]


def find_data(
    texts: tuple[str, ...], roles: Roles, env: Mapping[str, str], *, role: str | None, folder: Path
) -> Data:
    """Decide where each data name is.

    Args:
        texts: `NAME=FOLDER`, `NAME=ADDRESS`, or the word for a surrounding that the spec names places for.
        roles: what the image says.
        env: the variables of the person, of which one of a data name counts as its place.
        role: the role that starts, None for another command; only `train` needs all data.
        folder: where mlimage.yaml is, to which folders of the spec are relative.

    Raises:
        UsageError: a text is none of these, a folder is not there, or data that is needed has no place.
    """
    words = {word for known in roles.places.values() for word in known}
    choice = _choice([text for text in texts if text in words]) or env.get(CHOICE)
    given = parse_data([text for text in texts if text not in words], roles.data)
    told = {name for name in roles.data if env.get(data_variable(name))}
    open_ = {name: known for name, known in roles.places.items() if name not in {*given, *told}}
    try:
        placed = chosen_places(open_, choice)
    except StartError as error:
        raise UsageError(error.message, hint="`--data NAME=FOLDER` gives a place for one run") from error
    if role == "train":  # a server has what it needs in the image and the models folder
        check_data([*given, *placed], roles.data, env, role)
    places = {**{name: str(folder / Path(place).expanduser()) for name, place in placed.items()}, **given}
    addresses = {name: place for name, place in {**placed, **given}.items() if is_address(place)}
    may_be_files = {name for name in places if mounted(name) in roles.links.values()}
    folders = {
        name: data_folder(name, Path(place), or_file=name in may_be_files)
        for name, place in places.items()
        if name not in addresses
        # What nobody asked for need not be there where it is not needed.
        if name in given
        or choice
        or role == "train"
        or Path(place).is_dir()
        or (name in may_be_files and Path(place).is_file())
    }
    variables = {data_variable(name): place for name, place in addresses.items()}
    variables |= {data_variable(name): mounted(name) for name in folders if name in roles.places}
    return Data(folders=folders, env={**variables, **({CHOICE: choice} if choice else {})})


def _choice(words: list[str]) -> str | None:
    if len(set(words)) > 1:
        raise UsageError(
            f"--data: `{words[0]}` and `{words[1]}` are two surroundings", hint="a run has one of them"
        )
    return words[0] if words else None
