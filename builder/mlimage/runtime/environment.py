"""The environment that a role's command gets. Pure: what this container is comes in as `Facts`.

Who wins, from the strongest:

1. what the caller set (`docker run -e`, a pod's `env`, `mlimage run -e`);
2. the role's own `env` of the spec;
3. what the image sets for all roles (`env` of the spec and of the variant);
4. what a cloud service tells (see `cloud`), then mlimage's defaults.

A server's port has two names, MLIMAGE_PORT and the customary PORT, which Cloud Run and Heroku set: the
strongest of these who says one of them says the other, too.

The variables of the profile `strict` (`pins`) nobody overrides: who sets one otherwise is refused. The
profile itself the caller may choose, by MLIMAGE_PROFILE.

A container sees 1 and 3 in one environment. A value counts as the caller's when it differs from the one that
`roles.json` says the image has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlimage.runtime.cloud import cloud_variables
from mlimage.runtime.failure import CONFIG, StartError
from mlimage.runtime.pins import (
    FAST,
    PROFILE,
    STRICT,
    THREADS,
    chosen_profile,
    lacking,
    pinned,
    pins,
    undone,
    unfit,
)
from mlimage.runtime.places import CHOICE, data_variable, data_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlimage.runtime.pins import Host
    from mlimage.runtime.roles import Determinism, Roles

_FALLBACK_HOME = "/tmp"  # noqa: S108 - the one folder that everybody may write, also in a read-only container
_HASH_SEEDS = 2**32
"""Python takes hash seeds from 0 to 2**32 - 1."""


class Facts(NamedTuple):
    """What this container is.

    Attributes:
        threads: how many threads numeric libraries should use.
        host: what decides whether a determinism profile holds here.
        user: name of the user in `/etc/passwd`, None when its number has no entry.
        home: folder of that entry.
        writable: whether a folder is there and can be written.
        exists: whether a folder is there.
    """

    threads: int
    host: Host
    user: str | None
    home: str | None
    writable: Callable[[str], bool]
    exists: Callable[[str], bool]


def environment(environ: Mapping[str, str], roles: Roles, role: str | None, facts: Facts) -> dict[str, str]:
    """The whole environment of the command.

    Args:
        environ: what the container was started with.
        roles: what the image can do.
        role: the role that starts, None for another command.
        facts: what this container is.

    Raises:
        StartError: this machine, or a variable that somebody sets, does not go with what the image promises
            (78).
    """
    said = chosen_profile(roles.determinism, environ)
    wanted = pins(said, facts.host.cpu.architecture)
    given = {name: value for name, value in environ.items() if value != roles.env.get(name)}
    chosen = roles.roles[role].env if role else {}
    defaults = _defaults(environ, roles, said, role, facts)
    result = {**defaults, **environ, **chosen, **given}
    if "serve" in roles.roles:
        result.update(_port(given, chosen, environ, defaults))
    if not result["PYTHONHASHSEED"]:
        # To Python an empty one is none, and so a random one.
        result["PYTHONHASHSEED"] = str(said.seed % _HASH_SEEDS)
    reason = unfit(said, facts.host) or undone(result, wanted)
    if reason:
        reason += f"; {PROFILE}={FAST} starts it without that promise"
    elif role:
        reason = lacking(said, facts.host)
    if not reason and not result["MLIMAGE_SEED"].isdecimal():
        reason = f"MLIMAGE_SEED={result['MLIMAGE_SEED']} is no whole number"
    if reason:
        raise StartError(reason, status=CONFIG)
    result = pinned(result, wanted)
    result[PROFILE] = said.profile
    # An empty thread count would be read as "all processors of the host".
    result.update(
        {name: value for name, value in _threads(result, facts.threads).items() if not result.get(name)}
    )
    result["HOME"] = _home(result.get("HOME", ""), facts)
    if facts.user is None:
        result.setdefault("USER", "nonroot")  # `getpass.getuser()`, which torch calls, fails without a name
    if role:
        result["MLIMAGE_ROLE"] = role
    return result


def _defaults(
    environ: Mapping[str, str], roles: Roles, said: Determinism, role: str | None, facts: Facts
) -> dict[str, str]:
    # What the caller says where it is needs no place.
    places = {name: known for name, known in roles.places.items() if not environ.get(data_variable(name))}
    defaults = data_variables(roles.data, places, environ.get(CHOICE))
    defaults["MLIMAGE_MODELS"] = "/models"
    defaults.update(PYTHONUTF8="1", TZ="UTC")
    defaults["MLIMAGE_SEED"] = str(said.seed)
    defaults["PYTHONHASHSEED"] = str(said.seed % _HASH_SEEDS)
    defaults["MLIMAGE_PROFILE"] = said.profile
    defaults["MLIMAGE_TF32"] = str(int(said.tf32 and said.profile != STRICT))
    if defaults["MLIMAGE_TF32"] == "0":
        defaults["NVIDIA_TF32_OVERRIDE"] = "0"
    server = roles.roles.get("serve")
    if server:
        defaults["MLIMAGE_HOST"] = "0.0.0.0"  # noqa: S104 - a container's own network, published by its runtime
        if server.port is not None:
            defaults["MLIMAGE_PORT"] = str(server.port)
        if server.health is not None:
            defaults["MLIMAGE_HEALTH_ROUTE"] = server.health
        defaults["MLIMAGE_PREDICT_ROUTE"] = server.predict
    return {**defaults, **cloud_variables(environ, role=role, data=roles.data, exists=facts.exists)}


def _port(*levels: Mapping[str, str]) -> dict[str, str]:
    """Both names of the port, as the strongest who says one has them."""
    for level in levels:
        ours, customary = level.get("MLIMAGE_PORT"), level.get("PORT")
        if ours or customary:
            return {"MLIMAGE_PORT": ours or customary or "", "PORT": customary or ours or ""}
    return {}


def _threads(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    first = environ.get(THREADS[0], "").partition(",")[0].strip()
    return dict.fromkeys(THREADS, first if first.isdecimal() and int(first) else str(threads))


def _home(home: str, facts: Facts) -> str:
    for folder in (home, facts.home):
        if folder and folder != "/" and facts.writable(folder):
            return folder
    return _FALLBACK_HOME if facts.writable(_FALLBACK_HOME) else home or "/"
