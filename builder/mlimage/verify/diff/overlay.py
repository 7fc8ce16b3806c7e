"""The root file system that layers give one above the other, in memory and without the bytes of files.

The rules are those of `oci.tree`, which unpacks; what that refuses because it would be written is only
looked at here: devices, absolute paths, entries that stand twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mlimage.bounds import DEPTH, TREE, shown
from mlimage.errors import BuildError
from mlimage.oci.tree import OPAQUE, WHITEOUT
from mlimage.oci.untar import MemberKind, TarError
from mlimage.verify.diff.listing import Item, clean_path

_AUFS: Final = ".wh..wh."
_MAX_LINKS: Final = 40


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry where it is in the end.

    Attributes:
        item: the entry; None for a folder that no layer has, only things in it.
        layer: number of the layer that it is of.
        source: (number of a layer, number of an entry in it) where the bytes are; a hard link's are
            those of the file that it leads to. None where there are none, or not known.
        size: of these bytes.
        digest: of these bytes.
    """

    item: Item | None
    layer: int
    source: tuple[int, int] | None = None
    size: int = 0
    digest: bytes = b""


class _Node:
    __slots__ = ("children", "cleared", "placed")

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.cleared = -1
        self.children: dict[str, _Node] | None = None

    @property
    def is_folder(self) -> bool:
        item = self.placed.item
        return item is None or item.kind is MemberKind.DIRECTORY


class Overlay:
    """The file system so far.

    Args:
        whole: whether it begins at the bottom; else there may be more below, which is not known.

    Attributes:
        hides: whether something was seen that hides folders below, or what is in them: a whiteout mostly.
        dangling: whether a hard link was seen that leads to what is not known.
    """

    def __init__(self, *, whole: bool) -> None:
        self.hides = False
        self.dangling = False
        self._whole = whole
        self._root = _Node(Placed(None, -1))
        self._root.children = {}
        self._layer = -1
        self._name = ""
        self._nodes = 0
        self._folders: dict[str, _Node] = {}

    def lay(self, items: Sequence[Item], number: int, name: str) -> None:
        """Lay the next layer.

        Args:
            items: its entries.
            number: of the layer; grows.
            name: of the layer, for messages.

        Raises:
            BuildError: an entry lies in a file, behind links that lead outside or in a circle, or is a hard
                link to nothing.
        """
        self._layer, self._name = number, name
        self._folders.clear()
        for index, item in enumerate(items):
            self._place(item, index)

    def files(self) -> Iterator[tuple[str, Placed]]:
        """Each path that is there, without `/` at the ends, and what it is; parents first."""
        yield "", self._root.placed
        left = [("", self._root)]
        while left:
            prefix, node = left.pop()
            for name, child in (node.children or {}).items():
                yield prefix + name, child.placed
                if child.children:
                    left.append((f"{prefix}{name}/", child))

    def _place(self, item: Item, index: int) -> None:
        if not item.path:
            self._root.placed = Placed(item, self._layer)
            return
        parent, _, name = item.path.rpartition("/")
        folder = self._folders.get(parent)
        if folder is None:
            folder = self._folders[parent] = self._folder(parent, item)
        if name.startswith(WHITEOUT):
            self._hide(folder, name)
            return
        there = (folder.children or {}).get(name)
        if there is not None and there.is_folder and item.kind is MemberKind.DIRECTORY:
            there.placed = Placed(item, self._layer)
            return
        placed = self._placed(item, index)
        if there is not None:
            # A folder in the place of something else shows nothing of what a folder below it has.
            self.hides = self.hides or item.kind is MemberKind.DIRECTORY
            self._folders.clear()
        self._add(folder, name, placed)

    def _placed(self, item: Item, index: int) -> Placed:
        if item.kind is MemberKind.FILE:
            return Placed(item, self._layer, (self._layer, index), item.size, item.digest)
        if item.kind is not MemberKind.HARD_LINK:
            return Placed(item, self._layer)
        try:
            target = clean_path(item.target)
        except TarError as error:
            raise self._refused(item, "is a hard link that leads outside of the image") from error
        parent, _, name = target.rpartition("/")
        node = (self._folder(parent, item).children or {}).get(name)
        if node is None and not self._whole:
            self.dangling = True
            return Placed(item, self._layer)
        if node is None or node.is_folder:
            raise self._refused(item, f"is a hard link to `/{target}`, which is no file")
        linked = node.placed
        return Placed(item, self._layer, linked.source, linked.size, linked.digest)

    def _add(self, folder: _Node, name: str, placed: Placed) -> _Node:
        self._nodes += 1
        if self._nodes > TREE:
            raise BuildError(f"layer `{self._name}` has more files and folders than images have")
        if folder.children is None:
            folder.children = {}
        node = folder.children[name] = _Node(placed)
        return node

    def _folder(self, path: str, item: Item) -> _Node:
        """The folder after the symbolic links in its path; made where it is missing."""
        trail = [self._root]
        left = path.split("/")[::-1] if path else []
        links = 0
        while left:
            part = left.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                if len(trail) == 1:
                    raise self._refused(item, "leaves the image through a link")
                trail.pop()
                continue
            node = (trail[-1].children or {}).get(part)
            if node is None:
                if len(trail) > DEPTH:
                    raise self._refused(item, f"leads deeper than the {DEPTH} levels that are allowed")
                node = self._add(trail[-1], part, Placed(None, self._layer))
            if node.is_folder:
                trail.append(node)
                continue
            there = node.placed.item
            if there is None or there.kind is not MemberKind.SYMLINK:
                raise self._refused(item, f"lies in `{part}`, which is a file")
            links += 1
            if links > _MAX_LINKS:
                raise self._refused(item, "lies behind links that lead in a circle")
            if there.target.startswith("/"):
                trail = [self._root]
            left.extend(there.target.split("/")[::-1])
        return trail[-1]

    def _hide(self, folder: _Node, name: str) -> None:
        self.hides = True
        self._folders.clear()
        if name == OPAQUE:
            self._clear(folder)
        elif name != WHITEOUT and not name.startswith(_AUFS):
            hidden = name[len(WHITEOUT) :]
            node = (folder.children or {}).get(hidden)
            if node is None:
                return
            if node.is_folder:
                self._clear(node)
            if node.placed.layer < self._layer and not node.children and folder.children:
                del folder.children[hidden]

    def _clear(self, folder: _Node) -> None:
        """Remove what layers below have in the folder, and keep what this layer already laid there."""
        if folder.cleared == self._layer:
            return
        folder.cleared = self._layer
        order = [folder]
        for node in order:
            order.extend(child for child in (node.children or {}).values() if child.is_folder)
        for node in reversed(order):
            for name, child in list((node.children or {}).items()):
                if child.placed.layer < self._layer and not child.children and node.children:
                    del node.children[name]

    def _refused(self, item: Item, why: str) -> BuildError:
        return BuildError(f"`{shown(item.path)}` of layer `{self._name}` {why}")
