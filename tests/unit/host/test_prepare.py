import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.digest import canonical_json
from mlimage.errors import RunError, UsageError
from mlimage.host.contract import Contract, User, contract_of, parse_user, read_contract
from mlimage.host.folders import allows, data_folder, default_user, models_folder
from mlimage.host.prepare import Wishes, prepare
from mlimage.host.request import Health, Limits, Mount, Port, RunRequest
from mlimage.oci.configuration import read_configuration
from mlimage.oci.store import Store
from support.running import CONTRACT, ROLES, image, small_image

OWN = User(os.geteuid(), os.getegid())


def prepared(*arguments: str, contract: Contract = CONTRACT, own: User = OWN, **wishes: object) -> RunRequest:
    asked = replace(Wishes(arguments=arguments), **wishes)  # type: ignore[arg-type] # each test gives what it means
    return prepare(image(), contract, asked, own=own, environ={})


def test_a_training_run(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    models = tmp_path / "models"
    found = prepared(
        "train",
        "--x",
        data=(f"events={tmp_path}/events",),
        models=models,
        env=("A=1",),
        user="0:0",
        memory="1g",
    )
    assert found == RunRequest(
        image=image(),
        contract=CONTRACT,
        arguments=("train", "--x"),
        env=(("A", "1"),),
        mounts=(
            Mount(source=tmp_path / "events", target="/data/events", writable=False),
            Mount(source=models, target="/models", writable=True),
        ),
        limits=Limits(memory=1 << 30),
        user=User(0, 0),
    )
    assert models.is_dir()


def test_a_server(tmp_path: Path) -> None:
    found = prepared("serve", data=(f"events={tmp_path}",), project=tmp_path, patience=3.0)
    assert found.port == Port(address="127.0.0.1", number=8080, inside=8080)
    assert found.health == Health(path="/ping", patience=3.0)
    assert found.serves


def test_models_are_those_of_the_project(tmp_path: Path) -> None:
    for name in ("images", "lockfiles", "models/demo"):
        (tmp_path / name).mkdir(parents=True)
    found = prepared("ls", project=tmp_path / "images")
    assert found.mounts == (Mount(source=tmp_path / "models/demo", target="/models", writable=True),)
    assert (found.port, found.health, found.serves) == (None, None, False)


def test_a_command_may_have_the_port_of_the_server(tmp_path: Path) -> None:
    found = prepared("ls", project=tmp_path, port="0.0.0.0:9")
    assert found.port == Port(address="0.0.0.0", number=9, inside=8080)  # noqa: S104
    assert not found.serves


def test_a_shell_reads_what_is_piped_into_mlimage(tmp_path: Path) -> None:
    assert prepared("shell", project=tmp_path).interactive
    assert not prepared("ls", project=tmp_path).interactive


def test_data_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        prepared("train", project=tmp_path)
    assert str(caught.value) == "`train` reads data that is not given: `events`"
    assert prepared("ls", project=tmp_path).mounts == ()
    assert prepared("serve", project=tmp_path).mounts == ()


def test_a_port_of_an_image_that_serves_nothing(tmp_path: Path) -> None:
    quiet = replace(CONTRACT, roles=ROLES._replace(roles={}))
    with pytest.raises(UsageError) as caught:
        prepared("ls", contract=quiet, port="80", project=tmp_path)
    assert str(caught.value) == "--port: the image serves nothing"


def test_models_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        prepared("ls", models=tmp_path / "gone")
    assert str(caught.value) == f"--models: there is no folder `{tmp_path}/gone`"


def test_a_dry_run_makes_nothing(tmp_path: Path) -> None:
    wishes = Wishes(arguments=("train",), models=tmp_path / "m", env=("MLIMAGE_DATA_EVENTS=x",))
    prepare(image(), CONTRACT, wishes, own=OWN, environ={}, acts=False)
    assert list(tmp_path.iterdir()) == []


def test_who_it_runs_as(tmp_path: Path) -> None:
    person = prepared("ls", own=User(1000, 100), project=tmp_path)
    assert (person.user, person.as_person) == (User(1000, 100), True)
    root = prepared("ls", own=User(0, 0), project=tmp_path)
    assert (root.user, root.as_person) == (User(65532, 65532), False)
    assert default_user(User(5, 6), User(1, 1)) == User(5, 6)


@pytest.mark.parametrize(
    ("mode", "user", "expected"),
    [
        (0o700, User(5, 6), True),
        (0o077, User(5, 6), False),
        (0o070, User(9, 6), True),
        (0o707, User(9, 6), False),
        (0o007, User(9, 9), True),
        (0o750, User(9, 9), False),
        (0o000, User(0, 0), True),
    ],
)
def test_permissions(mode: int, user: User, expected: bool) -> None:  # noqa: FBT001 - a table
    found = os.stat_result((mode, 0, 0, 0, 5, 6, 0, 0, 0, 0))
    assert allows(found, user, 0o7) is expected


def test_a_models_folder_that_the_run_cannot_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = tmp_path.stat()
    with pytest.raises(RunError) as caught:
        models_folder(tmp_path, User(4242, 4242), writes=True)
    assert str(caught.value) == (
        f"the models folder `{tmp_path}` cannot be written by user 4242:4242, as which the image runs"
    )
    assert caught.value.hint == (
        f"chown 4242:4242 {tmp_path}  (or run as its owner: --user {found.st_uid}:{found.st_gid})"
    )


def test_a_models_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError) as caught:
        models_folder(tmp_path / "file/models", OWN, writes=True)
    assert str(caught.value) == f"cannot make the models folder `{tmp_path}/file/models`: not a directory"


def test_data_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert data_folder("events", tmp_path) == tmp_path
    with pytest.raises(UsageError) as caught:
        data_folder("events", tmp_path / "gone")
    assert str(caught.value) == f"data `events`: cannot use `{tmp_path}/gone`: no such file or directory"
    with pytest.raises(UsageError) as caught:
        data_folder("events", tmp_path / "file")
    assert str(caught.value) == f"data `events`: `{tmp_path}/file` is no folder"
    assert caught.value.hint == f"give the folder that the file is in: --data events={tmp_path}"


def test_users() -> None:
    assert parse_user("1000") == User(1000, 1000)
    assert str(parse_user("1000:100")) == "1000:100"
    for text in ("root", "", "1:", "-1", "4294967295", "1:2:3"):
        with pytest.raises(UsageError, match="is no user"):
            parse_user(text)


def test_the_contract_of_a_configuration() -> None:
    run = {"Env": ["A=1=2", "B="], "User": "5", "Entrypoint": ["/e"], "WorkingDir": "/w"}
    said = read_configuration(canonical_json({"config": run, "rootfs": {"diff_ids": []}}))
    found = contract_of(said, ROLES)
    assert found == Contract(
        env=(("A", "1=2"), ("B", "")),
        entrypoint=("/e",),
        command=(),
        user=User(5, 5),
        working_directory="/w",
        roles=ROLES,
    )


def test_the_contract_of_an_image(tmp_path: Path) -> None:
    store = Store(tmp_path)
    found = read_contract(small_image(store), store)
    assert found.entrypoint == ("/bin/entry",)
    assert found.user == User(65532, 65532)
    assert tuple(found.roles.roles) == ("train", "serve")
