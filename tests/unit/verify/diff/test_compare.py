"""What two images differ in, from the entries of their layers to the last line."""

import gzip
import io
import tarfile
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.content.entry import Entry, file_of_bytes, symlink
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.oci.contents import Package
from mlimage.oci.found import FoundImage, FoundLayer, in_store
from mlimage.oci.places import find_image
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpack_image
from mlimage.oci.untar import MemberKind
from mlimage.progress import SILENT
from mlimage.verify.diff.compare import compare_images, config_changes, package_changes
from mlimage.verify.diff.explain import config_name, config_text, explain
from mlimage.verify.diff.filetrees import changes, file_change, overlay_of, packages_in
from mlimage.verify.diff.layers import named_alike, pair_layers
from mlimage.verify.diff.model import ByteDifference, ImageDiff
from mlimage.verify.diff.reading import Reading, missing, read
from support.foreign import docker_save, found, layout_files, write_folder
from support.sealing import foreign, sealed, tar_of

SITE = "opt/venv/lib/python3.11/site-packages"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def file(path: str, content: bytes = b"", mode: int = 0o644, uid: int = 0) -> Entry:
    return file_of_bytes(path, content, origin="t", mode=mode, uid=uid)


def wheel(name: str, version: str) -> list[Entry]:
    text = f"Name: {name}\nVersion: {version}\n".encode()
    return [
        file(f"{SITE}/{name}-{version}.dist-info/METADATA", text),
        file(f"{SITE}/{name}/version.py", version.encode()),
    ]


def image(store: Store, **layers: Sequence[Entry]) -> FoundImage:
    return in_store(sealed(store, image="demo", variant="cpu", **layers), store)


def member(
    name: str, content: bytes | None = b"", *, kind: bytes = b"0", target: str = "", **more: int | str
) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar and its bytes."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, len(content or b"")
    for key, value in more.items():
        setattr(info, key, value)
    return info, content or b""


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_two_builds_of_one_plan(store: Store) -> None:
    same = {"base": [file("bin/sh", b"sh")], "numpy": wheel("numpy", "2.3")}
    old = image(store, **same, app=[file("app/a", b"1"), file("app/b", b"x" * 9000), file("app/c")])
    new = image(
        store,
        **same,
        app=[
            file("app/a", b"1", mode=0o755, uid=7),
            file("app/b", b"x" * 8191 + b"yz" + b"x" * 807),
            symlink("app/c", "a", origin="t"),
        ],
    )
    layers = [image.layers[2].diff_id for image in (old, new)]
    assert len(set(layers)) == 2
    assert explain(compare_images(old, new, deep=True)) == (
        "different: 1 layer, 3 files\n"
        "layer app: other entries\n"
        "/app/a (layer app): mode 0644 -> 0755, owner 0:0 -> 7:0\n"
        "/app/b (layer app): content\n"
        "  byte 8,191\n"
        f"  - 00001ff0  {' '.join(['78'] * 16)}  {'x' * 16}\n"
        f"  + 00001ff0  {' '.join(['78'] * 15)} 79  {'x' * 15}y\n"
        "/app/c (layer app): file -> symlink to a, mode 0644 -> 0777"
    )
    assert explain(compare_images(old, old)) == f"identical: both are {old.image_id}"


def test_what_is_explained_has_an_end(store: Store) -> None:
    many = image(store, app=[file(f"{number:03}") for number in range(300)])
    lines = explain(compare_images(image(store, app=[]), many), limit=4).splitlines()
    assert lines == [
        "different: 1 layer, 300 files",
        "layer app: other entries",
        "/000 (layer app): added, file, 0 bytes",
        "/001 (layer app): added, file, 0 bytes",
        "… and 298 lines more",
    ]


def configured(image: FoundImage, **values: Any) -> FoundImage:
    document = {**image.config, **values}
    return replace(image, configuration=replace(image.configuration, document=document))


def test_packages_configuration_and_layers(store: Store) -> None:
    old = image(store, base=[file("a")], numpy=wheel("numpy", "2.3"), six=wheel("six", "1"))
    new = image(store, base=[file("a")], app=[file("b", b"12")], numpy=wheel("numpy", "2.4"))
    config = {**new.config["config"], "Cmd": None, "Env": ["PATH=/", "A=1"], "Labels": {"x": "y"}}
    new = configured(new, config=config, created="now", author="")
    assert explain(compare_images(old, new)) == (
        "different: 8 values of the configuration, 2 packages, 3 layers, 10 files\n"
        'Cmd: ["serve"] -> none\n'
        "Env A: none -> 1\n"
        "Env LANG: C.UTF-8 -> none\n"
        "Env PATH: /usr/bin:/bin -> /\n"
        "Labels dev.mlimage.variant: cpu -> none\n"
        "Labels x: none -> y\n"
        "created: 2026-05-04T03:02:01Z -> now\n"
        'history 1: {"comment":"application","created":"2026-05-04T03:02:01Z","created_by":"mlimage numpy"}'
        ' -> {"comment":"application","created":"2026-05-04T03:02:01Z","created_by":"mlimage app"}\n'
        'history 2: {"comment":"application","created":"2026-05-04T03:02:01Z","created_by":"mlimage six"}'
        ' -> {"comment":"application","created":"2026-05-04T03:02:01Z","created_by":"mlimage numpy"}\n'
        "python package numpy: 2.3 -> 2.4\n"
        "python package six: 1 -> none\n"
        "layer app: added\n"
        "layer numpy: other entries\n"
        "layer six: removed\n"
        "/b (layer app): added, file, 2 bytes\n"
        f"/{SITE}/numpy-2.3.dist-info (layer numpy): removed, directory\n"
        f"/{SITE}/numpy-2.3.dist-info/METADATA (layer numpy): removed, file, 25 bytes\n"
        f"/{SITE}/numpy-2.4.dist-info (layer numpy): added, directory\n"
        f"/{SITE}/numpy-2.4.dist-info/METADATA (layer numpy): added, file, 25 bytes\n"
        f"/{SITE}/numpy/version.py (layer numpy): content\n"
        f"/{SITE}/six (layer six): removed, directory\n"
        f"/{SITE}/six-1.dist-info (layer six): removed, directory\n"
        f"/{SITE}/six-1.dist-info/METADATA (layer six): removed, file, 21 bytes\n"
        f"/{SITE}/six/version.py (layer six): removed, file, 1 byte"
    )


def test_equal_entries_in_other_tars(store: Store) -> None:
    first = tar(member("a", b"1"), member("b", b"2"))
    assert [
        explain(compare_images(found(store, first), found(store, other)))
        for other in (
            tar(member("b", b"2"), member("a", b"1")),
            tar(member("a", b"1", uname="root"), member("b", b"2")),
            tar(member("a", b"1", mtime=1), member("b", b"2")),
        )
    ] == [
        "different: 1 layer\nlayer layer-0: equal entries in another order",
        "different: 1 layer\nlayer layer-0: equal entries, other tar headers",
        (
            "different: 1 layer, 1 file\nlayer layer-0: other entries\n"
            "/a (layer layer-0): time 1970-01-01T00:00:00Z -> 1970-01-01T00:00:01Z"
        ),
    ]


def test_layers_that_moved(store: Store) -> None:
    a, b, c = (tar_of((name, tarfile.REGTYPE, b"")) for name in "abc")
    diff = compare_images(found(store, a, b, c), found(store, b, a, c))
    assert [layer.status for layer in diff.layers] == ["moved", "moved", "same"]
    assert diff.files == ()
    diff = compare_images(found(store, a, a, b), found(store, a, b))
    assert [layer.status for layer in diff.layers] == ["same", "removed", "same"]


def test_devices_links_and_odd_kinds(store: Store) -> None:
    old = tar(
        member("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("dev/sda", kind=tarfile.BLKTYPE),
        member("dev/pipe", kind=tarfile.FIFOTYPE),
        member("a", b"123"),
        member("hard", kind=tarfile.LNKTYPE, target="a"),
        member("soft", kind=tarfile.SYMTYPE, target="a"),
        member("folder", kind=tarfile.DIRTYPE, mode=0o755),
        member("/absolute", b"1"),
        member("twice", b"1"),
        member("twice", b"2"),
    )
    new = tar(
        member("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=5),
        member("dev/sda"),
        member("a", b"12"),
        member("hard", b"123"),
        member("soft", kind=tarfile.SYMTYPE, target="b"),
        member("folder/x"),
        member("absolute", b"1"),
        member("twice", b"2"),
    )
    assert explain(compare_images(found(store, old), found(store, new))).splitlines()[2:] == [
        "/a (layer layer-0): content, 3 -> 2 bytes",
        "/dev/null (layer layer-0): target 1:3 -> 1:5",
        "/dev/pipe (layer layer-0): removed, named pipe",
        "/dev/sda (layer layer-0): block device -> file",
        "/folder/x (layer layer-0): added, file, 0 bytes",
        "/hard (layer layer-0): hard link to a -> file",
        "/soft (layer layer-0): target a -> b",
    ]


def test_names_cannot_look_like_lines_of_ours(store: Store) -> None:
    lying = found(store, tar(member("a\nidentical: x", kind=tarfile.SYMTYPE, target="b\nc")))
    lying = configured(lying, config={"User": "\nx", "Labels": {"\ny": "\n"}})
    assert explain(compare_images(lying, found(store))).splitlines() == [
        "different: 2 values of the configuration, 1 layer, 1 file",
        "Labels \\ny: \\n -> none",
        "User: \\nx -> none",
        "layer layer-0: removed",
        "/a\\nidentical: x (layer layer-0): removed, symlink to b\\nc",
    ]


def test_whiteouts(store: Store) -> None:
    below = tar(member("a/1"), member("a/2"), member("b/1"), member("c"), member("x"))
    old = found(store, below, tar(member(".wh.c"), member("a/.wh..wh..opq"), member("a/3")))
    new = found(store, below, tar(member("a/3"), member(".wh.b"), member("b/2")))
    assert [(change.path, change.old is None) for change in compare_images(old, new).files] == [
        ("/a/1", True),
        ("/a/2", True),
        ("/b/1", False),
        ("/b/2", True),
        ("/c", True),
    ]


def test_a_folder_in_the_place_of_a_file_shows_nothing_of_one_below(store: Store) -> None:
    below, folder = tar(member("d/x")), tar(member("d", kind=tarfile.DIRTYPE, mode=0o755))
    old = found(store, below, tar(member("d")), folder)
    new = found(store, below, folder)
    assert [change.path for change in compare_images(old, new).files] == ["/d/x"]


def counting(image: FoundImage, opened: Counter[Digest]) -> FoundImage:
    """The image, of which it is counted how often a layer is opened."""

    def counted(layer: FoundLayer) -> io.RawIOBase:
        opened[layer.diff_id] += 1
        return layer.open()

    return replace(
        image, layers=tuple(replace(layer, open=partial(counted, layer)) for layer in image.layers)
    )


def test_only_layers_that_have_a_say_are_read(store: Store, tmp_path: Path) -> None:
    base, x1, x2 = (tar(member(name, content)) for name, content in (("base", b""), ("x", b"1"), ("x", b"2")))
    old, new = found(store, base, x1), found(store, base, x2)
    opened: Counter[Digest] = Counter()
    assert len(compare_images(counting(old, opened), counting(new, opened)).files) == 1
    assert set(opened) == {Digest.of(x1), Digest.of(x2)}, "what is below has no say"
    opened.clear()
    added = found(store, base, tar(member("x", b"1"), member("base", b"")))
    assert compare_images(counting(old, opened), counting(added, opened)).files == ()
    assert opened[Digest.of(base)] == 2, "once to see how it is packed, once to read it"
    opened.clear()
    docker_save(tmp_path / "a.tar", base, x1)
    saved = find_image(f"docker-archive:{tmp_path}/a.tar", store)
    assert compare_images(counting(old, opened), counting(saved, opened)).files == ()
    assert opened == {Digest.of(base): 4, Digest.of(x1): 4}, "it is not believed that they are equal"


def test_an_image_that_lies_about_its_layers(store: Store, tmp_path: Path) -> None:
    layer, other = tar(member("x", b"1")), tar(member("x", b"2"))
    docker_save(tmp_path / "a.tar", layer)
    path = tmp_path / "a.tar"
    path.write_bytes(path.read_bytes().replace(layer, other))
    with pytest.raises(BuildError) as caught:
        compare_images(found(store, layer), find_image(f"docker-archive:{path}", store))
    assert str(caught.value) == f"layer `layer-0` is damaged: it is not {Digest.of(layer)}"


def test_packed_in_two_ways(store: Store, tmp_path: Path) -> None:
    layer = tar(member("x", b"1"))
    write_folder(tmp_path / "plain", layout_files(("", [layer])))
    plain = find_image(f"oci:{tmp_path}/plain", store)
    blob = gzip.compress(layer)
    packed = replace(
        plain,
        digest=Digest.of(b"other"),
        layers=(replace(plain.layers[0], digest=Digest.of(blob), open=lambda: io.FileIO(tmp_path / "x")),),
    )
    (tmp_path / "x").write_bytes(blob)
    assert explain(compare_images(plain, packed)) == (
        f"identical: both are {plain.image_id}, packed in two ways"
    )


def test_a_configuration_that_is_only_written_otherwise(store: Store, tmp_path: Path) -> None:
    layer = tar(member("x", b"1"))
    docker_save(tmp_path / "a.tar", layer)
    docker_save(tmp_path / "b.tar", layer, config={"Labels": {}, "Env": None})
    first, second = (find_image(f"docker-archive:{tmp_path}/{name}.tar", store) for name in "ab")
    assert explain(compare_images(first, second)) == ("different: only in how the configuration is written")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("../x")], "layer `layer-0` cannot be read: an entry outside of the image: '../x'"),
        ([member("a/../../x")], "layer `layer-0` cannot be read: an entry outside of the image: 'a/../../x'"),
        ([member("x"), member("x/y")], "`x/y` of layer `layer-0` lies in `x`, which is a file"),
        (
            [member("l", kind=tarfile.SYMTYPE, target="../.."), member("l/y")],
            "`l/y` of layer `layer-0` leaves the image through a link",
        ),
        (
            [member("l", kind=tarfile.SYMTYPE, target="l"), member("l/y")],
            "`l/y` of layer `layer-0` lies behind links that lead in a circle",
        ),
        (
            [member("l", kind=tarfile.LNKTYPE, target="nothing")],
            "`l` of layer `layer-0` is a hard link to `/nothing`, which is no file",
        ),
        (
            [member("l", kind=tarfile.LNKTYPE, target="../../etc/passwd")],
            "`l` of layer `layer-0` is a hard link that leads outside of the image",
        ),
        (
            [member("p/" * 2100)],
            f"CANNOT `{'p/' * 50}…` has 4200 bytes; at most 4095 are allowed in a path",
        ),
    ],
)
def test_hostile_layers(members: Sequence[tuple[tarfile.TarInfo, bytes]], message: str, store: Store) -> None:
    with pytest.raises(BuildError) as caught:
        compare_images(found(store, tar(*members)), found(store))
    assert str(caught.value) == message.replace("CANNOT", "layer `layer-0` cannot be read:")


def test_configurations_of_any_shape() -> None:
    odd = {"config": {"Env": {"A": 1}, "Labels": ["x"], "Healthcheck": {"Test": ["CMD", "x"]}}, "rootfs": 1}
    assert [(value.key, value.name, value.old, value.new) for value in config_changes(odd, {})] == [
        ("Env", "A", 1, None),
        ("Healthcheck", "Test", ["CMD", "x"], None),
        ("Labels", "", ["x"], None),
        ("rootfs", "", 1, None),
    ]
    ports = {"config": {"ExposedPorts": {"80/tcp": {}}, "Tty": False, "Labels": {}, "Cmd": []}}
    assert [(value.name, value.old, value.new) for value in config_changes({"config": None}, ports)] == [
        ("80/tcp", None, {})
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["Env", "Labels", "ExposedPorts", "Cmd", "User", "history", "rootfs", "created", "x"])
CONFIGS = st.dictionaries(KEYS, JSON, max_size=4).flatmap(
    lambda rest: (st.dictionaries(KEYS, JSON, max_size=4) | JSON).map(lambda run: {**rest, "config": run})
)


@given(CONFIGS, CONFIGS)
def test_any_two_configurations(old: dict[str, object], new: dict[str, object]) -> None:
    assert config_changes(old, old) == ()
    found = config_changes(old, new)
    assert [replace(value, old=value.new, new=value.old) for value in found] == list(config_changes(new, old))
    for value in found:
        assert "\n" not in config_name(value) + config_text(value.old) + config_text(value.new)


def test_names_of_python_packages_and_several_versions() -> None:
    def some(*versions: str) -> list[Package]:
        return [Package(type="python", name="Scikit_Learn", version=version) for version in versions]

    normal = Package(type="python", name="scikit-learn", version="1")
    assert package_changes(some("1"), [normal]) == ()
    (change,) = package_changes(some("1", "2"), [normal, *some("3", "4")])
    assert (change.name, change.old, change.new) == ("scikit-learn", ("2",), ("3", "4"))


def mirrored(diff: ImageDiff) -> ImageDiff:
    return replace(
        diff,
        old=diff.new,
        new=diff.old,
        config=tuple(replace(value, old=value.new, new=value.old) for value in diff.config),
        packages=tuple(replace(package, old=package.new, new=package.old) for package in diff.packages),
        layers=tuple(
            replace(
                layer,
                old=layer.new,
                new=layer.old,
                status="removed"
                if layer.new and not layer.old
                else "added"
                if not layer.new
                else layer.status,
            )
            for layer in diff.layers
        ),
        files=tuple(
            replace(
                change,
                old=change.new,
                new=change.old,
                bytes=change.bytes and replace(change.bytes, old=change.bytes.new, new=change.bytes.old),
            )
            for change in diff.files
        ),
    )


def in_any_order(diff: ImageDiff) -> ImageDiff:
    return replace(diff, layers=tuple(sorted(diff.layers, key=repr)))


# Folders are `a` and `b`, and almost all else has other names, so that most layers fit onto each other.
_PLACES = st.sampled_from(["", "a/", "b/", "a/b/"])
_LEAVES = st.one_of(
    st.builds(
        lambda name, content, mtime: member(name, content, mtime=mtime),
        st.sampled_from(["x", "y"]),
        st.binary(max_size=3),
        st.integers(0, 2),
    ),
    st.builds(
        lambda name, mode: member(name, kind=b"5", mode=mode),
        st.sampled_from("ab"),
        st.sampled_from([0o755, 0o700]),
    ),
    st.builds(lambda to: member("s", kind=b"2", target=to), st.sampled_from(["x", "a", "/b", "../a"])),
    st.builds(lambda name: member(f".wh.{name}"), st.sampled_from(["x", "y", "a", "b", "s", "h"])),
    st.just(member(".wh..wh..opq")),
    st.just(member("b", b"no folder")),
    st.builds(lambda target: member("h", kind=b"1", target=target), st.sampled_from(["x", "a/x", "b/y"])),
)


@st.composite
def _members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    info, content = draw(_LEAVES)
    copy = tarfile.TarInfo(draw(_PLACES) + info.name)
    copy.type, copy.mode, copy.size = info.type, info.mode, info.size
    copy.mtime, copy.linkname = info.mtime, info.linkname
    return copy, content


def member_lists(*, max_size: int = 6) -> st.SearchStrategy[list[tuple[tarfile.TarInfo, bytes]]]:
    return st.lists(_members(), max_size=max_size, unique_by=lambda pair: pair[0].name.replace(".wh.", ""))


def tars(*, max_size: int = 6) -> st.SearchStrategy[bytes]:
    return member_lists(max_size=max_size).map(lambda members: tar(*members))


@settings(max_examples=60)
@given(st.lists(tars(), max_size=3), st.lists(tars(), max_size=3), st.lists(tars(), max_size=3))
def test_differences_of_any_images(below: list[bytes], old: list[bytes], new: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        first, second = found(store, *below, *old), found(store, *below, *new)
        try:
            slow = slowly(first, second)
        except BuildError:
            return  # they are refused, and for what is below only if somebody looks there
        alone = compare_images(first, first, deep=True)
        assert (alone.identical, alone.config, alone.packages, alone.files) == (True, (), (), ())
        diff = compare_images(first, second, deep=True)
        assert in_any_order(mirrored(diff)) == in_any_order(compare_images(second, first, deep=True))
        if not diff.identical:
            assert any(layer.status != "same" for layer in diff.layers)
        explain(diff)
        assert (diff.files, diff.packages) == slow


@settings(max_examples=60)
@given(st.lists(tars(), max_size=2), st.lists(member_lists(), min_size=1, max_size=3))
def test_builds_with_other_contents(
    below: list[bytes], layers: list[list[tuple[tarfile.TarInfo, bytes]]]
) -> None:
    """What is below has no say mostly, and then nobody looks there."""
    other = [[(info, bytes(len(content))) for info, content in members] for members in layers]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        first, second = (
            found(store, *below, *(tar(*members) for members in each)) for each in (layers, other)
        )
        try:
            slow = slowly(first, second)
        except BuildError:
            return
        diff = compare_images(first, second, deep=True)
        assert (diff.files, diff.packages) == slow


def slowly(old: FoundImage, new: FoundImage) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Files and packages as they are found by reading everything."""
    old, new = named_alike(old, new, pair_layers(old, new))
    layers = (*missing(old, {}), *missing(new, {}))
    listings = read(Reading(listed=layers, checked=()), SILENT, "")
    trees = [dict(overlay_of(image, listings).files()) for image in (old, new)]
    fast = {change.path: change.bytes for change in compare_images(old, new, deep=True).files}
    files = [file_change(change, old, new) for change in changes(*trees)]
    return (
        tuple(replace(change, bytes=fast.get(change.path)) for change in files),
        package_changes(*map(packages_in, trees)),
    )


@settings(max_examples=60)
@given(st.lists(tars(max_size=8), max_size=4))
def test_the_file_system_is_the_one_that_unpacking_makes(layers: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(BuildError):
        store = Store(Path(folder) / "store")
        image = foreign(store, *layers)
        root = Path(folder) / "root"
        root.mkdir()
        unpack_image(image, store, root)
        there = in_store(image, store)
        listings = read(Reading(listed=tuple(missing(there, {})), checked=()), SILENT, "")
        shown = {}
        for path, placed in overlay_of(there, listings).files():
            item = placed.item
            kind = MemberKind.DIRECTORY if item is None else item.kind
            content: object = None
            if kind is MemberKind.SYMLINK and item is not None:
                content = item.target
            elif kind is not MemberKind.DIRECTORY:
                content = placed.digest
            shown[path] = (content, 0o755 if item is None else item.mode)
        shown.pop("")
        assert {path: shown[path][0] for path in shown} == {
            str(path.relative_to(root)): (
                str(path.readlink())
                if path.is_symlink()
                else None
                if path.is_dir()
                else bytes.fromhex(Digest.of(path.read_bytes()).hex)
            )
            for path in root.rglob("*")
        }
        for path, (_, mode) in shown.items():
            if (root / path).is_dir() and not (root / path).is_symlink():
                assert (root / path).stat().st_mode & 0o7777 == mode


@given(
    st.binary(max_size=40),
    st.integers(0, 9000),
    st.binary(max_size=40),
    st.binary(max_size=40),
)
def test_where_bytes_begin_to_differ(head: bytes, fill: int, old: bytes, new: bytes) -> None:
    first, second = (head + bytes(fill) + rest for rest in (old, new))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        images = (
            found(store, tar(member("a", b"1"), member("x", first))),
            found(store, tar(member("x", second), member("a", b"1"))),
        )
        files = {change.path: change for change in compare_images(*images, deep=True).files}
    if first == second:
        assert files == {}
        return
    difference = files["/x"].bytes
    assert isinstance(difference, ByteDifference)
    start = next(
        (i for i, (one, other) in enumerate(zip(first, second, strict=False)) if one != other),
        min(len(first), len(second)),
    )
    assert difference.offset == start
    assert difference.at == start - start % 16
    assert difference.old == first[difference.at : difference.at + len(difference.old)]
    assert difference.new == second[difference.at : difference.at + len(difference.new)]
    ours, theirs = (each[difference.offset : difference.end] for each in (first, second))
    assert all(one != other for one, other in zip(ours, theirs, strict=False))
    at_the_end = difference.end % 4096 == 0 or difference.end == max(len(first), len(second))
    assert at_the_end or first[difference.end] == second[difference.end]
