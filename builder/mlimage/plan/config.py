"""The run configuration of an image, and the file that tells its runtime what the roles are."""

from typing import Final

from mlimage.digest import Digest, canonical_json
from mlimage.lock.model import Lock
from mlimage.plan.model import ImageConfig
from mlimage.spec.model import ImageSpec, Role

PATH: Final = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
ENTRYPOINT: Final = ("/opt/venv/bin/python", "-I", "/opt/mlimage/entrypoint.py")
APP: Final = "app"
"""Where the application's files are in the image, and the working directory."""
ROLES: Final = "opt/mlimage/roles.json"
"""Where the runtime in the image reads what the roles are."""


def image_config(spec: ImageSpec, lock: Lock) -> ImageConfig:
    """The configuration of the variant that `lock` is for."""
    variables = {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"/{APP}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    variables |= spec.env
    variables |= spec.variants[lock.variant].env
    user = str(spec.user)
    return ImageConfig(
        env=tuple(sorted(variables.items())),
        entrypoint=ENTRYPOINT,
        command=("serve",) if spec.serve else (),
        user=user if ":" in user else f"{user}:{user}",
        working_directory=f"/{APP}",
        labels=_labels(spec, lock),
        ports=(spec.serve.port,) if spec.serve else (),
    )


def _labels(spec: ImageSpec, lock: Lock) -> tuple[tuple[str, str], ...]:
    labels = {
        "org.opencontainers.image.title": spec.name,
        "org.opencontainers.image.created": lock.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dev.mlimage.spec": spec_digest(spec),
        "dev.mlimage.lock": lock.digest,
        "dev.mlimage.variant": lock.variant,
        "dev.mlimage.python": lock.base.python,
        "dev.mlimage.base": f"debian:{lock.base.suite}",
        "dev.mlimage.profile": spec.determinism.profile,
    }
    if spec.description:
        labels["org.opencontainers.image.description"] = spec.description
    return tuple(sorted((labels | spec.labels).items()))


def spec_digest(spec: ImageSpec) -> Digest:
    """Digest of what the spec says; its spelling, comments and what it leaves to defaults do not count."""
    return Digest.of(canonical_json(spec.model_dump(mode="json", exclude_defaults=True)))


def roles_file(spec: ImageSpec, config: ImageConfig) -> bytes:
    """`/opt/mlimage/roles.json`, which the runtime in the image reads.

    `env` holds what the image itself sets of the variables that a role sets too, so that the runtime can tell
    it, which the role replaces, from what the caller sets, which it does not.
    """
    of_roles = {name for role in (spec.train, spec.serve) if role for name in role.env}
    train = _role(spec.train) if spec.train else None
    serve = _role(spec.serve) | {"port": spec.serve.port, "health": spec.serve.health} if spec.serve else None
    return canonical_json(
        {
            "train": train,
            "serve": serve,
            "data": list(spec.data),
            "env": {name: value for name, value in config.env if name in of_roles},
            "determinism": {"profile": spec.determinism.profile, "seed": spec.determinism.seed},
        }
    )


def _role(role: Role) -> dict[str, object]:
    return {"command": list(role.command), "env": dict(role.env)}
