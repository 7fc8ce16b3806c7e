"""Where the image's data is, in words that do not change from a laptop to a cloud. Pure.

The spec may name places of each data name, for each surrounding: `local`, `cloud`, or any word. MLIMAGE_DATA
says which; without it, it is `local`. An address (`s3://…`) is handed to the program as it is. A folder is
one of the machine that starts the container, which mounts it at `/data/NAME`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlimage.runtime.failure import CONFIG, StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Places = Mapping[str, Mapping[str, str]]

CHOICE = "MLIMAGE_DATA"
"""The variable that chooses; no data has a name that would give it (`data_variable`)."""
USUAL = "local"
CASES = "golden"
"""Folder in the folder of models where training keeps requests for the golden record."""


def data_variable(name: str) -> str:
    """Name of the variable that tells where the data `name` is: `MLIMAGE_DATA_<NAME>`."""
    return f"{CHOICE}_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name.upper())


def mounted(name: str) -> str:
    """Where the folder of this data is mounted."""
    return f"/data/{name}"


def is_address(place: str) -> bool:
    """Whether a program, and no mount, brings what is there."""
    return "://" in place


def chosen_places(places: Places, choice: str | None) -> dict[str, str]:
    """The place of each data name that has one where it was chosen to be.

    Args:
        places: by data name, by word.
        choice: the word; None or empty for `local`, which not all need to have.

    Raises:
        StartError: a data name has places, and none by that word (78).
    """
    for name, known in places.items():
        if choice and choice not in known:
            raise StartError(
                f"the data `{name}` has no place `{choice}`; it has "
                + ", ".join(f"`{word}`" for word in known),
                status=CONFIG,
            )
    word = choice or USUAL
    return {name: known[word] for name, known in places.items() if word in known}


def data_variables(data: tuple[str, ...], places: Places, choice: str | None) -> dict[str, str]:
    """The variables of all data: an address, or where the folder is mounted; raises as `chosen_places`."""
    chosen = chosen_places(places, choice)
    return {
        data_variable(name): chosen[name] if is_address(chosen.get(name, "")) else mounted(name)
        for name in data
    }
