"""What pip on this machine is configured to: its index, and how it reaches the network.

`extra-index-url` and `find-links` are never read: a package that both an inner and a public index could give
is how dependency confusion happens. Further indexes are named in the spec and bound to packages.
"""

from collections.abc import Mapping

from mlimage.errors import UsageError
from mlimage.redact import redact


def index_url(environ: Mapping[str, str]) -> str:
    """The URL of pip's package index: `PIP_INDEX_URL`, pip's configuration files, or pip's built-in default.

    Raises:
        UsageError: pip is told to use no index.
    """
    chosen = environ.get("PIP_INDEX_URL")
    if chosen:
        return chosen
    settings = _settings()
    if _true(environ.get("PIP_NO_INDEX") or settings.get("no-index", "")):
        raise UsageError(
            "pip on this machine is told to use no index (`no-index`)",
            hint="set MLIMAGE_MIRROR_DEFAULT to an index or to a folder of wheels",
        )
    configured = settings.get("index-url")
    if configured:
        return configured
    return built_in_index()


def built_in_index() -> str:
    """The URL of the index that pip takes when nothing configures one."""
    # pip has no public name for its default; the import is pinned by the range in pyproject.toml and tested.
    from pip._internal.models.index import PyPI

    return PyPI.simple_url


def authorities(environ: Mapping[str, str]) -> str | None:
    """The certificate authorities (a file or folder) that pip or requests are told to trust, if any."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return (
        environ.get("PIP_CERT")
        or _settings().get("cert")
        or next((environ[name] for name in names if environ.get(name)), None)
    )


def proxy(environ: Mapping[str, str]) -> str | None:
    """The proxy that pip itself is told to use for everything, if any."""
    found = environ.get("PIP_PROXY") or _settings().get("proxy")
    if not found:
        return None
    return found if "://" in found else f"http://{found}"


def timeout(environ: Mapping[str, str]) -> float | None:
    """Seconds for which pip waits for a server, if it is told so.

    Raises:
        UsageError: it is no positive number.
    """
    settings = _settings()
    found = (
        environ.get("PIP_TIMEOUT")
        or environ.get("PIP_DEFAULT_TIMEOUT")
        or settings.get("timeout")
        or settings.get("default-timeout")
    )
    if not found:
        return None
    try:
        seconds = float(found)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(
            f"pip's `timeout` is `{found}`, which is no number of seconds",
            hint="correct PIP_TIMEOUT, PIP_DEFAULT_TIMEOUT or `pip config get global.timeout`",
        )
    return seconds


def keyring_is_disabled(environ: Mapping[str, str]) -> bool:
    """Whether pip is told to ask no keyring."""
    return (environ.get("PIP_KEYRING_PROVIDER") or _settings().get("keyring-provider")) == "disabled"


def _settings() -> dict[str, str]:
    """Options of pip's configuration files, as `pip install` would see them."""
    # `pip config list` is the public way, at half a second and with tokens on a pipe; same pin as above.
    from pip._internal.configuration import Configuration
    from pip._internal.exceptions import ConfigurationError

    configuration = Configuration(isolated=False)
    try:
        configuration.load()
    except ConfigurationError as error:
        # The message quotes the line, and in it there may be a password.
        raise UsageError(
            f"pip's configuration cannot be read: {redact(str(error))}", hint="see `pip config debug`"
        ) from error
    by_file = [dict(values) for _, values in configuration.items()]
    return {
        key.partition(".")[2]: str(value)
        for section in ("global", "install")
        for values in by_file
        for key, value in values.items()
        if key.startswith(f"{section}.")
    }


def _true(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on", "y", "t"}
