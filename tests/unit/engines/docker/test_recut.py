"""BuildKit's layers to the planned ones: each kind of entry by hand, and random builds against a model."""

import base64
import hashlib
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from mlimage.content.entry import Entry, Kind, arrange, directory
from mlimage.engines.docker.output import read_output
from mlimage.engines.docker.recut import Recut, recut
from mlimage.errors import BuildError
from mlimage.plan.model import (
    AppLayer,
    AptLayer,
    BuildPlan,
    PackageLayer,
    RuntimeLayer,
    StepsLayer,
)
from mlimage.render.instructions import debs_command, packages_command
from support.layouts import (
    Tarred,
    folder,
    hard_link,
    member,
    opaque,
    symlink,
    tar,
    whiteout,
    write_layout,
)
from support.locks import digest_of, package
from support.overlay import Doing, Tree, difference, laid, nodes_in, nodes_of, parents
from support.sealing import plan_of

SITE = "opt/venv/lib/python3.11/site-packages"
FOLDERS = (
    directory("data", origin="runtime"),
    directory("models", origin="runtime", mode=0o1777),
)


def a_plan(*names: str, apt: bool = False) -> BuildPlan:
    locked = [package(name) for name in names or ("one",)]
    layers = (
        *((AptLayer(name="apt", packages=(), debs=(), key=digest_of("apt")),) if apt else ()),
        *(PackageLayer(name=each.name, packages=(each,), key=each.sha256) for each in locked),
        RuntimeLayer(name="runtime"),
        AppLayer(name="app", source="app", ignore=(), roles=b"{}"),
        StepsLayer(name="steps"),
    )
    return replace(plan_of([]), layers=layers)


PACKAGES = f"RUN |1 PIP_COMPILE=0 /bin/sh -c {packages_command(a_plan())} # buildkit"
RUNTIME = "COPY /runtime / # buildkit"
APP = "COPY images/demo/app /app # buildkit"
STEP = "RUN |1 PIP_COMPILE=0 /bin/sh -c do something # buildkit"


def installed(name: str = "one", *, files: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The files of a package as pip leaves them, in the form that is canonical already."""
    info = f"{name}-1.0.dist-info"
    content = {
        **(files or {f"{name}/__init__.py": b""}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n".encode(),
        f"{info}/INSTALLER": b"mlimage\n",
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip('=')},{len(body)}"
        for path, body in content.items()
    ]
    content[f"{info}/RECORD"] = "".join(f"{row}\r\n" for row in sorted([*rows, f"{info}/RECORD,,"])).encode()
    return {f"{SITE}/{path}": body for path, body in content.items()}


def with_parents(members: Iterable[Tarred]) -> list[Tarred]:
    """As BuildKit's layers are: each entry after the folders that it lies in."""
    found: dict[str, Tarred] = {}
    for each in members:
        parts = each[0].name.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            found.setdefault(above, folder(above))
        found[each[0].name] = each
    return list(found.values())


Layers = list[tuple[str, list[Tarred]]]


def a_build(
    *,
    before: Layers | None = None,
    between: Layers | None = None,
    after: Layers | None = None,
    packages: Iterable[Tarred] = (),
    app: Iterable[Tarred] = (),
) -> Layers:
    """Mlimage's own instructions with steps before the packages, after them, and after the application."""
    return [
        *(before or []),
        (PACKAGES, with_parents([*(member(path, body) for path, body in installed().items()), *packages])),
        *(between or []),
        (RUNTIME, with_parents([
            member("opt/mlimage/entrypoint.py", b"run"), member("opt/mlimage/roles.json", b"{}", mode=0o600)
        ])),
        (APP, with_parents([member("app/train.py", b"train"), *app])),
        ("WORKDIR /app", []),
        *(after or []),
    ]  # fmt: skip


@pytest.fixture
def cut(tmp_path: Path) -> Callable[..., Recut]:
    def run(layers: Layers, plan: BuildPlan | None = None) -> Recut:
        where = write_layout(tmp_path / "output", [(made_by, tar(content)) for made_by, content in layers])
        return recut(plan or a_plan(), read_output(where, below=0), folders=FOLDERS)

    return run


def test_links_of_the_application_come_with_the_runtime(cut: Callable[..., Recut]) -> None:
    """They are mlimage's own, and the folder of the application has nothing there."""
    layers = a_build(app=[member("app/data/other.csv", b"other")])
    at = next(number for number, (made_by, _) in enumerate(layers) if made_by == RUNTIME)
    laid = with_parents([symlink("app/data/rows.csv", "/data/rows"), symlink("app/models", "/models")])
    layers[at] = (RUNTIME, [*layers[at][1], *laid])
    made = cut(layers)
    assert listing(made.by_layer["app"]) == {
        "app": "0755 folder",
        "app/data": "0755 folder",
        "app/data/other.csv": "0644 b'other'",
        "app/data/rows.csv": "0777 -> /data/rows",
        "app/models": "0777 -> /models",
        "app/train.py": "0644 b'train'",
        "opt": "0755 folder",
        "opt/mlimage": "0755 folder",
        "opt/mlimage/roles.json": "0644 b'{}'",
    }
    assert [path for path in listing(made.by_layer["runtime"]) if path.startswith("app")] == []


def listing(entries: Iterable[Entry]) -> dict[str, str]:
    return {entry.path: f"{entry.mode:04o} {what(entry)}" for entry in entries}


def what(entry: Entry) -> str:
    if entry.kind is Kind.SYMLINK:
        return f"-> {entry.target}"
    return content_of(entry) if entry.open else "folder"


def content_of(entry: Entry) -> str:
    assert entry.open is not None
    with entry.open() as stream:
        content = stream.read()
    assert len(content) == entry.size
    return repr(content)


def step(*members: Tarred) -> Layers:
    return [(STEP, with_parents(members))]


def test_each_file_goes_to_the_layer_of_its_author(cut: Callable[..., Recut]) -> None:
    made = cut(
        a_build(
            before=[("RUN /bin/sh -c first # buildkit", with_parents([member("usr/first", b"1")]))],
            between=step(member("usr/between", b"2", mode=0o4755)),
            after=step(member("usr/after", b"3")),
            packages=[member("opt/venv/pyvenv.cfg", b"home"), symlink("opt/venv/bin/python", "/usr/bin/py")],
            app=[
                member("app/run.sh", b"sh", mode=0o700),
                symlink("app/link", "./train.py"),
                folder("app/empty"),
            ],
        )
    )
    [package_layer] = [layer for layer in a_plan().layers if isinstance(layer, PackageLayer)]
    [entries] = made.packages(package_layer)
    assert [entry.path for entry in entries] == [
        f"{SITE}/one-1.0.dist-info/INSTALLER",
        f"{SITE}/one-1.0.dist-info/METADATA",
        f"{SITE}/one-1.0.dist-info/RECORD",
        f"{SITE}/one/__init__.py",
    ]
    assert {name: listing(entries) for name, entries in made.by_layer.items()} == {
        "runtime": {
            "data": "0755 folder",
            "models": "1777 folder",
            "opt": "0755 folder",
            "opt/mlimage": "0755 folder",
            "opt/mlimage/entrypoint.py": "0644 b'run'",
        },
        "app": {
            "app": "0755 folder",
            "app/link": "0777 -> train.py",
            "app/run.sh": "0755 b'sh'",
            "app/train.py": "0644 b'train'",
            "opt": "0755 folder",
            "opt/mlimage": "0755 folder",
            "opt/mlimage/roles.json": "0644 b'{}'",
        },
        "steps": {
            "usr": "0755 folder",
            "usr/after": "0644 b'3'",
            "usr/between": "4755 b'2'",
            "usr/first": "0644 b'1'",
        },
    }
    assert made.dropped == ("opt/venv/bin/python", "opt/venv/pyvenv.cfg")


def test_debian_packages_have_their_own_layer(cut: Callable[..., Recut]) -> None:
    apt = (f"RUN /bin/sh -c {debs_command()} # buildkit", with_parents([
        member("usr/bin/git", b"git", mode=0o755),
        hard_link("usr/bin/git-upload", "usr/bin/git"),
        whiteout("etc/old"),
        member("var/log/apt/term.log", b"today"),
        member("var/lib/dpkg/status", b"git"),
    ]))  # fmt: skip
    made = cut(a_build(before=[apt], after=step(whiteout("usr/bin/git"))), a_plan(apt=True))
    assert listing(made.by_layer["apt"]) == {
        "etc": "0755 folder",
        "etc/.wh.old": "0644 b''",
        "usr": "0755 folder",
        "usr/bin": "0755 folder",
        "usr/bin/git": "0755 b'git'",
        "usr/bin/git-upload": "0755 b'git'",
        "var": "0755 folder",
        "var/lib": "0755 folder",
        "var/lib/dpkg": "0755 folder",
        "var/lib/dpkg/status": "0644 b'git'",
        "var/log": "0755 folder",
    }
    assert listing(made.by_layer["steps"]) == {
        "usr": "0755 folder",
        "usr/bin": "0755 folder",
        "usr/bin/.wh.git": "0644 b''",
    }
    assert made.dropped == ("var/log/apt", "var/log/apt/term.log")


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        pytest.param(step(whiteout("etc/a")), {"etc/.wh.a": "0644 b''"}, id="removed"),
        pytest.param(
            [*step(member("etc/a", b"1")), *step(whiteout("etc/a"))],
            {"etc/.wh.a": "0644 b''"},
            id="written and removed",
        ),
        pytest.param(
            [*step(whiteout("etc/a")), *step(member("etc/a", b"2"))],
            {"etc/a": "0644 b'2'"},
            id="removed and written",
        ),
        pytest.param(
            [*step(whiteout("etc/a")), *step(member("etc/a/b", b"2"))],
            {"etc/a": "0755 folder", "etc/a/.wh..wh..opq": "0644 b''", "etc/a/b": "0644 b'2'"},
            id="removed and made a folder: what layers below have in it stays hidden",
        ),
        pytest.param(
            [*step(member("etc/a", b"1")), *step(folder("etc/a"))],
            {"etc/a": "0755 folder", "etc/a/.wh..wh..opq": "0644 b''"},
            id="a file, then a folder",
        ),
        pytest.param(
            [*step(member("etc/a/b", b"1"), member("etc/a/c", b"2")), *step(member("etc/a", b"3"))],
            {"etc/a": "0644 b'3'"},
            id="a folder, then a file",
        ),
        pytest.param(
            [*step(member("etc/a/b", b"1"), member("etc/ab", b"2")), *step(whiteout("etc/a"))],
            {"etc/.wh.a": "0644 b''", "etc/ab": "0644 b'2'"},
            id="a folder removed, and not what only begins so",
        ),
        pytest.param(
            [
                *step(member("etc/a/b", b"1"), whiteout("etc/a/c")),
                *step(folder("etc/a", mode=0o700), member("etc/a/!new", b"2"), opaque("etc/a")),
            ],
            {"etc/a": "0700 folder", "etc/a/!new": "0644 b'2'", "etc/a/.wh..wh..opq": "0644 b''"},
            id="emptied: a whiteout hides nothing of its own layer",
        ),
        pytest.param(
            step(member("etc/a", b"1"), whiteout("etc/a")),
            {"etc/a": "0644 b'1'"},
            id="replaced, said by both",
        ),
        pytest.param(
            [*step(member("etc/a", b"1")), *step(hard_link("etc/b", "etc/a"))],
            {"etc/a": "0644 b'1'", "etc/b": "0644 b'1'"},
            id="hard link",
        ),
        pytest.param(
            step(member("etc/machine-id", b"4711\n", mode=0o444)),
            {"etc/machine-id": "0444 b''"},
            id="machine-id",
        ),
        pytest.param(
            step(
                member("etc/a.pyc", b"head\0\0\0\0time"),
                member("etc/b.pyc", b"head\1\0\0\0hash"),
                member("etc/c.pyc", b"head\0\0\0"),
            ),
            {"etc/b.pyc": "0644 b'head\\x01\\x00\\x00\\x00hash'", "etc/c.pyc": "0644 b'head\\x00\\x00\\x00'"},
            id="bytecode that names the time of its source",
        ),
        pytest.param(
            [("RUN /bin/sh -c x # buildkit", [folder("./"), member("/etc/a", b"1"), folder("etc/b/")])],
            {"etc/a": "0644 b'1'", "etc/b": "0755 folder"},
            id="other spellings of paths",
        ),
    ],
)
def test_what_steps_leave(layers: Layers, left: dict[str, str], cut: Callable[..., Recut]) -> None:
    made = cut(a_build(before=layers))
    assert listing(made.by_layer["steps"]) == {"etc": "0755 folder", **left}


def test_noise_is_left_out_and_named(cut: Callable[..., Recut]) -> None:
    made = cut(
        a_build(
            after=step(
                member("var/lib/apt/lists/host_InRelease", b"1"),
                member("var/cache/apt/pkgcache.bin", b"1"),
                member("var/cache/ldconfig/aux-cache", b"inodes"),
                member("var/log/dpkg.log", b"today"),
                member("var/log/own.log", b"kept"),
                member("etc/passwd", b"kept"),
                member("etc/passwd-", b"backup"),
                member("root/.cache/pip/http/x", b"1"),
                member("root/.cache/own/x", b"kept"),
                folder("run/secrets"),
            )
        )
    )
    files = {path for path, what in listing(made.by_layer["steps"]).items() if not what.endswith("folder")}
    assert files == {"var/log/own.log", "etc/passwd", "root/.cache/own/x"}
    assert made.dropped == (
        "etc/passwd-",
        "root/.cache/pip",
        "root/.cache/pip/http",
        "root/.cache/pip/http/x",
        "run/secrets",
        "var/cache/apt/pkgcache.bin",
        "var/cache/ldconfig/aux-cache",
        "var/lib/apt/lists/host_InRelease",
        "var/log/dpkg.log",
    )


def test_mlimages_own_instructions_write_over_steps(cut: Callable[..., Recut]) -> None:
    init, train = f"{SITE}/one/__init__.py", "app/train.py"
    made = cut(a_build(before=step(member(init, b"step"), member(train, b"step"), folder("app", mode=0o700))))
    [entries] = [made.by_package["one"]]
    assert listing(entries)[init] == "0644 b''"
    assert listing(made.by_layer["app"])[train] == "0644 b'train'"
    steps = listing(made.by_layer["steps"])
    assert (init in steps, train in steps, steps["app"]) == (False, False, "0700 folder")


def test_what_pip_removes_of_a_step_is_gone(cut: Callable[..., Recut]) -> None:
    made = cut(
        a_build(before=step(member("opt/old/a", b"1")), packages=[whiteout("opt/old"), whiteout("usr/x")])
    )
    assert listing(made.by_layer["steps"]) == {"opt": "0755 folder"}


def test_a_step_changes_what_the_build_brought(cut: Callable[..., Recut]) -> None:
    init = f"{SITE}/one/__init__.py"
    made = cut(a_build(after=step(member(init, b"patched"), whiteout("app/train.py"))))
    assert listing(made.by_package["one"])[init] == "0644 b''"
    steps = {path: what for path, what in listing(made.by_layer["steps"]).items() if "folder" not in what}
    assert steps == {init: "0644 b'patched'", "app/.wh.train.py": "0644 b''"}


def test_modes_of_a_checkout_are_in_no_layer(cut: Callable[..., Recut]) -> None:
    """A step's layer has the folders above what it wrote, and the files whose owner it changed."""
    app = [folder("app", mode=0o700), member("app/a", b"1", mode=0o600), member("app/b", b"2", mode=0o700)]
    left = [folder("app", mode=0o700), *app[1:], member("app/new", b"3", mode=0o600)]
    made = cut(a_build(app=app, after=[(STEP, left)]))
    assert listing(made.by_layer["steps"]) == {
        "app": "0755 folder",
        "app/a": "0644 b'1'",
        "app/b": "0755 b'2'",
        "app/new": "0600 b'3'",
    }
    made = cut(
        a_build(app=app, after=[(STEP, [folder("app", mode=0o711), member("app/a", b"1", mode=0o640)])])
    )
    assert listing(made.by_layer["steps"]) == {"app": "0711 folder", "app/a": "0640 b'1'"}


def test_names_of_the_application_are_composed(cut: Callable[..., Recut]) -> None:
    made = cut(
        a_build(app=[member("app/gro\u0308\u00dfe.py", b"1"), symlink("app/l", "gro\u0308\u00dfe.py")])
    )
    app = listing(made.by_layer["app"])
    assert (app["app/gr\u00f6\u00dfe.py"], app["app/l"]) == ("0644 b'1'", "0777 -> gr\u00f6\u00dfe.py")


def test_hard_links_of_the_application_are_files(cut: Callable[..., Recut]) -> None:
    made = cut(a_build(app=[hard_link("app/twin.py", "app/train.py")]))
    assert listing(made.by_layer["app"])["app/twin.py"] == "0644 b'train'"


HIDDEN = "let the step run later: `at: after-app`"


@pytest.mark.parametrize(
    ("layers", "message", "hint"),
    [
        (
            a_build(before=step(whiteout("app"))),
            "a step removed `/app`, and the build writes there again afterwards",
            HIDDEN,
        ),
        (
            a_build(between=step(whiteout("app/train.py"))),
            "a step removed `/app/train.py`, and the build writes there again afterwards",
            HIDDEN,
        ),
        (
            a_build(before=step(folder("opt/venv"), opaque("opt/venv"))),
            "a step removed `/opt/venv/lib`, and the build writes there again afterwards",
            HIDDEN,
        ),
        (
            a_build(before=[*step(whiteout("app")), *step(folder("app"))]),
            "a step removed `/app/train.py`, and the build writes there again afterwards",
            HIDDEN,
        ),
        (
            a_build(after=step(hard_link("etc/b", "etc/a"))),
            "a step left the hard link `/etc/b` to `/etc/a`, which is no file",
            None,
        ),
        (
            a_build(after=step(folder("etc/a"), hard_link("etc/b", "etc/a"))),
            "a step left the hard link `/etc/b` to `/etc/a`, which is no file",
            None,
        ),
        (
            a_build(after=step(member("dev/x", kind=tarfile.CHRTYPE))),
            "a step left `/dev/x`, which is a character device: images have none",
            "remove it at the end of the step",
        ),
        (
            a_build(after=step(member("dev/x", kind=tarfile.BLKTYPE))),
            "a step left `/dev/x`, which is a block device: images have none",
            "remove it at the end of the step",
        ),
        (
            a_build(after=step(member("run/x", kind=tarfile.FIFOTYPE))),
            "a step left `/run/x`, which is a named pipe: images have none",
            "remove it at the end of the step",
        ),
        (
            a_build(after=[(STEP, [member("../etc/passwd")])]),
            "BuildKit gave an entry outside of the image: '../etc/passwd'",
            None,
        ),
        (
            a_build(after=[(STEP, [member("a/../../b")])]),
            "BuildKit gave an entry outside of the image: 'a/../../b'",
            None,
        ),
        (
            a_build(after=[(STEP, [member("a//b")])]),
            "BuildKit gave an entry outside of the image: 'a//b'",
            None,
        ),
        (
            a_build(after=[(STEP, [member("etc/latin-\udce9")])]),
            "a step left a file whose name is not UTF-8: 'etc/latin-\\udce9'",
            None,
        ),
        (
            a_build()[1:],
            "BuildKit built 0 layers of the packages, where one is right",
            "does a block of the template repeat an instruction of mlimage's own, or set another SHELL?",
        ),
        (
            [*a_build(), (RUNTIME, [])],
            "BuildKit built 2 layers of the runtime, where one is right",
            "does a block of the template repeat an instruction of mlimage's own, or set another SHELL?",
        ),
        (
            [each for each in a_build() if each[0] != APP],
            "BuildKit built 0 layers of the app, where one is right",
            "does a block of the template repeat an instruction of mlimage's own, or set another SHELL?",
        ),
        (
            [(made, [each for each in content if each[0].name != "opt/mlimage/roles.json"])
             for made, content in a_build()],
            "BuildKit left `/opt/mlimage/roles.json` out",
            None,
        ),
        (
            a_build(packages=[member(path, body) for path, body in installed("more").items()]),
            "pip did not install what the lock names:\n  `more` is not in the lock",
            None,
        ),
    ],
)  # fmt: skip
def test_what_no_image_can_hold(
    layers: Layers, message: str, hint: str | None, cut: Callable[..., Recut]
) -> None:
    with pytest.raises(BuildError) as caught:
        cut(layers)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_missing_package_is_named(cut: Callable[..., Recut]) -> None:
    with pytest.raises(BuildError) as caught:
        cut(a_build(), a_plan("one", "three", "two"))
    assert str(caught.value) == (
        "pip did not install what the lock names:\n  `three` is missing\n  `two` is missing"
    )


# Random builds: what is sealed gives the tree that BuildKit's layers give.

BELOW: Tree = {
    **dict.fromkeys(("etc", "usr", "usr/a", "usr/a/b", "var", "var/log", "opt"), ("folder", 493, "")),
    "usr/a/b/c": ("file", 0o644, "base"),
    "usr/a/x": ("file", 0o644, "base"),
    "usr/d": ("file", 0o644, "base"),
    "etc/machine-id": ("file", 0o444, ""),
    "var/log/dpkg.log": ("file", 0o644, "base"),
}
"""What the base has."""
OWN: Mapping[str, Mapping[str, str]] = {
    PACKAGES: {
        **{path: body.decode() for path, body in installed(files={
            "one/__init__.py": b"", "one/extra.py": b"extra",
        }).items()},
        "opt/venv/pyvenv.cfg": "venv",
    },
    RUNTIME: {
        "opt/mlimage/entrypoint.py": "run", "opt/mlimage/roles.json": "{}", "opt/venv/pyvenv.cfg": "runtime"
    },
    APP: {"app/train.py": "train", "app/sub/x": "x"},
}  # fmt: skip
FREE = ("usr/a", "usr/a/b", "usr/a/b/c", "usr/a/x", "usr/d", "usr/new/y", "etc/machine-id")
OURS = (f"{SITE}/one", f"{SITE}/one/extra.py", "app", "app/sub", "app/sub/x", "app/more", "opt/mlimage/x")
NOISE = ("var/log/dpkg.log", "var/log/apt/term.log")


def as_sealed(tree: Tree) -> Tree:
    """Without what is noise, and with the files emptied that are of one machine."""
    kept = {path: node for path, node in tree.items() if path not in {*NOISE, "var/log/apt"}}
    node = kept.get("etc/machine-id")
    if node is not None and node[0] == "file":
        kept["etc/machine-id"] = ("file", node[1], "")
    return kept


paths = st.sampled_from((*FREE, *FREE, *OURS, *NOISE))
modes = st.sampled_from((0o644, 0o755))
operations = st.one_of(
    st.tuples(st.just("remove"), paths),
    st.tuples(st.just("folder"), paths, st.sampled_from((0o755, 0o700))),
    st.tuples(st.just("file"), paths, modes, st.sampled_from("123")),
    st.tuples(st.just("symlink"), paths, st.sampled_from(("x", "/usr"))),
    st.tuples(st.just("link"), paths, paths),
)
steps = st.lists(
    st.tuples(st.lists(operations, min_size=1, max_size=4), st.booleans(), st.booleans()), max_size=2
)


def do(doing: Doing, operation: tuple[object, ...]) -> None:
    match operation:
        case "remove", str(path):
            doing.remove(path)
        case "folder", str(path), int(mode):
            doing.make_folder(path, mode)
        case "file", str(path), int(mode), str(text):
            doing.put(path, ("file", mode, text))
        case "symlink", str(path), str(target):
            doing.put(path, ("link", 0o777, target))
        case "link", str(path), str(target):
            doing.link(path, target)


Script = list[tuple[list[tuple[object, ...]], bool, bool]]
"""Steps: the operations of each, and how its layer says what is gone."""


@dataclass(slots=True)
class Building:
    """A build so far.

    Attributes:
        tree: what there is.
        layers: what BuildKit has of it.
        removed: paths that a step removed.
        hidden: whether mlimage's own instructions wrote there again.
    """

    tree: Tree
    layers: Layers = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    hidden: bool = False

    def step(self, operations: list[tuple[object, ...]], *, opaques: bool, late: bool) -> None:
        doing = Doing(dict(self.tree))
        for operation in operations:
            do(doing, operation)
        gone = {path for path, node in self.tree.items() if doing.tree.get(path, ("",))[0] != node[0]}
        self.removed |= gone | doing.emptied
        made_by = f"RUN /bin/sh -c {len(self.layers)} # buildkit"
        self._end(made_by, difference(self.tree, doing, opaques=opaques, late=late), doing)

    def own(self, made_by: str) -> bool:
        """Whether the instruction could write what it writes."""
        doing = Doing(dict(self.tree))
        files = OWN.get(made_by, {})
        for path, text in files.items():
            doing.put(path, ("file", 0o644, text))
        written = {above for path in files for above in (path, *parents(path))}
        self.hidden = self.hidden or bool(self.removed & written)
        self._end(made_by, difference(self.tree, doing, opaques=False, late=False), doing)
        return all(self.tree.get(path) == ("file", 0o644, text) for path, text in files.items())

    def _end(self, made_by: str, members: list[Tarred], doing: Doing) -> None:
        assert laid(self.tree, nodes_in(members)) == doing.tree, "the model itself"
        self.layers.append((made_by, members))
        self.tree = doing.tree


def recut_or_refusal(plan: BuildPlan, layers: Layers) -> Tree | BuildError:
    with TemporaryDirectory() as where:
        output = write_layout(Path(where), [(made_by, tar(content)) for made_by, content in layers])
        try:
            made = recut(plan, read_output(output, below=0), folders=())
        except BuildError as error:
            return error
        sealed = dict(BELOW)
        for layer in plan.layers:
            if isinstance(layer, PackageLayer):
                entries = [one for each in made.packages(layer) for one in each]
            else:
                entries = list(made.by_layer[layer.name])
            sealed = laid(sealed, nodes_of(arrange(entries)))
        return sealed


@settings(max_examples=150, deadline=None)
@example(
    before=[],
    between=[],
    later=[([("folder", "app", 0o700)], False, False)],
    after=[([("remove", "app/sub")], False, False)],
)
@given(before=steps, between=steps, later=steps, after=steps)
def test_random_builds_give_the_tree_that_buildkit_gave(
    before: Script, between: Script, later: Script, after: Script
) -> None:
    building = Building(dict(BELOW))
    for script, own in ((before, PACKAGES), (between, RUNTIME), (later, APP), (after, "WORKDIR /app")):
        for does, opaques, late in script:
            building.step(does, opaques=opaques, late=late)
        if not building.own(own):
            event("a step is in the way, so that BuildKit fails")
            return
    sealed = recut_or_refusal(a_plan(), building.layers)
    if isinstance(sealed, BuildError):
        event("a step hides what the build writes")
        assert sealed.message.endswith(", and the build writes there again afterwards")
        assert building.hidden
    else:
        assert as_sealed(sealed) == as_sealed(building.tree)


def test_files_that_lose_their_capabilities_are_named(cut: Callable[..., Recut]) -> None:
    """As `setcap cap_net_raw+ep /usr/bin/ping` leaves them in BuildKit's layers."""
    ping = member("usr/bin/ping", b"program", mode=0o755)
    ping[0].pax_headers = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}
    assert cut(a_build(after=step(ping, member("usr/bin/other", b"program")))).incapable == ("usr/bin/ping",)
    assert cut(a_build(after=step(member("usr/bin/other", b"program")))).incapable == ()
