"""The run configuration of an image, and the file that tells its runtime what the roles are."""

from typing import Any, Final

from mlimage.content.runtime import RUNTIME_FORMAT
from mlimage.digest import Digest, canonical_json
from mlimage.lock.model import ImageBase, Lock
from mlimage.plan.cuda import CudaFacts, cuda_facts
from mlimage.plan.features import numpy_features, xla_flags
from mlimage.plan.model import ImageConfig
from mlimage.runtime.places import USUAL
from mlimage.runtime.roles import PREDICT
from mlimage.spec.model import ImageSpec, RegistryBase, Role, Serve
from mlimage.spec.places import AT, app_places, clean_place
from mlimage.spec.tags import RoleName
from mlimage.spec.variants import accelerator_of

_PROGRAMS: Final = "/opt/venv/bin"
PATH: Final = f"{_PROGRAMS}:/usr/local/bin:/usr/bin:/bin"
_PATH_OF_DOCKER: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for in an image that does not say."""
_NOT_INHERITED: Final = frozenset({"PORT", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV"})
"""They would lead the image's python away from its own environment, and its server from its own port."""
ENTRYPOINT: Final = ("/opt/venv/bin/python", "-I", "/opt/mlimage/entrypoint.py")
APP: Final = "app"
"""Where the application's files are in the image, and the working directory."""
ROLES: Final = "opt/mlimage/roles.json"
"""Where the runtime in the image reads what the roles are."""


def image_config(spec: ImageSpec, lock: Lock, role: RoleName | None = None) -> ImageConfig:
    """The configuration of the image that `lock`, and `role` where each has its own, are for."""
    cuda = cuda_facts(lock.packages)
    variables = _inherited(lock) | {
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"/{APP}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    variables |= cuda.env if cuda else {}
    variables |= spec.env
    variables |= spec.variants[lock.variant].env
    user = str(spec.user)
    serves = spec.serve if role in {None, "serve"} else None
    return ImageConfig(
        env=tuple(sorted(variables.items())),
        entrypoint=ENTRYPOINT,
        command=("serve",) if serves else ((role,) if role else ()),
        user=user if ":" in user else f"{user}:{user}",
        working_directory=f"/{APP}",
        labels=_labels(spec, lock, role, cuda),
        ports=(serves.port,) if serves else (),
    )


def _inherited(lock: Lock) -> dict[str, str]:
    """What is set before the image says anything itself."""
    if not isinstance(lock.base, ImageBase):
        return {"PATH": PATH}
    variables = {name: value for name, value in lock.base.env if name not in _NOT_INHERITED}
    return variables | {"PATH": f"{_PROGRAMS}:{variables.get('PATH') or _PATH_OF_DOCKER}"}


def _labels(
    spec: ImageSpec, lock: Lock, role: RoleName | None, cuda: CudaFacts | None
) -> tuple[tuple[str, str], ...]:
    labels = {
        "org.opencontainers.image.title": spec.name,
        "org.opencontainers.image.created": lock.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dev.mlimage.spec": spec_digest(spec, lock.variant),
        "dev.mlimage.lock": lock.digest,
        "dev.mlimage.variant": lock.variant,
        "dev.mlimage.python": lock.base.python,
        "dev.mlimage.profile": spec.determinism.profile,
        "dev.mlimage.runtime": str(RUNTIME_FORMAT),
        **_labels_of_base(spec, lock),
        **(cuda.labels if cuda else {}),
    }
    if role:
        labels["dev.mlimage.role"] = role
    if spec.description:
        labels["org.opencontainers.image.description"] = spec.description
    return tuple(sorted((labels | spec.labels).items()))


def _labels_of_base(spec: ImageSpec, lock: Lock) -> dict[str, str]:
    if not isinstance(lock.base, ImageBase):
        return {"dev.mlimage.base": f"debian:{lock.base.suite}"}
    named = (
        {"org.opencontainers.image.base.name": spec.base.image} if isinstance(spec.base, RegistryBase) else {}
    )
    return {
        "dev.mlimage.base": f"image:{lock.base.repository}",
        "org.opencontainers.image.base.digest": lock.base.manifest,
        **named,
    }


def said_of(spec: ImageSpec) -> dict[str, Any]:
    """What a spec says of all its variants, without what is so by default.

    Platforms, what may be pushed, and what an audit and a check ignore do not count.
    """
    return spec.model_dump(
        mode="json", exclude_defaults=True, exclude={"variants", "platforms", "push", "audit", "check"}
    )


def spec_digest(spec: ImageSpec, variant: str) -> Digest:
    """Digest of what the spec says for a variant; others, spelling and comments do not count."""
    said = said_of(spec)
    own = spec.variants[variant].model_dump(mode="json", exclude_defaults=True)
    return Digest.of(canonical_json({**said, "variant": own} if own else said))


def roles_file(spec: ImageSpec, lock: Lock, config: ImageConfig, role: RoleName | None = None) -> bytes:
    """`/opt/mlimage/roles.json`, which the runtime in the image reads: all roles, or the image's one.

    `env` holds what the image itself sets of the variables that a role sets too, so that the runtime can tell
    it, which the role replaces, from what the caller sets, which it does not.
    """
    trains = spec.train if role in {None, "train"} else None
    serves = spec.serve if role in {None, "serve"} else None
    of_roles = {name for each in (trains, serves) if each for name in each.env}
    train = _role(trains) if trains else None
    serve = _server(serves) if serves else None
    places = _places(spec)
    links = app_places(spec.models, spec.data)
    return canonical_json(
        {
            "train": train,
            "serve": serve,
            "data": list(spec.data),
            **({"places": places} if places else {}),
            **({"links": dict(links)} if links else {}),
            "env": {name: value for name, value in config.env if name in of_roles},
            "determinism": _determinism(spec, lock),
        }
    )


def _server(serves: Serve) -> dict[str, object]:
    """The path of predictions goes unsaid where it is as it is by default."""
    said = {"port": serves.port, "health": serves.health}
    if serves.predict != PREDICT:
        said["predict"] = serves.predict
    return _role(serves) | said


def _places(spec: ImageSpec) -> dict[str, dict[str, str]]:
    """Of data that has a place in the application, the one on a laptop is there, unless the spec names it."""
    found = {}
    for name, known in spec.data.items() if isinstance(spec.data, dict) else ():
        words = {word: place for word, place in known.items() if word != AT}
        if AT in known:
            words.setdefault(USUAL, f"{spec.app.source.rstrip('/')}/{clean_place(known[AT])}")
        if words:
            found[name] = words
    return found


def _determinism(spec: ImageSpec, lock: Lock) -> dict[str, object]:
    """What is as it is by default goes unsaid."""
    said = spec.determinism
    found: dict[str, object] = {"profile": said.profile, "seed": said.seed}
    if said.tf32:
        found["tf32"] = True
    if spec.require and accelerator_of(spec, lock.variant) == spec.require:
        found["requires"] = spec.require
    if said.threads != 1:
        found["threads"] = said.threads
    if not said.cross_vendor:
        found["cross_vendor"] = False
    for name, words in (
        ("numpy", numpy_features(lock.packages, lock.base.platform)),
        ("xla", xla_flags(lock.packages, lock.base.platform)),
    ):
        if words:
            found[name] = list(words)
    return found


def _role(role: Role) -> dict[str, object]:
    return {"command": list(role.command), "env": dict(role.env)}
