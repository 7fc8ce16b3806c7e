"""The app's folder becomes the same files on every machine."""

import os
import shlex
import socket
import stat
import subprocess
import unicodedata
from pathlib import Path

import pytest

from mlimage.content.app import app_entries, files_below
from mlimage.content.entry import Entry, Kind
from mlimage.errors import BuildError


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "train.py").write_bytes(b"train\n")
    return folder


def content(entry: Entry) -> bytes:
    assert entry.open is not None
    with entry.open() as stream:
        body = stream.read()
    assert len(body) == entry.size
    return body


def error(folder: Path, *ignore: str) -> str:
    with pytest.raises(BuildError) as caught:
        app_entries(folder, ignore=ignore)
    return str(caught.value)


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())


def paths(folder: Path, *ignore: str) -> list[str]:
    return [entry.path for entry in app_entries(folder, ignore=ignore)]


def test_files_links_and_modes(app: Path) -> None:
    write(app, "pkg/__init__.py", "pkg/data/größe.json", "run.sh", "a-b", "a/b")
    for path, mode in (("run.sh", 0o744), ("a-b", 0o600), ("a/b", 0o677)):
        (app / path).chmod(mode)
    (app / "empty").mkdir()
    (app / "pkg" / "up.py").symlink_to("../train.py")
    (app / "folder").symlink_to("pkg/data")
    entries = app_entries(app)
    assert [(e.path, e.kind, oct(e.mode), e.target) for e in entries] == [
        ("app/a-b", Kind.FILE, "0o644", ""),
        ("app/a/b", Kind.FILE, "0o644", ""),
        ("app/folder", Kind.SYMLINK, "0o777", "pkg/data"),
        ("app/pkg/__init__.py", Kind.FILE, "0o644", ""),
        ("app/pkg/data/größe.json", Kind.FILE, "0o644", ""),
        ("app/pkg/up.py", Kind.SYMLINK, "0o777", "../train.py"),
        ("app/run.sh", Kind.FILE, "0o755", ""),
        ("app/train.py", Kind.FILE, "0o644", ""),
    ]
    assert {e.origin for e in entries} == {"app"}
    assert content(entries[4]) == "pkg/data/größe.json".encode()
    assert app_entries(app, destination="srv/x")[0].path == "srv/x/a-b"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_umask_does_not_show(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        write(tmp_path / "app", "a/b.py")
        (tmp_path / "app/run").touch(mode=0o777)
    finally:
        os.umask(old)
    assert [(e.path, oct(e.mode)) for e in app_entries(tmp_path / "app")] == [
        ("app/a/b.py", "0o644"),
        ("app/run", "0o755"),
    ]


def test_what_every_machine_has_differently_is_ignored(app: Path) -> None:
    write(app, "__pycache__/train.cpython-311.pyc", "pkg/__pycache__/x.pyc", "old.pyc", "x.pyo", ".DS_Store")
    write(app, ".git/HEAD", ".hg/x", ".svn/x", ".venv/bin/python", ".train.py.swp", "train.py~")
    write(app, "pkg/.ipynb_checkpoints/x.ipynb", ".pytest_cache/x", ".mypy_cache/x", ".ruff_cache/x")
    write(app, ".env", ".gitignore", "venv.py", "git/HEAD")
    assert paths(app) == ["app/.env", "app/.gitignore", "app/git/HEAD", "app/train.py", "app/venv.py"]
    assert "app/old.pyc" in paths(app, "!old.pyc")


def test_patterns_of_the_user(app: Path) -> None:
    write(app, "data/a.csv", "data/keep/b.csv", "notes.md", "pkg/notes.md")
    assert paths(app, "# comment", "", "data", "!data/keep", "*.md") == [
        "app/data/keep/b.csv",
        "app/pkg/notes.md",
        "app/train.py",
    ]


def test_a_missing_and_an_empty_app_are_errors(tmp_path: Path, app: Path) -> None:
    assert error(tmp_path / "none") == f"the app folder `{tmp_path}/none` does not exist"
    assert error(app / "train.py") == f"the app folder `{app}/train.py` does not exist"
    assert error(app, "*") == f"the app folder `{app}` has no files, or all are ignored"
    (app / "train.py").unlink()
    (app / "folder").mkdir()
    assert error(app) == f"the app folder `{app}` has no files, or all are ignored"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("../outside", "the app's link `link` leads out of the app, to `../outside`"),
        ("folder/../../outside", "the app's link `link` leads out of the app, to `folder/../../outside`"),
        ("missing", "the app's link `link` leads to `missing`, which does not exist"),
        ("link", "the app's link `link` leads to `link`, which does not exist"),
        ("secret", "the app's link `link` leads to `secret`, which is ignored"),
    ],
)
def test_links_that_lead_wrong_are_refused(app: Path, target: str, message: str) -> None:
    write(app, "folder/x", "secret")
    write(app.parent, "outside")
    (app / "link").symlink_to(target)
    assert error(app, "secret") == message
    assert paths(app, "secret", "link") == ["app/folder/x", "app/train.py"]


def test_a_link_by_a_path_of_this_machine_is_refused(app: Path) -> None:
    write(app, "folder/x")
    link = app / "folder/my link"
    link.symlink_to(app / "train.py")
    with pytest.raises(BuildError) as caught:
        app_entries(app)
    assert str(caught.value) == (f"the app's link `folder/my link` leads out of the app, to `{app}/train.py`")
    assert caught.value.hint
    command = caught.value.hint.removeprefix("let it lead there from its own folder: `").removesuffix("`")
    subprocess.run(shlex.split(command), check=True)
    assert app_entries(app)[0].target == "../train.py"


@pytest.mark.parametrize(
    "target",
    [
        "/models", "/models/best/weights", "/data", "/data/events/rows.csv", "/app/train.py", "/app",
        "/dev/null", "/proc/self/fd/1", "/usr/share/zoneinfo", "/opt/venv/bin/python", "/nowhere",
        "/models/../data/events",
    ],
)  # fmt: skip
def test_links_to_paths_of_the_image_are_kept(app: Path, target: str) -> None:
    """Whether the image has what is neither mounted nor of the application, its layers tell."""
    (app / "link").symlink_to(target)
    (app / "chain").symlink_to("link")
    assert [entry.target for entry in app_entries(app, data=("events",))] == ["link", target, ""]


def test_nothing_of_this_machine_is_looked_at(app: Path) -> None:
    """What a link of the image leads to here, another one might lead to there."""
    write(app.parent, "secret/key")
    (app / "away").symlink_to("/models")
    (app / "link").symlink_to("away/../nowhere/key")
    assert app_entries(app)[1].target == "away/../nowhere/key"
    (app / "link").unlink()
    (app / "link").symlink_to("../secret/key")
    assert error(app) == "the app's link `link` leads out of the app, to `../secret/key`"


def test_a_link_to_data_that_the_image_does_not_read(app: Path) -> None:
    (app / "link").symlink_to("/data/event/rows.csv")
    with pytest.raises(BuildError) as caught:
        app_entries(app, data=("events",))
    assert (str(caught.value), caught.value.hint) == (
        "the app's link `link` leads to `/data/event/rows.csv`, and the image reads no data `event`",
        "name it under `data:` in mlimage.yaml, or add the link to `app.ignore`",
    )


def test_a_link_by_an_ignored_link_is_refused(app: Path) -> None:
    (app / "mine").symlink_to(".")
    (app / "link").symlink_to("mine/train.py")
    assert error(app, "mine") == "the app's link `link` leads to `mine`, which is ignored"


LINKS = {"models": "/models", "data/a[1].csv": "/data/events"}


def test_places_of_data_and_models(app: Path) -> None:
    """A link stands for what the folder has; what it has beside it stays, whatever is brought back."""
    write(app, "models/old.bin", "models/deep/x", "data/a[1].csv", "data/a1.csv", "data/b.csv")
    (app / "latest").symlink_to("data/a[1].csv")
    found = app_entries(app, ignore=["!**"], data=("events",), links=LINKS)
    assert [(entry.path, entry.target) for entry in found] == [
        ("app/data/a1.csv", ""),
        ("app/data/a[1].csv", "/data/events"),
        ("app/data/b.csv", ""),
        ("app/latest", "data/a[1].csv"),
        ("app/models", "/models"),
        ("app/train.py", ""),
    ]
    assert files_below(app, "models", ignore=["deep", "**/x"]) == ("models/old.bin",)
    assert files_below(app, "latest", ignore=()) == ("latest",)
    assert files_below(app, "none", ignore=()) == ()


@pytest.mark.parametrize("what", ["link", "file"])
def test_a_place_in_what_is_no_folder_is_refused(app: Path, what: str) -> None:
    write(app, "kept/rows.csv")
    if what == "link":
        (app / "data").symlink_to("kept")
    else:
        write(app, "data")
    with pytest.raises(BuildError) as caught:
        app_entries(app, data=("events",), links={"data/rows.csv": "/data/events"})
    assert (caught.value.message, caught.value.hint) == (
        f"the app's `data` is a {what}, and mlimage.yaml names the place `data/rows.csv` in it",
        "make it a folder, choose another place (`at:`), or add it to `app.ignore`",
    )
    found = app_entries(app, ignore=["/data"], data=("events",), links={"data/rows.csv": "/data/events"})
    assert [entry.path for entry in found] == ["app/data/rows.csv", "app/kept/rows.csv", "app/train.py"]


def test_places_are_no_files(app: Path) -> None:
    assert app_entries(app, links=LINKS)[-1].path == "app/train.py"
    (app / "train.py").unlink()
    with pytest.raises(BuildError, match="has no files, or all are ignored"):
        app_entries(app, links=LINKS)


def test_a_link_to_the_app_is_followed(app: Path) -> None:
    (app.parent / "link").symlink_to("app")
    (app / "up").symlink_to("train.py")
    assert paths(app.parent / "link") == ["app/train.py", "app/up"]


def test_other_things_than_files_are_refused(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(app / "pipe")
    assert error(app) == "the app's `pipe` is neither file, folder nor link"
    assert paths(app, "pipe") == ["app/train.py"]
    (app / "pipe").unlink()
    monkeypatch.chdir(app)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert error(app) == "the app's `socket` is neither file, folder nor link"


def test_names_that_are_not_utf8_are_refused(app: Path) -> None:
    (app / os.fsdecode(b"caf\xe9.py")).write_bytes(b"")
    assert error(app) == "the app has a file whose name is not UTF-8: 'caf\\udce9.py'"
    assert paths(app, "caf*") == ["app/train.py"]


def test_names_are_composed(app: Path) -> None:
    composed = unicodedata.normalize("NFC", "é/ü.py")
    write(app, unicodedata.normalize("NFD", composed))
    assert paths(app) == ["app/train.py", f"app/{composed}"]
    assert paths(app, unicodedata.normalize("NFD", "é")) == ["app/train.py"]
    write(app, composed)
    assert error(app) == f"the app has two files named `app/{composed}`, which differ in Unicode form only"


@pytest.mark.parametrize("after", [b"", b"shorter", b"longer than it was before", b"of equal sized!"])
def test_a_file_that_changes_after_it_was_found_is_an_error(app: Path, after: bytes) -> None:
    (app / "train.py").write_bytes(b"of equal size!!")
    (entry,) = app_entries(app)
    (app / "train.py").write_bytes(after)
    os.utime(app / "train.py", ns=(0, 1))
    with pytest.raises(BuildError) as caught:
        content(entry)
    assert str(caught.value) == "the app's `train.py` changed while it was read"


def test_a_file_that_changes_while_it_is_read_is_an_error(app: Path) -> None:
    size = 1_000_000
    (app / "train.py").write_bytes(bytes(size))
    (entry,) = app_entries(app)
    assert entry.open is not None
    with entry.open() as stream:
        assert len(stream.read(10)) == 10
        with (app / "train.py").open("ab") as writer:
            writer.write(b"more")
        with pytest.raises(BuildError) as caught:
            stream.read()
    assert str(caught.value) == "the app's `train.py` changed while it was read"
    (entry,) = app_entries(app)
    assert entry.open is not None
    with entry.open() as stream:
        stream.read(10)
        os.truncate(app / "train.py", size // 2)
        with pytest.raises(BuildError):
            stream.read()


def test_a_file_that_vanishes_is_an_error(app: Path) -> None:
    (entry,) = app_entries(app)
    (app / "train.py").unlink()
    with pytest.raises(BuildError) as caught:
        content(entry)
    assert str(caught.value) == "cannot read the app's `train.py`: no such file or directory"


def test_what_cannot_be_read_is_named(app: Path) -> None:
    """As a user whom modes hold back: root reads everything."""
    write(app, "closed/x")
    for path, message in (
        (app / "train.py", "cannot read the app's `train.py`: permission denied"),
        (app / "closed", f"cannot read the app folder `{app}/closed`: permission denied"),
    ):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(0)
        try:
            assert as_nobody(app) == message
        finally:
            path.chmod(mode)


def as_nobody(folder: Path) -> str:
    """The error that a child process without root's rights gets."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            if os.geteuid() == 0:
                for parent in (folder, *folder.parents):
                    parent.chmod(parent.stat().st_mode | 0o055)
                os.setegid(65534)
                os.seteuid(65534)
            app_entries(folder)
        except BuildError as found:
            os.write(writer, str(found).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as stream:
        return stream.read().decode()
