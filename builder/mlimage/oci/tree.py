"""A root file system that layers are laid onto, entry by entry; nothing can be written outside of it.

Every path is resolved against what was written here before, never by the kernel: a symbolic link of the
image leads from the image's root, and one that would leave it is refused. The folder has one writer and
begins empty, so what is remembered is what is there.
"""

# ruff: noqa: PTH101, PTH102, PTH108, PTH208, PTH211 - Paths cost as much as the files

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.bounds import TREE, shown, why_not
from mlimage.errors import BuildError
from mlimage.oci.untar import Member, MemberKind
from mlimage.trees import remove_tree

WHITEOUT: Final = ".wh."
"""How the name of an entry begins that hides one of a layer below (OCI image-spec, layer.md)."""
OPAQUE: Final = ".wh..wh..opq"
"""Hides all that layers below have in its folder."""
_AUFS: Final = ".wh..wh."
_DEV: Final = "dev/"
"""What bases have below it is passed over: whatever runs an image lays its own devices there."""
_DEVICES: Final = frozenset({MemberKind.CHARACTER_DEVICE, MemberKind.BLOCK_DEVICE, MemberKind.FIFO})
_MAX_LINKS: Final = 40
_SET_ID: Final = 0o6000
_OWNER_MAY_ALL: Final = 0o700
_IMPOSSIBLE: Final = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.ENOENT})
"""How the kernel refuses names, links and numbers that no file has (an empty target is ENOENT)."""


@dataclass(frozen=True, slots=True)
class _Node:
    kind: MemberKind
    layer: int
    target: str = ""


class Tree:
    """The file system so far.

    Args:
        root: an empty folder.
        owners: whether files get the owners that layers say, which only root may do. Else they do not get
            the set-user-id bits either, which would hand out the rights of whoever unpacks.
    """

    def __init__(self, root: Path, *, owners: bool) -> None:
        self._root = os.fspath(root)
        self._owners = owners
        self._nodes: dict[str, _Node] = {"": _Node(MemberKind.DIRECTORY, -1)}
        self._folders: dict[str, Member] = {}
        self._resolved: dict[str, str] = {}
        self._layer = 0
        self._name = ""

    def begin(self, name: str) -> None:
        """What follows is of the next layer."""
        self._layer += 1
        self._name = name

    def place(self, member: Member, content: Callable[[], Iterator[bytes]]) -> None:
        """Lay one entry.

        Raises:
            BuildError: its path or link leaves the image, it stands twice in its layer, is a device, or has a
                name, an owner or a time that no file can have.
        """
        with self._refusing(member):
            self._place(member, content)

    def _place(self, member: Member, content: Callable[[], Iterator[bytes]]) -> None:
        path = self._clean(member.path)
        if not path:
            return
        if len(self._nodes) > TREE:
            raise self._refused(member, f"is one too many: at most {TREE} files and folders are allowed")
        parent, _, name = path.rpartition("/")
        folder = self._resolved.get(parent)
        if folder is None:
            folder = self._resolved[parent] = self._folder_of(parent, member)
        if name.startswith(WHITEOUT):
            self._hide(folder, name)
            return
        where = f"{folder}/{name}" if folder else name
        self._check(where, member)
        if member.kind in _DEVICES and where.startswith(_DEV):
            return
        self._make_room(where, member)
        match member.kind:
            case MemberKind.FILE:
                self._write(where, member, content())
            case MemberKind.DIRECTORY:
                self._folder(where, member)
            case MemberKind.SYMLINK:
                os.symlink(member.target, self._at(where))
                self._own(where, member)
                os.utime(self._at(where), (member.mtime, member.mtime), follow_symlinks=False)
            case MemberKind.HARD_LINK:
                self._link(where, member)
            case MemberKind.CHARACTER_DEVICE | MemberKind.BLOCK_DEVICE | MemberKind.FIFO:
                raise self._refused(member, f"is a {member.kind.value}")
        self._nodes[where] = _Node(member.kind, self._layer, member.target)

    def finish(self) -> None:
        """Give folders their modes, owners and times, which had to wait until all was in them."""
        for path in sorted(self._folders, reverse=True):
            member = self._folders[path]
            with self._refusing(member):
                self._own(path, member)
                os.chmod(self._at(path), self._mode(member))
                os.utime(self._at(path), (member.mtime, member.mtime))

    @contextmanager
    def _refusing(self, member: Member) -> Iterator[None]:
        try:
            yield
        except OverflowError as error:
            raise self._refused(member, "has an owner or a time that no file can have") from error
        except OSError as error:
            if error.errno not in _IMPOSSIBLE:
                raise
            raise self._refused(member, "has a name or a target that no file can have") from error

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _clean(self, path: str) -> str:
        """The path without `./` and a final `/`; refuses one that could lead anywhere else."""
        text = path.rstrip("/")
        while text.startswith("./"):
            text = text[2:]
        if text in {"", "."} and not path.startswith("/"):
            return ""
        if text.startswith("/") or not text or "\0" in text:
            raise self._refused_path(path)
        if any(part in {"", ".", ".."} for part in text.split("/")):
            raise self._refused_path(path)
        return text

    def _folder_of(self, path: str, member: Member) -> str:
        """Where the folder really is, inside the root, after its symbolic links; made where it is missing."""
        current = ""
        left = path.split("/") if path else []
        links = 0
        while left:
            part = left.pop(0)
            if part in {"", "."}:
                continue
            if part == "..":
                if not current:
                    raise self._refused(member, "leaves the image through a link")
                current = current.rpartition("/")[0]
                continue
            candidate = f"{current}/{part}" if current else part
            node = self._nodes.get(candidate)
            if node is None:
                self._check(candidate, member)
                os.mkdir(self._at(candidate), 0o755)
                os.chmod(self._at(candidate), 0o755)  # noqa: S103 - whatever the umask
                self._nodes[candidate] = _Node(MemberKind.DIRECTORY, self._layer)
                current = candidate
            elif node.kind is MemberKind.DIRECTORY:
                current = candidate
            elif node.kind is MemberKind.SYMLINK:
                links += 1
                if links > _MAX_LINKS:
                    raise self._refused(member, "lies behind links that lead in a circle")
                if node.target.startswith("/"):
                    current = ""
                left[:0] = node.target.split("/")
            else:
                raise self._refused(member, f"lies in `/{candidate}`, which is a file")
        return current

    def _check(self, where: str, member: Member) -> None:
        """Refuse what links of the image lead deeper or farther than any path that stands in it."""
        why = why_not(where)
        if why:
            raise self._refused(member, f"leads to `/{shown(where)}`, which {why}")

    def _make_room(self, where: str, member: Member) -> None:
        there = self._nodes.get(where)
        if there is None:
            return
        both_folders = there.kind is MemberKind.DIRECTORY and member.kind is MemberKind.DIRECTORY
        if both_folders:
            return
        if there.layer == self._layer:
            raise self._refused(member, "stands there twice")
        self._remove(where, there)

    def _remove(self, where: str, node: _Node) -> None:
        if node.kind is MemberKind.DIRECTORY:
            left = remove_tree(Path(self._at(where)))
            if left:
                raise OSError(errno.EBUSY, str(left), self._at(where))
            below = f"{where}/"
            for path in [path for path in self._nodes if path.startswith(below)]:
                del self._nodes[path]
                self._folders.pop(path, None)
            self._folders.pop(where, None)
        else:
            os.unlink(self._at(where))
        del self._nodes[where]
        self._resolved.clear()

    def _hide(self, folder: str, name: str) -> None:
        if name == OPAQUE:
            self._remove_lower(folder)
        elif name != WHITEOUT and not name.startswith(_AUFS):
            hidden = f"{folder}/{name[len(WHITEOUT) :]}" if folder else name[len(WHITEOUT) :]
            node = self._nodes.get(hidden)
            if node is not None and node.kind is MemberKind.DIRECTORY:
                self._remove_lower(hidden)
                if node.layer < self._layer and not os.listdir(self._at(hidden)):
                    self._remove(hidden, node)
            elif node is not None and node.layer < self._layer:
                self._remove(hidden, node)

    def _remove_lower(self, folder: str) -> None:
        """Remove what layers below have in the folder, and keep what this layer already laid there."""
        below = f"{folder}/" if folder else ""
        inside = [path for path in self._nodes if path.startswith(below) and path not in {folder, ""}]
        for path in sorted(inside, reverse=True):
            node = self._nodes[path]
            if node.layer == self._layer:
                continue
            if node.kind is MemberKind.DIRECTORY and os.listdir(self._at(path)):
                continue
            self._remove(path, node)

    def _write(self, where: str, member: Member, content: Iterator[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._at(where), flags, 0o600)
        try:
            for piece in content:
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            if self._owners:
                os.fchown(descriptor, member.uid, member.gid)
            os.fchmod(descriptor, self._mode(member))
            os.utime(descriptor, (member.mtime, member.mtime))
        finally:
            os.close(descriptor)

    def _folder(self, where: str, member: Member) -> None:
        if where not in self._nodes:
            os.mkdir(self._at(where), _OWNER_MAY_ALL)
        self._folders[where] = member

    def _link(self, where: str, member: Member) -> None:
        target = self._clean(member.target)
        folder, _, name = target.rpartition("/")
        real = self._folder_of(folder, member)
        source = f"{real}/{name}" if real else name
        node = self._nodes.get(source)
        if node is None or node.kind not in {MemberKind.FILE, MemberKind.HARD_LINK}:
            raise self._refused(member, f"is a hard link to `/{target}`, which is no file")
        os.link(self._at(source), self._at(where), follow_symlinks=False)

    def _mode(self, member: Member) -> int:
        return member.mode if self._owners else member.mode & ~_SET_ID

    def _own(self, where: str, member: Member) -> None:
        if self._owners:
            os.chown(self._at(where), member.uid, member.gid, follow_symlinks=False)

    def _refused_path(self, path: str) -> BuildError:
        return BuildError(f"layer `{self._name}` has an entry outside of the image: {shown(path)!r}")

    def _refused(self, member: Member, why: str) -> BuildError:
        return BuildError(f"`{shown(member.path)}` of layer `{self._name}` {why}")
