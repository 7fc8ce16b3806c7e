"""Launchers and shebangs, word for word as pip 26 writes them."""

import pytest

from mlimage.content.scripts import (
    EntryPoints,
    is_wrapper,
    launchers,
    read_entry_points,
    shebang,
    with_interpreter,
)
from mlimage.errors import BuildError

PYTHON = "/opt/venv/bin/python"


def points(text: str) -> EntryPoints:
    return read_entry_points(text, origin="demo 1.0")


def names(text: str) -> list[str]:
    return [name for name, _ in launchers(points(text), interpreter=PYTHON, python="3.11")]


def test_a_launcher_word_for_word() -> None:
    found = launchers(
        points("[console_scripts]\ndemo = demo.cli:App.main\n"), interpreter=PYTHON, python="3.11"
    )
    assert found == [
        (
            "demo",
            b"""\
#!/opt/venv/bin/python
import sys
from demo.cli import App
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(App.main())
""",
        )
    ]


def test_extras_comments_other_groups_and_repeated_names() -> None:
    text = """
        # comment
        [other]
        anything goes = here
        [console_scripts]
        blackd = blackd:patched_main [d]
        tool = one:main [a, b-c]
        tool=two:main
        größe.x_1-2 = modül:f
        [gui_scripts]
        window = win:show
        tool = gui:main
    """
    found = points(text)
    assert found.console == {
        "blackd": "blackd:patched_main [d]",
        "tool": "two:main",
        "größe.x_1-2": "modül:f",
    }
    assert found.gui == {"window": "win:show", "tool": "gui:main"}
    assert names(text) == ["blackd", "tool", "größe.x_1-2", "window", "tool"]


@pytest.mark.parametrize(
    "line",
    [
        *("../x = a:b", "/x = a:b", "a/b = a:b", "a\\b = a:b", ".. = a:b", ". = a:b", "a b = a:b", "= a:b"),
        *("x = a", "x =", "x", "x = a:b:c", "x = a : b", "x = a:b; import os", "x = a:b\tc", "x = a:b ["),
        *("x = .a:b", "x = a:b()", "[x = a:b"),
    ],
)
def test_what_is_no_entry_point_is_refused(line: str) -> None:
    with pytest.raises(BuildError) as caught:
        points(f"[console_scripts]\n{line}\n")
    assert str(caught.value) == (
        f"the wheel of `demo 1.0` has the entry point `{line}`, which is not a name and `module:callable`"
    )


def test_pip_gets_the_names_of_the_image_s_version() -> None:
    text = "[console_scripts]\npip = pip:main\npip3 = pip:main\npip3.9 = pip:main\npipx = x:main\n"
    assert names(text) == ["pip", "pip3", "pip3.11", "pipx"]
    text = "[console_scripts]\neasy_install-3.8 = e:main\neasy_install = e:main\n"
    assert names(text) == ["easy_install", "easy_install-3.11"]
    assert names("[console_scripts]\npip3.9 = pip:main\n") == ["pip3.9"]


def test_shebangs() -> None:
    assert shebang(PYTHON) == b"#!/opt/venv/bin/python\n"
    limit = "/" + "x" * 123
    assert shebang(limit) == b"#!" + limit.encode() + b"\n"
    assert shebang(limit + "x") == b"#!/bin/sh\n'''exec' " + limit.encode() + b"x \"$0\" \"$@\"\n' '''\n"
    assert shebang("/a b/python") == b"#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (b"#!python\nx", b"#!/opt/venv/bin/python\nx"),
        (b"#!pythonw -E\r\nx\r\n", b"#!/opt/venv/bin/python\nx\r\n"),
        (b"#!python3.9", b"#!/opt/venv/bin/python\n"),
        (b"#!/usr/bin/python\nx", b"#!/usr/bin/python\nx"),
        (b"#! python\nx", b"#! python\nx"),
        (b"\x7fELF", b"\x7fELF"),
        (b"", b""),
    ],
)
def test_scripts(script: bytes, expected: bytes) -> None:
    assert with_interpreter(script, PYTHON) == expected


def test_wrappers_of_setuptools() -> None:
    found = points("[console_scripts]\nTool = a:b\n[gui_scripts]\nwin = a:b\n")
    for file in ("Tool", "Tool.exe", "Tool-script.py", "Tool.pya", "Tool.EXE", "win"):
        assert is_wrapper(file, found)
    for file in ("tool", "Tool.py", "tool.exe", "Tool-script.pyw", "other"):
        assert not is_wrapper(file, found)
