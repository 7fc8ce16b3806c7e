"""A pull of the small image that `support.pushing` pushes."""

from mlimage.fetch import Http
from mlimage.mirrors import Mirrors
from mlimage.oci.login import Logins
from mlimage.oci.registry import Repository
from mlimage.oci.store import Store
from mlimage.platforms import LINUX_AMD64
from mlimage.process import Command, Completed
from mlimage.progress import SILENT
from mlimage.release.offers import Wish
from mlimage.release.pull import Pulled, pull
from mlimage.release.signature import PublicKey
from mlimage.spec.registry import parse_reference
from support.faultyregistry import FaultyRegistry


def pulled(
    registry: FaultyRegistry,
    http: Http,
    store: Store,
    *,
    tag: str = "latest",
    variant: str = "auto",
    key: PublicKey | None = None,
) -> Pulled:
    """Pull `team/demo` into the store."""
    return pull(
        tag,
        Wish(platform=LINUX_AMD64, variant=variant),
        repository=repository(registry.host, http),
        name="demo",
        store=store,
        progress=SILENT,
        key=key,
    )


def repository(host: str, http: Http, name: str = "team/demo") -> Repository:
    """A repository that is read."""
    return Repository(
        parse_reference(f"{host}/{name}"),
        http=http,
        mirrors=Mirrors(configured={}),
        logins=Logins({}, run=_none),
        progress=SILENT,
    )


def _none(_: Command) -> Completed:
    raise AssertionError
