"""Which images of the store are what a project asks for as it stands, and so may be pushed."""

from collections.abc import Sequence

from mlimage.cache import Cache
from mlimage.engines.standing import find_built, standing, why_not_built
from mlimage.errors import BuildError
from mlimage.lock.model import Lock
from mlimage.oci.store import Store
from mlimage.release.index import Member, member_of
from mlimage.spec.load import LoadedSpec
from mlimage.spec.project import Project
from mlimage.spec.tags import ImageTag


def members_of(
    loaded: LoadedSpec,
    locks: Sequence[tuple[ImageTag, Lock]],
    store: Store,
    *,
    project: Project,
    cache: Cache,
) -> tuple[Member, ...]:
    """The built images of a spec.

    Args:
        loaded: the spec.
        locks: tags of the images, each with its lock.
        store: where they were built.
        project: where spec, locks and application are.
        cache: where the digests of large applications are kept.

    Raises:
        LockError: a lock is stale.
        BuildError: one was not built, or of other files.
    """
    found = []
    for tag, lock in locks:
        wanted = standing(loaded, tag, lock, project=project, cache=cache)
        image = find_built(wanted, store)
        if image is None:
            reason = why_not_built(wanted, store)
            raise BuildError(reason.message, hint=reason.hint)
        found.append(member_of(wanted.plan, image))
    return tuple(found)
