"""What is said after the traceback of a program that failed for a path."""

# ruff: noqa: E501 - the lines are whole, as a person reads them

import errno
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from mlimage.runtime.paths import LEFT_OUT, Failed, Here, explain, failed
from mlimage.runtime.roles import Determinism, Roles
from mlimage.spec.load import parse_spec
from mlimage.spec.model import ImageSpec
from mlimage.spec.places import app_places

ROLES = Roles(
    roles={},
    data=("events", "users"),
    determinism=Determinism(profile="fast", seed=0),
    env={},
    links={"in/events.csv": "/data/events"},
)
WRITTEN = {"models": "/models", "scores.json": "/models/scores.json"}
IMAGE = {
    "/app/train.py", "/app/src/net.py", "/app/src/pkg/x.py", "/app/out/.gitkeep", "/models/a.bin", "/data/users/a",
}  # fmt: skip
PROJECT = json.dumps({
    "ignored": ["raw", "src/big.bin"],
    "beside": {"data": "../../data", "conf": "conf"},
})  # fmt: skip


def here(
    links: Mapping[str, str] | None = None,
    folder: str = "/app",
    files: frozenset[str] = frozenset(IMAGE),
    environ: Mapping[str, str] | None = None,
) -> Here:
    def names(path: str) -> list[str]:
        return [each[len(path) + 1 :].split("/")[0] for each in files if each.startswith(f"{path}/")]

    return Here(
        roles=ROLES._replace(links={**ROLES.links, **(links or {})}),
        environ={
            "MLIMAGE_DATA_USERS": "/data/users",
            "MLIMAGE_DATA_EVENTS": "/data/events",
            **(environ or {}),
        },
        folder=folder,
        exists=lambda path: path in files or bool(names(path)),
        names=names,
    )


MENDED = "in mlimage.yaml lets"
READ_ONLY = "the image is read-only: a program may write to /tmp, and what shall stay belongs to the folder of models, `mlimage_runtime.models()`"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("models", f"`models: {{at: models}}` {MENDED} `models` be written"),
        ("models/run/m.pt", f"`models: {{at: models}}` {MENDED} `models/run/m.pt` be written"),
        ("./m.pkl", f"`models: {{files: [m.pkl]}}` {MENDED} `m.pkl` be written"),
        ("/app/m 1.pkl", f'`models: {{files: ["m 1.pkl"]}}` {MENDED} `m 1.pkl` be written'),
        ("out/m.pkl", f"`models: {{at: out}}` {MENDED} `out/m.pkl` be written"),
        ("src/m.pkl", f"`models: {{files: [src/m.pkl]}}` {MENDED} `src/m.pkl` be written"),
        ("src/runs/m.pkl", f"`models: {{at: src/runs}}` {MENDED} `src/runs/m.pkl` be written"),
    ],
)
def test_a_path_of_the_application_cannot_be_written(path: str, line: str) -> None:
    for number in (errno.EROFS, errno.EACCES, errno.EPERM):
        assert explain(Failed(path, number), here()) == f"the image is read-only: {line}"
    assert yaml.safe_load(line.split("`")[1])["models"].keys() <= {"at", "files"}


def test_what_is_one_of_models_already_stays() -> None:
    assert (
        explain(Failed("logs", errno.EROFS), here(WRITTEN))
        == "the image is read-only: `models: {at: [models, logs], files: [scores.json]}` in mlimage.yaml lets `logs` be written"
    )


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("in/events.csv", "data is read-only: write to the folder of models, or to /tmp"),
        ("/data/users/b", "data is read-only: write to the folder of models, or to /tmp"),
        ("/models/b", "no folder that can be written is mounted at `/models`"),
        ("/opt/airflow/x", READ_ONLY),
        ("../work/x", READ_ONLY),
        (".", READ_ONLY),
    ],
)
def test_what_else_cannot_be_written(path: str, line: str) -> None:
    assert explain(Failed(path, errno.EROFS), here()) == line


def test_who_may_not_read_what_else_there_is_is_not_told_to_write() -> None:
    for path in ("/etc/shadow", "/data/users/a", "/models/a"):
        assert explain(Failed(path, errno.EACCES), here()) is None


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (
            "raw/a/b.csv",
            "`raw` is ignored (`app.ignore`, .dockerignore), and so not in the image: `data: {raw: {at: raw}}` in mlimage.yaml mounts it there",
        ),
        (
            "src/big.bin",
            "`src/big.bin` is ignored (`app.ignore`, .dockerignore), and so not in the image: `data: {big: {at: src/big.bin}}` in mlimage.yaml mounts it there",
        ),
        (
            "data/2024/a.csv",
            "`data` is outside of `app.source`, and so not in the image: move it there, or mount it by `data: {data: {at: data, local: ../../data}}` in mlimage.yaml",
        ),
        (
            "../data/a.csv",
            "`data` is outside of `app.source`, and so not in the image: `data: {data: {local: ../../data}}` in mlimage.yaml mounts its folder, and `mlimage_runtime.data('data')` says where",
        ),
        ("../up/a.csv", "`../up/a.csv` is outside of `/app`: the image has nothing but what is below `app.source`"),
        (
            "weights/1 a.bin",
            "`weights` is not in the image: `data: {weights: {at: weights}}` in mlimage.yaml mounts data there, `models: {at: weights}` models",
        ),
        (
            "out/1: a.bin",
            '`out/1: a.bin` is not in the image: `data: {a: {at: "out/1: a.bin"}}` in mlimage.yaml mounts data there, `models: {at: out}` models',
        ),
        (
            "/home/me/Größe/x.csv",
            "`/home/me/Größe/x.csv` is not in the image: `data: {gr-e: {local: /home/me/Größe}}` in mlimage.yaml mounts its folder, and `mlimage_runtime.data('gr-e')` says where",
        ),
        ("/data/event/x", "the image reads no data `event`: name it under `data:` in mlimage.yaml"),
        ("/data/users/b", "the data `users` has no `b`"),
        (
            "in/events.csv",
            "the data `events` is not mounted: `mlimage run --data events=FOLDER`, or a mount at `/data/events`",
        ),
        ("/models/b", "the folder of models has no `b`: `train` writes it, or a program asks wrong"),
        (
            "/models/q/b",
            "the folder of models has no folder `q`: a program that writes there makes it first, and one that reads finds it when `train` has written it",
        ),
        ("/usr/share/x", None),
        ("/dev/x", None),
        ("train.py", None),
    ],
)  # fmt: skip
def test_a_path_that_is_not_there(path: str, line: str | None) -> None:
    assert explain(Failed(path, errno.ENOENT), here(environ={LEFT_OUT: PROJECT})) == line
    for key in re.findall(r"`((?:data|models): .*?)`(?: |$)", line or ""):
        assert mounts(parse(key), path)


def parse(key: str) -> ImageSpec:
    """A spec with what a line says to write."""
    text = 'name: x\npython: "3.11"\nbase: {debian: bookworm}\ntrain: {command: python train.py}\n' + key
    return parse_spec(text.encode(), path="mlimage.yaml", folder="x")


def mounts(spec: ImageSpec, path: str) -> bool:
    """Whether the spec gives the path a place, or mounts its folder."""
    at = [place for place, _ in app_places(spec.models, spec.data)]
    names = spec.data.values() if isinstance(spec.data, dict) else ()
    folders = [known["local"].rpartition("/")[2] for known in names if "local" in known]
    return any(path == place or path.startswith(f"{place}/") for place in at) or any(
        f"/{folder}/" in path for folder in folders
    )


def test_where_another_than_mlimage_started_it() -> None:
    for said in ("", "no JSON", "[]", "{}"):
        line = explain(Failed("raw/b.csv", errno.ENOENT), here(environ={LEFT_OUT: said}))
        assert line is not None
        assert line.startswith("`raw` is not in the image: ")


def test_an_address_is_no_place_in_the_application() -> None:
    found = explain(
        Failed("in/events.csv", errno.ENOENT), here(environ={"MLIMAGE_DATA_EVENTS": "s3://acme/events"})
    )
    assert found == (
        "in this run the data `events` is at s3://acme/events: `mlimage_runtime.data('events')` says so"
    )


def test_below_data_that_is_a_file() -> None:
    line = "the data `users` is a file, so nothing lies below it"
    assert explain(Failed("/data/users/a/b", errno.ENOTDIR), here()) == line


def test_no_model() -> None:
    nothing = here(WRITTEN, files=frozenset({"/app/train.py"}))
    line = "there is no model: train first, or mount the folder that has it at `/models`"
    assert explain(Failed("models/m.pkl", errno.ENOENT), nothing) == line
    assert explain(Failed("scores.json", errno.ENOENT), nothing) == line


def test_a_program_may_change_its_folder() -> None:
    assert explain(Failed("m.pkl", errno.EROFS), here(folder="/app/src")) == (
        f"the image is read-only: `models: {{files: [src/m.pkl]}}` {MENDED} `src/m.pkl` be written"
    )
    assert explain(Failed("m.pkl", errno.EROFS), here(folder="/")) == READ_ONLY


def error_of(code: str) -> Failed | None:
    try:
        exec(code, {"Path": Path})  # noqa: S102 - as a program raises it
    except BaseException as error:  # noqa: BLE001
        return failed(error)
    raise AssertionError


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open('no/x')", Failed("no/x", errno.ENOENT)),
        ("open(b'no/x')", Failed("no/x", errno.ENOENT)),
        ("Path('no/x').read_text()", Failed("no/x", errno.ENOENT)),
        ("import os; os.rename(__import__('sys').executable, 'no/x')", Failed("no/x", errno.ENOENT)),
        ("try:\n open('no/x')\nexcept OSError as e: raise ValueError from e", Failed("no/x", errno.ENOENT)),
        ("try:\n open('no/x')\nexcept OSError: raise ValueError", Failed("no/x", errno.ENOENT)),
        ("try:\n open('no/x')\nexcept OSError: raise ValueError from None", None),
        ("raise OSError(2, \"unable to open file: name = 'no/x', errno = 2\")", Failed("no/x", errno.ENOENT)),
        ("raise OSError(30, 'Read-only')", None),
        ("import subprocess; subprocess.run(['no-such-program'])", None),
        ("open(-5)", None),
        ("raise OSError(17, 'exists', 'x')", None),
        ("e = ValueError(); e.__cause__ = e; raise e", None),
        ("raise SystemExit('no/x')", None),
    ],
)
def test_the_path_of_an_exception(code: str, found: Failed | None) -> None:
    assert error_of(code) == found


PROGRAM = """
import sys
from mlimage.runtime import hooks, paths
from mlimage.runtime.roles import Determinism, Roles
paths.read_roles = lambda: Roles({}, (), Determinism("fast", 0), {})
hooks.install()
hooks.install()
"""


@pytest.mark.parametrize(
    ("rest", "last"),
    [
        ("open('/data/x/y')", "mlimage: the image reads no data `x`: name it under `data:` in mlimage.yaml"),
        ("sys.excepthook = lambda *_: print('own', file=sys.stderr)\nopen('/data/x/y')", None),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("try:\n open('/data/x/y')\nexcept OSError: print('caught', file=sys.stderr)", "caught"),
    ],
)
def test_the_end_of_a_program(rest: str, last: str | None) -> None:
    """Once, and whoever shows the traceback."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + rest],
        env={"MLIMAGE_SEED": "0"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    if last is None:
        assert lines == ["own", "mlimage: the image reads no data `x`: name it under `data:` in mlimage.yaml"]
    else:
        assert lines[-1] == last
        assert len([line for line in lines if line.startswith("mlimage:")]) == last.startswith("mlimage:")
