"""Who the user is at a registry: as `DOCKER_AUTH_CONFIG` says, or `docker login` keeps it.

That is in `config.json`, or with a credential helper that it names.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlimage.document import DocumentError, read_document
from mlimage.errors import UsageError, reason_of
from mlimage.process import Command, Runner
from mlimage.spec.registry import DOCKER_HUB

_HUB_KEY: Final = "https://index.docker.io/v1/"
"""By which name Docker keeps the login of Docker Hub."""
_VARIABLE: Final = "DOCKER_AUTH_CONFIG"
"""What Docker, Podman and GitLab take in place of `config.json`, and before it."""
_HELPER: Final = re.compile(r"[A-Za-z0-9._-]+\Z")
_TOKEN_USER: Final = "<token>"  # noqa: S105 - no password, but what says that there is none
"""What a helper gives as the user when the secret is an identity token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and a password, which is never shown.

    Attributes:
        user: empty where a token says it all.
        password: a password, or an access token, or an identity token.
        identity: whether it is an identity token, which only gives other tokens (OAuth 2, refresh token).
    """

    user: str
    password: str = field(repr=False)
    identity: bool = False


class Logins:
    """The logins of this user.

    Args:
        environ: has Docker's configuration, or says where it is.
        run: starts credential helpers.
    """

    def __init__(self, environ: Mapping[str, str], *, run: Runner) -> None:
        self._environ = environ
        self._run = run

    def of(self, registry: str) -> Login | None:
        """The login at a registry, `host[:port]`; None where there is none.

        Raises:
            UsageError: the configuration cannot be read, or a helper that it names fails.
        """
        for where, config in self._configs():
            found = self._kept(registry, config, where)
            if found is not None:
                return found
        return None

    def _configs(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What is configured, and where that stands."""
        text = self._environ.get(_VARIABLE)
        if text:
            hint = 'it is what `config.json` has: `{"auths": {"ghcr.io": {"auth": "…"}}}`'
            yield _VARIABLE, _read(text.encode(errors="replace"), where=_VARIABLE, hint=hint)
        home = self._environ.get("DOCKER_CONFIG") or f"{self._environ.get('HOME', '~')}/.docker"
        path = Path(home).expanduser() / "config.json"
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise UsageError(f"cannot be read: {reason_of(error)}", where=str(path)) from error
        yield str(path), _read(content, where=str(path), hint="`docker login` writes it")

    def _kept(self, registry: str, config: Mapping[str, Any], where: str) -> Login | None:
        helpers = _table(config, "credHelpers")
        for key in _keys(registry):
            helper = helpers.get(key)
            if isinstance(helper, str):
                return self._helped(helper, key, where)
        stored = config.get("credsStore")
        if isinstance(stored, str) and stored:
            found = self._helped(stored, _keys(registry)[0], where)
            if found:
                return found
        for key, entry in _table(config, "auths").items():
            if _normal(key) == _normal(_keys(registry)[0]) and isinstance(entry, dict):
                found = _written(entry, key, where)
                if found:
                    return found
        return None

    def _helped(self, helper: str, key: str, where: str) -> Login | None:
        if not _HELPER.match(helper):
            raise UsageError(f"`{helper}` is not the name of a credential helper", where=where)
        program = f"docker-credential-{helper}"
        try:
            done = self._run(Command(argv=(program, "get"), inherit=True, stdin=key.encode()))
        except FileNotFoundError:
            raise UsageError(
                f"the credential helper `{program}` is not on this machine",
                where=where,
                hint="install it, or remove it there and `docker login` anew",
            ) from None
        if done.status != 0:
            said = (done.text.strip() or done.errors.strip()).splitlines()
            if any("not found" in line.lower() for line in said):
                return None  # credentials.NewErrCredentialsNotFound of docker-credential-helpers
            raise UsageError(f"`{program} get` ended with status {done.status}", where=where)
        try:
            answer = read_document(done.stdout)
            return _login(answer.get("Username").text(), answer.get("Secret").text())
        except DocumentError as error:
            raise UsageError(
                f"`{program} get` does not answer as credential helpers do: {error}", where=where
            ) from None


def _read(content: bytes, *, where: str, hint: str) -> Mapping[str, Any]:
    try:
        found = read_document(content).value
    except DocumentError as error:
        raise UsageError(f"cannot be read: {error}", where=where, hint=hint) from error
    return found if isinstance(found, dict) else {}


def _keys(registry: str) -> tuple[str, ...]:
    return (_HUB_KEY, DOCKER_HUB) if registry == DOCKER_HUB else (registry, f"https://{registry}")


def _normal(key: str) -> str:
    """A key of `auths` without scheme and path, of which Docker has written several."""
    host = re.sub(r"\Ahttps?://", "", key).partition("/")[0].lower()
    return DOCKER_HUB if host == f"index.{DOCKER_HUB}" else host


def _table(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _written(entry: Mapping[str, Any], key: str, where: str) -> Login | None:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return _login(_TOKEN_USER, token)
    text = entry.get("auth")
    if isinstance(text, str) and text:
        try:
            user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise UsageError(
                f"`auths.{key}.auth` is not `USER:PASSWORD` in base64",
                where=where,
                hint="it may have `username` and `password` in its place"
                if where == _VARIABLE
                else f"`docker login {_normal(key)}` writes it anew",
            )
        return Login(user=user, password=password.rstrip("\0"))
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Login(user=entry["username"], password=entry["password"])
    return None


def _login(user: str, secret: str) -> Login:
    identity = user == _TOKEN_USER
    return Login(user="" if identity else user, password=secret, identity=identity)


def config_with(registry: str, login: Login) -> bytes:
    """A `config.json` of Docker's that has this login at a registry, and nothing else."""
    text = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    entry = {"identitytoken": login.password} if login.identity else {"auth": text}
    return json.dumps({"auths": {_keys(registry)[0]: entry}}).encode()
