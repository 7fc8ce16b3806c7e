"""From what a person wishes, and what the image says, to the request: checked, with every default decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlimage.errors import UsageError
from mlimage.host.arguments import check_role, parse_env, parse_port, parse_size
from mlimage.host.contract import Contract, User, parse_user
from mlimage.host.data import find_data
from mlimage.host.folders import default_user, models_folder
from mlimage.host.gpus import wanted
from mlimage.host.leftout import left_out
from mlimage.host.request import LOOPBACK, MODELS, Health, Limits, Mount, Port, RunRequest
from mlimage.host.terminal import is_terminal
from mlimage.oci.model import SealedImage
from mlimage.runtime.paths import LEFT_OUT
from mlimage.runtime.places import mounted
from mlimage.runtime.roles import ROLES
from mlimage.spec.project import find_project


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The command line of `mlimage run`, as it was typed; its help says what each means."""

    arguments: tuple[str, ...]
    data: tuple[str, ...] = ()
    models: Path | None = None
    project: Path = Path()
    env: tuple[str, ...] = ()
    port: str | None = None
    memory: str | None = None
    cpus: float | None = None
    gpus: str | None = None
    shm: str = "1g"
    user: str | None = None
    writable: bool = False
    interactive: bool = False
    patience: float = 120.0


def prepare(
    image: SealedImage,
    contract: Contract,
    wishes: Wishes,
    *,
    own: User,
    environ: Mapping[str, str],
    acts: bool = True,
) -> RunRequest:
    """Decide what will run.

    Args:
        image: what runs.
        contract: what the image says of itself.
        wishes: what the user typed.
        own: the user of this process.
        environ: where `--env NAME` finds its values.
        acts: whether the models folder may be made; a dry run makes nothing.

    Raises:
        UsageError: a wish cannot be fulfilled.
        RunError: the models folder cannot be used.
    """
    roles = contract.roles
    check_role(wishes.arguments, roles.roles, image.name)
    role = wishes.arguments[0] if wishes.arguments[0] in ROLES else None
    env = dict(parse_env(wishes.env, environ))
    root, name = _project_root(wishes.project), image.name.partition(":")[0]
    folder = root / "images" / name
    absent = left_out(root, name)
    data = find_data(wishes.data, roles, env, role=role, folder=folder)
    user = parse_user(wishes.user) if wishes.user is not None else default_user(own, contract.user)
    mounts = [
        Mount(source=source, target=mounted(name), writable=False) for name, source in data.folders.items()
    ]
    mounts += _models(image, wishes, user, role=role, acts=acts)
    tty = role is None and is_terminal()
    return RunRequest(
        image=image,
        contract=contract,
        arguments=wishes.arguments,
        env=tuple(sorted({**({LEFT_OUT: absent} if absent else {}), **data.env, **env}.items())),
        mounts=tuple(mounts),
        port=_port(contract, wishes, role),
        health=_health(contract, wishes, role),
        limits=Limits(
            memory=None if wishes.memory is None else parse_size(wishes.memory, "--memory"),
            cpus=wishes.cpus,
            shm=parse_size(wishes.shm, "--shm-size"),
        ),
        gpus=wanted(wishes.gpus, {**dict(contract.env), **env}),
        user=user,
        as_person=wishes.user is None and user == own,
        read_only=not wishes.writable,
        interactive=wishes.interactive or tty or wishes.arguments[0] == "shell",
        tty=tty,
    )


def _models(image: SealedImage, wishes: Wishes, user: User, *, role: str | None, acts: bool) -> list[Mount]:
    folder = wishes.models
    if folder is None:
        folder = _project_root(wishes.project) / "models" / image.name.partition(":")[0]
        if role != "train" and not folder.is_dir():
            return []
    elif role != "train" and not folder.expanduser().is_dir():
        raise UsageError(f"--models: there is no folder `{folder}`", hint="train first, or name another")
    source = models_folder(folder, user, writes=role == "train") if acts else folder.expanduser().absolute()
    return [Mount(source=source, target=MODELS, writable=True)]


def _project_root(start: Path) -> Path:
    try:
        return find_project(start).root
    except UsageError:
        return Path.cwd()  # an image runs anywhere; only its default folder of models is the project's


def _port(contract: Contract, wishes: Wishes, role: str | None) -> Port | None:
    server = contract.roles.roles.get("serve")
    if server is None or server.port is None:
        if wishes.port is not None:
            raise UsageError(
                "--port: the image serves nothing", hint="give it a `serve` role in mlimage.yaml"
            )
        return None
    if role != "serve" and wishes.port is None:
        return None
    address, number = (LOOPBACK, server.port) if wishes.port is None else parse_port(wishes.port)
    return Port(address=address, number=number, inside=server.port)


def _health(contract: Contract, wishes: Wishes, role: str | None) -> Health | None:
    server = contract.roles.roles.get("serve")
    if role != "serve" or server is None or server.health is None:
        return None
    return Health(path=server.health, patience=wishes.patience)
