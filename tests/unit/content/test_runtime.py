from mlimage import resources
from mlimage.content.entry import Kind
from mlimage.content.runtime import runtime_entries


def test_the_skeleton_of_an_image() -> None:
    lines = [
        f"{entry.kind.value} {entry.mode:04o} {entry.path}" + (f" -> {entry.target}" if entry.target else "")
        for entry in runtime_entries("3.11")
        if not entry.path.endswith(".py")
    ]
    assert lines == [
        "directory 0755 app",
        "directory 0755 data",
        "directory 1777 models",
        "directory 0755 opt",
        "directory 0755 opt/mlimage",
        "directory 0755 opt/mlimage/lib",
        "directory 0755 opt/mlimage/lib/mlimage",
        "directory 0755 opt/mlimage/lib/mlimage/runtime",
        "directory 0755 opt/mlimage/lib/mlimage/runtime/golden",
        "directory 0755 opt/mlimage/lib/mlimage/runtime/golden/patterns",
        "directory 0755 opt/mlimage/lib/mlimage/runtime/probe",
        "directory 0755 opt/mlimage/lib/mlimage/runtime/words",
        "directory 0755 opt/mlimage/lib/mlimage_runtime",
        "file 0644 opt/mlimage/version",
        "directory 0755 opt/venv",
        "directory 0755 opt/venv/bin",
        "symlink 0777 opt/venv/bin/python -> /usr/bin/python3.11",
        "symlink 0777 opt/venv/bin/python3 -> python",
        "symlink 0777 opt/venv/bin/python3.11 -> python",
        "directory 0755 opt/venv/lib",
        "directory 0755 opt/venv/lib/python3.11",
        "directory 0755 opt/venv/lib/python3.11/site-packages",
        "file 0644 opt/venv/lib/python3.11/site-packages/mlimage.pth",
        "symlink 0777 opt/venv/lib64 -> lib",
        "file 0644 opt/venv/pyvenv.cfg",
    ]


def content(path: str, python: str = "3.11") -> bytes:
    [entry] = [entry for entry in runtime_entries(python) if entry.path == path]
    assert entry.kind is Kind.FILE
    assert entry.open is not None
    with entry.open() as stream:
        return stream.read()


def test_what_a_virtual_environment_says() -> None:
    assert content("opt/venv/pyvenv.cfg", "3.13") == (
        b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13\n"
    )


def test_what_a_reader_of_images_is_told() -> None:
    assert content("opt/mlimage/version") == b'{"python":"3.11","runtime":3}\n'


def test_every_module_is_there_as_it_is() -> None:
    for module in resources.runtime().rglob("*.py"):
        path = str(module.relative_to(resources.runtime()))
        place = "" if path == "entrypoint.py" else "lib/mlimage/runtime/"
        assert content(f"opt/mlimage/{place}{path}") == module.read_bytes()


def test_a_python_in_another_place() -> None:
    entries = {entry.path: entry for entry in runtime_entries("3.12", program="usr/local/bin/python3.12")}
    assert entries["opt/venv/bin/python"].target == "/usr/local/bin/python3.12"
    settings = entries["opt/venv/pyvenv.cfg"]
    assert settings.open is not None
    with settings.open() as stream:
        assert stream.read() == (
            b"home = /usr/local/bin\ninclude-system-site-packages = false\nversion = 3.12\n"
        )
