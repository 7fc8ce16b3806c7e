"""Wheels that no index has, made here: mlimage writes byte for byte what pip writes."""

from pathlib import Path

import pytest

from support.pipped import installed_by_mlimage, installed_by_pip
from support.wheels import make_wheel


@pytest.mark.parametrize("compress", [True, False])
def test_a_wheel_with_everything_is_installed_as_pip_does(tmp_path: Path, *, compress: bool) -> None:
    wheel = make_wheel(
        tmp_path / "wheels",
        "Every.Thing",
        "1.0+local",
        {
            "every/__init__.py": b"",
            "every/größe ☃.txt": b"unicode",
            'every/"quoted", comma.txt': b"csv",
            "every/tool": b"\x7fELF",
            "every/.hidden": b"",
            "every/__pycache__/old.cpython-311.pyc": b"stale",
            "every-ns.pth": b"import sys\n",
            "top.py": b"x = 1\n",
            "everything.dist-info.txt": b"",
        },
        entry_points=(
            "[console_scripts]\n"
            "# comment\n"
            "every = every:main\n"
            "every = every:main2\n"
            "größe = every.sub:Class.method [extra, more]\n"
            "dotted.name-x=every:f\n"
            "pip = every:pip\n"
            "pip3.9 = every:pip\n"
            "easy_install = every:easy\n"
            "both = every:console\n"
            "[gui_scripts]\n"
            "window = every:window\n"
            "both = every:gui\n"
            "[every.plugins]\n"
            "any thing = that is: here\n"
        ),
        scripts={
            "plain.sh": b"#!/bin/sh\n",
            "py": b"#!python\nprint(1)\n",
            "pyw": b"#!pythonw -E -s\r\nprint(1)\r\n",
            "bare": b"#!python",
            "every-script.py": b"#!python\n",
            "every.exe": b"MZ",
            "binary": b"\x7fELF" + bytes(range(256)),
            "sub/deep.py": b"#!python\n",
        },
        data={
            "data/etc/every.conf": b"a = 1\n",
            "data/bin/from-data": b"#!python\n",
            "headers/every.h": b"#define E\n",
            "headers/sub/every.h": b"#define E\n",
            "purelib/pure.py": b"",
            "platlib/every/plat.so": b"so",
        },
        executable=["every/tool"],
        compress=compress,
    )
    pip = installed_by_pip(wheel, tmp_path / "root")
    ours = installed_by_mlimage(wheel, but=pip)
    assert ours.folders == pip.folders
    assert ours.files == pip.files
