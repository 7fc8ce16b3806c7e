"""What ran and how it ended, for machines."""

from datetime import datetime
from typing import Any

from mlimage.host.choose import Choice
from mlimage.host.request import RunRequest
from mlimage.runtime.roles import ROLES


def outcome(
    request: RunRequest, choice: Choice, *, status: int, started: datetime, ended: datetime
) -> dict[str, Any]:
    """A run that has ended, as a JSON value.

    Args:
        request: what ran.
        choice: where.
        status: its exit status.
        started: in UTC, before the image was brought there.
        ended: likewise.
    """
    image, daemon = request.image, choice.daemon
    return {
        "image": image.name,
        "digest": image.digest,
        "image_id": image.image_id,
        "platform": str(image.platform),
        "runtime": "docker" if daemon else "sandbox",
        "daemon": daemon.facts.address if daemon else None,
        "role": request.arguments[0] if request.arguments[0] in ROLES else None,
        "command": list(request.arguments),
        "user": str(request.user),
        "data": {mount.target: str(mount.source) for mount in request.mounts if not mount.writable},
        # Of all that is mounted, a run may write its models alone.
        "models": next((str(mount.source) for mount in request.mounts if mount.writable), None),
        "exit_status": status,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round((ended - started).total_seconds(), 3),
    }
