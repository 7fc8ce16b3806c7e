"""Python sources to the `.pyc` files that the image's interpreter loads without a look at the source.

How objects are shared decides some bytes of a `.pyc`, so what a process compiled before may show in the next.
Sources are sorted, cut into chunks by rules that depend on the sources alone, and each chunk is compiled in
order by a fresh process of the target's interpreter with a fixed hash seed: the bytes are the same whatever
runs in parallel. Whoever changes the rules counts up the seal version, `plan.layers.SEAL_VERSION`.
"""

import os
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from mlimage import process
from mlimage.content.entry import Entry, Kind
from mlimage.errors import BuildError, reason_of
from mlimage.redact import redact

CHUNK_FILES: Final = 256
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""A chunk ends with the file that reaches one of these."""

_LENGTH: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<cI")

_WORKER: Final = """\
import sys
sys.path[:] = filter(None, sys.path)
import gc, struct
from importlib._bootstrap_external import _code_to_hash_pyc
from importlib.util import source_hash

if sys.flags.hash_randomization:
    sys.exit("the hash seed is not fixed")
gc.disable()
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
length = struct.Struct("<I")


def field():
    return stdin.read(length.unpack(stdin.read(4))[0])


tag = sys.implementation.cache_tag.encode()
stdout.write(length.pack(len(tag)) + tag)
for _ in range(length.unpack(stdin.read(4))[0]):
    path = field().decode()
    source = field()
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except Exception as error:  # as compileall does: what does not compile has no bytecode
        kind, pyc = b"-", f"{type(error).__name__}: {error}".encode(errors="replace")
    else:
        kind, pyc = b"+", _code_to_hash_pyc(code, source_hash(source), False)
    stdout.write(kind + length.pack(len(pyc)))
    stdout.write(pyc)
stdout.flush()
"""


class Compiler(Protocol):
    """What is asked of the target's interpreter."""

    def command(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
    ) -> process.Command:
        """What runs it with these arguments, and with nothing of this machine's environment."""


def bytecode_entries(
    entries: Sequence[Entry],
    *,
    interpreter: Compiler,
    scratch: Path,
    jobs: int = 1,
    run: process.Runner = process.run,
    skipped: Callable[[Entry, str], object] = lambda _entry, _why: None,
) -> tuple[Entry, ...]:
    """The `.pyc` of every source, as `py_compile` with `UNCHECKED_HASH` makes it, sorted by path.

    None is made for a source that does not compile (wheels have templates, and tests of errors), for a
    program (an executable file in a folder `bin`), and where the entries hold that `.pyc` already. RECORD
    does not list them, as it does not list bytecode that Python writes by itself.

    Args:
        entries: the files of one input (a wheel, the base, the application): a unit of compilation.
        interpreter: the target's interpreter.
        scratch: a folder for the results, which must live as long as the entries are read.
        jobs: processes at a time; does not change the bytes.
        run: starts processes.
        skipped: told what did not compile, and why.

    Raises:
        BuildError: the interpreter fails.
    """
    present = frozenset(entry.path for entry in entries)
    chunks = list(_chunks(sorted(filter(_is_source, entries), key=lambda entry: entry.path.encode())))
    compile_chunk = partial(_compile, interpreter=interpreter, scratch=scratch, run=run)
    if jobs > 1 and len(chunks) > 1:
        with ThreadPoolExecutor(min(jobs, len(chunks)), "bytecode") as pool:
            results = list(pool.map(compile_chunk, chunks))
    else:
        results = list(map(compile_chunk, chunks))
    for result in results:
        for entry, why in result.skipped:
            skipped(entry, why)
    made = [entry for result in results for entry in result.made if entry.path not in present]
    return tuple(sorted(made, key=lambda entry: entry.path.encode()))


def _is_source(entry: Entry) -> bool:
    if entry.kind is not Kind.FILE or not entry.path.endswith(".py"):
        return False
    folder = entry.path.rpartition("/")[0]
    return not (entry.mode & 0o111 and folder.rpartition("/")[2] == "bin")


def _chunks(sources: Sequence[Entry]) -> Iterator[tuple[Entry, ...]]:
    chunk: list[Entry] = []
    size = 0
    for entry in sources:
        chunk.append(entry)
        size += entry.size
        if len(chunk) >= CHUNK_FILES or size >= CHUNK_BYTES:
            yield tuple(chunk)
            chunk, size = [], 0
    if chunk:
        yield tuple(chunk)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What became of a chunk."""

    made: tuple[Entry, ...]
    skipped: tuple[tuple[Entry, str], ...]


def _compile(
    chunk: tuple[Entry, ...], *, interpreter: Compiler, scratch: Path, run: process.Runner
) -> _Result:
    """Compile a chunk in a fresh process, and keep its whole answer in one file."""
    command = interpreter.command(
        "-S", "-B", "-W", "ignore", "-c", _WORKER, env={"PYTHONHASHSEED": "0"}, stdin=_request(chunk)
    )
    origin = chunk[0].origin
    try:
        done = run(command)
    except OSError as error:
        raise BuildError(f"cannot start the image's interpreter: {reason_of(error)}") from error
    if done.status != 0:
        said = redact(done.errors.strip())[-2000:] or "it said nothing"
        raise BuildError(
            f"the image's interpreter ended with status {done.status} when it compiled `{origin}`: {said}"
        )
    descriptor, name = tempfile.mkstemp(prefix="bytecode-", dir=scratch)
    with os.fdopen(descriptor, "wb") as spool:
        spool.write(done.stdout)
    try:
        return _read_answer(chunk, done.stdout, Path(name))
    except (struct.error, UnicodeDecodeError) as error:
        raise BuildError(
            f"the image's interpreter gave half an answer when it compiled `{origin}`"
        ) from error


def _read_answer(chunk: tuple[Entry, ...], answer: bytes, spool: Path) -> _Result:
    (length,) = _LENGTH.unpack_from(answer)
    at = _LENGTH.size + length
    tag = answer[_LENGTH.size : at].decode()
    made: list[Entry] = []
    skipped: list[tuple[Entry, str]] = []
    for entry in chunk:
        kind, length = _HEAD.unpack_from(answer, at)
        at += _HEAD.size
        if kind == b"+":
            folder, _, file = entry.path.rpartition("/")
            made.append(
                Entry(
                    path=f"{folder}/__pycache__/{file.removesuffix('.py')}.{tag}.pyc".removeprefix("/"),
                    kind=Kind.FILE,
                    mode=0o644,
                    origin=entry.origin,
                    size=length,
                    open=partial(_slice, spool, at, length),
                )
            )
        else:
            skipped.append((entry, answer[at : at + length].decode()))
        at += length
    if at != len(answer):
        message = "more or less than was announced"
        raise struct.error(message)
    return _Result(made=tuple(made), skipped=tuple(skipped))


def _request(chunk: tuple[Entry, ...]) -> bytes:
    parts = [_LENGTH.pack(len(chunk))]
    for entry in chunk:
        if entry.open is None:  # pragma: no cover - a file has bytes
            raise AssertionError(entry.path)
        path = f"/{entry.path}".encode()
        with entry.open() as stream:
            source = stream.read()
        parts += [_LENGTH.pack(len(path)), path, _LENGTH.pack(len(source)), source]
    return b"".join(parts)


def _slice(spool: Path, at: int, length: int) -> BinaryIO:
    with spool.open("rb") as stream:
        stream.seek(at)
        return BytesIO(stream.read(length))
