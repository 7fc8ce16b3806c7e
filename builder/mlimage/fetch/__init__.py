"""Files and pages over HTTP: verified, resumed, retried, and with messages that say what was tried."""

from mlimage.fetch.answer import HttpResponse, Part
from mlimage.fetch.authenticator import Authenticator
from mlimage.fetch.body import Body
from mlimage.fetch.failures import EndlessError, MissingError, NoRangesError, RefusedError, UnreachableError
from mlimage.fetch.http import Http
from mlimage.fetch.keep import fetch_input, is_sound, local_path
from mlimage.fetch.keyring import Keyring
from mlimage.fetch.partial import NotWrittenError, ReplacedError
from mlimage.fetch.retry import Retry

__all__ = [
    "Authenticator",
    "Body",
    "EndlessError",
    "Http",
    "HttpResponse",
    "Keyring",
    "MissingError",
    "NoRangesError",
    "NotWrittenError",
    "Part",
    "RefusedError",
    "ReplacedError",
    "Retry",
    "UnreachableError",
    "fetch_input",
    "is_sound",
    "local_path",
]
