"""Bytecode is what `py_compile` makes, whatever runs in parallel."""

import hashlib
import py_compile
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlimage import process
from mlimage.content import bytecode
from mlimage.content.bytecode import bytecode_entries
from mlimage.content.entry import Entry, file_of_bytes, symlink
from mlimage.errors import BuildError

TAG = sys.implementation.cache_tag


class ThisPython:
    """The interpreter of the tests in place of a base's."""

    def command(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
    ) -> process.Command:
        return process.Command(argv=(sys.executable, *args), env=env or {}, stdin=stdin)


def file(path: str, source: bytes, mode: int = 0o644) -> Entry:
    return file_of_bytes(path, source, origin="demo 1.0", mode=mode)


def content(entry: Entry) -> bytes:
    assert entry.open is not None
    with entry.open() as stream:
        body = stream.read()
    assert len(body) == entry.size
    return body


def compiled(entries: list[Entry], scratch: Path, *, jobs: int = 1) -> dict[str, bytes]:
    made = bytecode_entries(entries, interpreter=ThisPython(), scratch=scratch, jobs=jobs)
    assert [entry.path for entry in made] == sorted((entry.path for entry in made), key=str.encode)
    assert {(entry.mode, entry.origin) for entry in made} <= {(0o644, "demo 1.0")}
    return {entry.path: content(entry) for entry in made}


SOURCES = {
    "site/demo/__init__.py": b"'''Doc.'''\nx = 1\n",
    "site/demo/latin.py": "# coding: latin-1\nname = 'größe'\n".encode("latin-1"),
    "site/demo/windows.py": b"def f(a, b=(1, 2)):\r\n    return {a, b, 'text'}\r\n",
    "site/demo/bom.py": b"\xef\xbb\xbfx = 'a'\n",
    "site/demo/empty.py": b"",
    "site/demo/warns.py": b"x = '\\d' is 1\nassert (x, 'y')\n",
    "site/demo/größe.py": "größe = '☃'\n".encode(),
    "top.py": b"from __future__ import annotations\nclass A:\n    x: int = 0\n",
}


@pytest.mark.filterwarnings("ignore")
def test_the_bytes_are_those_of_py_compile(tmp_path: Path) -> None:
    found = compiled([file(path, source) for path, source in SOURCES.items()], tmp_path)
    for path, source in SOURCES.items():
        folder, _, name = path.rpartition("/")
        (tmp_path / "source.py").write_bytes(source)
        py_compile.compile(
            str(tmp_path / "source.py"),
            cfile=str(tmp_path / "expected.pyc"),
            dfile=f"/{path}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        target = f"{folder}/__pycache__/{name.removesuffix('.py')}.{TAG}.pyc".removeprefix("/")
        assert found[target] == (tmp_path / "expected.pyc").read_bytes(), path
    assert len(found) == len(SOURCES)


def test_what_does_not_compile_is_skipped_and_told(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    made = bytecode_entries(
        [
            file("good.py", b"x = 1\n"),
            file("old.py", b"print 'python 2'\n"),
            file("null.py", b"x = '\0'\n"),
            file("bytes.py", b"x = '\xff'\n"),
            file("deep.py", b"(" * 100_000),
            file("{{ template }}.py", b"x = {{ value }}\n"),
        ],
        interpreter=ThisPython(),
        scratch=tmp_path,
        skipped=lambda entry, why: told.append((entry.path, why.partition(":")[0])),
    )
    assert [entry.path for entry in made] == [
        f"__pycache__/good.{TAG}.pyc",
        f"__pycache__/{{{{ template }}}}.{TAG}.pyc",
    ]
    assert dict(told).keys() == {"bytes.py", "deep.py", "null.py", "old.py"}
    assert dict(told)["old.py"] == "SyntaxError"


def test_only_sources_are_compiled(tmp_path: Path) -> None:
    found = compiled(
        [
            file("bin/tool.py", b"x = 1\n", mode=0o755),
            file("bin/module.py", b"x = 1\n"),
            file("demo/run.py", b"x = 1\n", mode=0o755),
            file("demo/data.txt", b"x = 1\n"),
            file("demo/stub.pyi", b"x = 1\n"),
            symlink("demo/link.py", "run.py", origin="demo 1.0"),
        ],
        tmp_path,
    )
    assert list(found) == [f"bin/__pycache__/module.{TAG}.pyc", f"demo/__pycache__/run.{TAG}.pyc"]


def test_bytecode_that_is_there_already_is_not_made_twice(tmp_path: Path) -> None:
    given = file(f"demo/__pycache__/a.{TAG}.pyc", b"theirs")
    assert compiled([file("demo/a.py", b""), given], tmp_path) == {}


def test_nothing_to_compile_starts_nothing(tmp_path: Path) -> None:
    def run(command: process.Command) -> process.Completed:
        raise AssertionError(command)

    made = bytecode_entries([file("a", b"")], interpreter=ThisPython(), scratch=tmp_path, run=run)
    assert made == ()


def test_threads_and_the_order_of_entries_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode, "CHUNK_FILES", 7)
    monkeypatch.setattr(bytecode, "CHUNK_BYTES", 2000)
    entries = [
        file(
            f"demo/m{number:03}.py",
            f"def f{number}(x):\n    return x, {{'a', 'b', {number % 5}}}, ('name', {number % 3})\n".encode()
            + b"# filler\n" * (number * 37 % 100),
        )
        for number in range(60)
    ]
    shuffled = sorted(entries, key=lambda entry: hashlib.sha256(entry.path.encode()).digest())
    once = compiled(entries, tmp_path)
    assert compiled(shuffled, tmp_path, jobs=4) == once
    assert len(once) == 60


def test_chunks_end_by_number_and_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "CHUNK_FILES", 3)
    monkeypatch.setattr(bytecode, "CHUNK_BYTES", 100)
    started: list[int] = []

    def run(command: process.Command) -> process.Completed:
        assert command.stdin is not None
        started.append(int.from_bytes(command.stdin[:4], "little"))
        assert command.env == {"PYTHONHASHSEED": "0"}
        return process.run(command)

    sources = [b"", b"", b"", b"#" * 99, b"#" * 99, b"#" * 500, b""]
    bytecode_entries(
        [file(f"m{number}.py", source) for number, source in enumerate(sources)],
        interpreter=ThisPython(),
        scratch=tmp_path,
        run=run,
    )
    assert started == [3, 2, 1, 1]


@pytest.mark.parametrize(
    ("done", "message"),
    [
        ({"status": 3, "stderr": b"no libz\n"}, "ended with status 3 when it compiled `demo 1.0`: no libz"),
        ({"status": -9, "stderr": b""}, "ended with status -9 when it compiled `demo 1.0`: it said nothing"),
        ({"stdout": b""}, "gave half an answer when it compiled `demo 1.0`"),
        ({"stdout": b"\x01\0\0\0t"}, "gave half an answer when it compiled `demo 1.0`"),
        ({"stdout": b"\x01\0\0\0t+\x05\0\0\0abc"}, "gave half an answer when it compiled `demo 1.0`"),
        ({"stdout": b"\x01\0\0\0t+\x01\0\0\0abc"}, "gave half an answer when it compiled `demo 1.0`"),
    ],
)
def test_an_interpreter_that_fails_is_an_error(
    tmp_path: Path, done: dict[str, bytes | int], message: str
) -> None:
    def run(command: process.Command) -> process.Completed:
        return process.Completed(
            command=command,
            status=int(done.get("status", 0)),
            stdout=bytes(done.get("stdout", b"")),
            stderr=bytes(done.get("stderr", b"")),
        )

    with pytest.raises(BuildError) as caught:
        bytecode_entries([file("a.py", b"")], interpreter=ThisPython(), scratch=tmp_path, run=run)
    assert str(caught.value) == f"the image's interpreter {message}"


def test_an_interpreter_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    class Missing(ThisPython):
        def command(
            self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
        ) -> process.Command:
            return process.Command(argv=(str(tmp_path / "none"), *args), env=env or {}, stdin=stdin)

    with pytest.raises(BuildError) as caught:
        bytecode_entries([file("a.py", b"")], interpreter=Missing(), scratch=tmp_path)
    assert str(caught.value) == "cannot start the image's interpreter: no such file or directory"


def test_a_random_hash_seed_is_an_error(tmp_path: Path) -> None:
    class Random(ThisPython):
        def command(
            self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
        ) -> process.Command:
            return process.Command(argv=(sys.executable, *args), env={}, stdin=stdin)

    with pytest.raises(BuildError) as caught:
        bytecode_entries([file("a.py", b"")], interpreter=Random(), scratch=tmp_path)
    assert str(caught.value) == (
        "the image's interpreter ended with status 1 when it compiled `demo 1.0`: the hash seed is not fixed"
    )
