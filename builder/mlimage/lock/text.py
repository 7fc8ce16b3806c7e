"""The text form of a lock: `base.toml`, `<tag>.txt` and `<tag>.toml`; no host and no path is in it.

A lock has exactly one text. The reader writes again what it read and compares, so nothing in a file that
was changed by hand goes unseen.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlimage.atomic import PARTIAL, atomic_file
from mlimage.digest import Digest
from mlimage.errors import LockError
from mlimage.lock.model import Lock
from mlimage.lock.reader import check_format, parse_base, parse_variant
from mlimage.lock.toml import difference, read_table, read_text, shown
from mlimage.lock.writer import base_file, render_lock, requirements_file
from mlimage.regular import read_file
from mlimage.signals import deferred
from mlimage.spec.load import LoadedSpec
from mlimage.spec.tags import ROLES, ImageTag, lock_tags

_ABANDONED: Final = 3600.0
"""Seconds after which an unfinished file is taken for what a killed process left."""


def write_lock(folder: Path, lock: Lock) -> tuple[Path, ...]:
    """Write the files that differ from what is there; all, or none when one cannot be. Returns those.

    The variant's own file gets its name last: it holds the digest of the base's, so a lock that was torn by
    `kill -9` between two names is seen when it is read.
    """
    texts = {folder / name: text.encode() for name, text in render_lock(lock).items()}
    written = [path for path, text in texts.items() if not _has(path, text)]
    with deferred(), ExitStack() as stack:  # which gives the names in the reverse of this order
        for path in reversed(written):
            stream = stack.enter_context(atomic_file(path))
            stream.write(texts[path])
            stream.flush()
    for role in (None, *ROLES):  # lists of a spec that was split, or was not
        listed = folder / requirements_file(replace(lock.tag, role=role))
        if listed not in texts and listed.exists():  # a read-only folder refuses even what changes nothing
            listed.unlink()
    for left in folder.glob(f"{PARTIAL}*"):
        if left.stat().st_mtime < time.time() - _ABANDONED:
            left.unlink(missing_ok=True)
    return tuple(written)


def _has(path: Path, text: bytes) -> bool:
    try:
        return read_file(path, len(text)) == text
    except OSError:  # what cannot be read is written anew, in place of a link, too
        return False


def read_others(folder: Path, loaded: LoadedSpec, lock: Lock) -> Mapping[ImageTag, Lock]:
    """The locks of the spec that are there, `lock` among them, by tag.

    Raises:
        LockError: as `read_lock` does.
    """
    there = [tag for tag in lock_tags(loaded.spec) if has_lock(folder, tag)]
    return {tag: lock if tag == lock.tag else read_lock(folder, tag) for tag in there}


def has_lock(folder: Path, tag: ImageTag) -> bool:
    """Whether `read_lock` finds one."""
    return (folder / f"{tag}.toml").exists()


def read_lock(folder: Path, tag: ImageTag) -> Lock:
    """The lock of one variant and platform.

    Args:
        folder: the image's folder of locks.
        tag: of the lock, without a role.

    Raises:
        LockError: a file is missing, is not as `write_lock` writes it, or was changed by hand.
    """
    path = folder / f"{tag}.toml"
    if not has_lock(folder, tag):
        raise LockError(
            f"`{folder.name}` has no lock for `{tag}`",
            where=shown(path),
            hint=f"`mlimage lock {folder.name}` writes it",
        )
    root = read_table(path)
    check_format(root)
    base_digest = root.digest("base")
    base_path = folder / base_file(tag)
    base_text = read_text(base_path)
    base = parse_base(read_table(base_path))
    lock = parse_variant(root, base)
    if lock.image != folder.name or lock.tag != tag:
        raise root.error(f"this is the lock of `{lock.name}`, not of `{folder.name}:{tag}`", "image")
    expected = render_lock(lock)
    if Digest.of(base_text.encode()) != base_digest and base_text == expected[base_path.name]:
        raise root.error(f"`{base_path.name}` is not the one that this lock was made with", "base")
    found = {name: read_text(folder / name) for name in expected}
    for name, text in expected.items():
        line = difference(text, found[name])
        if line is not None:
            raise LockError(
                "changed by hand, or not as this mlimage writes it",
                where=f"{shown(folder / name)}:{line}",
                hint=f"restore it from version control, or write it anew: `mlimage lock {lock.image}`",
            )
    return lock
