"""A slow model of builds: instructions work on a tree, layers are differences of trees, images are layers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mlimage.content.entry import Entry, Kind
from support.layouts import Tarred, folder, hard_link, member, opaque, symlink, whiteout

Node = tuple[str, int, str]
"""Kind, mode, and content or target."""
Tree = dict[str, Node]


@dataclass(slots=True)
class Doing:
    """One instruction at work on a tree: what it emptied, and its hard links."""

    tree: Tree
    emptied: set[str] = field(default_factory=set)
    linked: dict[str, str] = field(default_factory=dict)

    def make_folder(self, path: str, mode: int = 0o755) -> bool:
        for above in (*parents(path), path) if path else ():
            there = self.tree.setdefault(above, ("folder", mode if above == path else 0o755, ""))
            if there[0] != "folder":
                return False
        return True

    def put(self, path: str, node: Node) -> None:
        if self.make_folder(path.rpartition("/")[0]) and self.tree.get(path, node)[0] != "folder":
            self.tree[path] = node
            self.linked = {one: other for one, other in self.linked.items() if path not in {one, other}}

    def remove(self, path: str) -> None:
        if self.tree.get(path, ("",))[0] == "folder":
            self.emptied.add(path)
        for each in [each for each in self.tree if each == path or each.startswith(f"{path}/")]:
            del self.tree[each]

    def link(self, path: str, target: str) -> None:
        if path != target and self.tree.get(target, ("",))[0] == "file" and path not in self.tree:
            self.put(path, self.tree[target])
            if path in self.tree:
                self.linked[path] = target


def parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def difference(before: Tree, doing: Doing, *, opaques: bool, late: bool) -> list[Tarred]:
    """The layer of an instruction: what is new or changed, with its parents, and whiteouts for what is gone.

    Args:
        before: the tree below.
        doing: the instruction, done.
        opaques: folders that were removed and made again are said to be opaque.
        late: whiteouts stand at the end.
    """
    after = doing.tree
    empty = {path for path in doing.emptied if opaques and after.get(path, ("",))[0] == "folder"}
    links = {
        path: target
        for path, target in doing.linked.items()
        if after.get(path) == after.get(target) and target in after and target not in doing.linked
    }
    changed = {path for path, node in after.items() if before.get(path) != node}
    changed |= set(links.values()) | empty
    changed |= {path for path in after for above in empty if path.startswith(f"{above}/")}
    gone = [
        path
        for path in before
        if path not in after
        and after.get(path.rpartition("/")[0], ("folder",))[0] == "folder"
        and (path.rpartition("/")[0] in after or "/" not in path)
        and not any(path.startswith(f"{above}/") for above in empty)
    ]
    changed |= {above for path in (*changed, *gone) for above in parents(path)}
    written = [tarred(path, after[path]) for path in sorted(changed) if path not in links]
    written += [hard_link(path, target) for path, target in sorted(links.items())]
    hiding = [*map(whiteout, sorted(gone)), *map(opaque, sorted(empty))]
    return [*written, *hiding] if late else [*hiding, *written]


def tarred(path: str, node: Node) -> Tarred:
    kind, mode, text = node
    match kind:
        case "folder":
            return folder(path, mode=mode)
        case "link":
            return symlink(path, text)
        case _:
            return member(path, text.encode(), mode=mode)


def laid(tree: Tree, layer: Iterable[tuple[str, Node]]) -> Tree:
    """A tree with one layer more (OCI image-spec, layer.md): first what the layer hides, then what it has."""
    result = dict(tree)
    members = list(layer)

    def clear(path: str, *, itself: bool) -> None:
        for each in [each for each in result if each.startswith(f"{path}/") or (itself and each == path)]:
            del result[each]

    for path, _ in members:
        above, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            clear(above, itself=False)
        elif name.startswith(".wh."):
            clear(f"{above}/{name[4:]}" if above else name[4:], itself=True)
    for path, node in members:
        if path.rpartition("/")[2].startswith(".wh."):
            continue
        if node[0] != "folder":
            clear(path, itself=True)
        result[path] = node
    return result


def nodes_of(entries: Iterable[Entry]) -> Iterator[tuple[str, Node]]:
    for entry in entries:
        if entry.open is not None:
            with entry.open() as stream:
                yield entry.path, ("file", entry.mode, stream.read().decode())
        elif entry.kind is Kind.SYMLINK:
            yield entry.path, ("link", entry.mode, entry.target)
        else:
            yield entry.path, ("folder", entry.mode, "")


def nodes_in(members: Sequence[Tarred]) -> Iterator[tuple[str, Node]]:
    content = {info.name: body.decode() for info, body in members}
    for info, body in members:
        if info.isdir():
            yield info.name, ("folder", info.mode, "")
        elif info.issym():
            yield info.name, ("link", info.mode, info.linkname)
        elif info.islnk():
            target = next(each for each, _ in members if each.name == info.linkname)
            yield info.name, ("file", target.mode, content[info.linkname])
        else:
            yield info.name, ("file", info.mode, body.decode())
