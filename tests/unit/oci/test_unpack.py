import gzip
import os
import tarfile
from functools import partial
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL, scratch_folder
from mlimage.bounds import UNPACKED, is_bomb
from mlimage.cache import Cache
from mlimage.content.entry import MTIME, directory, file_of_bytes, symlink
from mlimage.errors import BuildError, MlimageWarning
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpack_image, unpacked, unpacked_in_use
from mlimage.plan.model import Compression
from support.sealing import foreign, packed, plan_of, sealed, tar_of

FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def unpack(tmp_path: Path, *layers: bytes) -> Path:
    store = Store(tmp_path / "store")
    folder = tmp_path / "root"
    folder.mkdir()
    unpack_image(foreign(store, *layers), store, folder)
    return folder


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_an_image_of_ours(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    image = sealed(
        store,
        base=[
            directory("tmp", origin="base", mode=0o1777),
            directory("home/x", origin="base", mode=0o500),
            file_of_bytes("home/x/y", b"1", origin="base", mode=0o400),
            symlink("bin", "usr/bin", origin="base"),
            file_of_bytes("usr/bin/sh", b"old", origin="base", mode=0o4755),
        ],
        app=[
            file_of_bytes("usr/bin/sh", b"new", origin="app", mode=0o755),
            file_of_bytes("app/größe", b"", origin="app"),
        ],
    )
    root = tmp_path / "root"
    root.mkdir()
    done: list[int] = []
    unpack_image(image, store, root, advance=done.append)
    assert (root / "bin/sh").read_bytes() == b"new"
    assert (root / "usr/bin/sh").stat().st_mode & 0o7777 == 0o755
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (root / "home/x").stat().st_mode & 0o7777 == 0o500
    assert (root / "home").stat().st_mtime == (root / "usr/bin/sh").stat().st_mtime == MTIME
    assert (root / "app/größe").is_file()
    assert sum(done) == 1 + 3 + 3


@pytest.mark.parametrize("compression", Compression)
def test_every_compression_is_read(tmp_path: Path, compression: Compression) -> None:
    store = Store(tmp_path / "store")
    content = b"some content " * 200_000
    layer = packed(store, "app", [file_of_bytes("x", content, origin="app")], compression=compression)
    root = tmp_path / "root"
    root.mkdir()
    unpack_image(seal(plan_of(["app"]), [layer], store), store, root)
    assert (root / "x").read_bytes() == content


def test_whiteouts(tmp_path: Path) -> None:
    below = tar_of(
        ("a", DIR, ""), ("a/1", FILE, b"1"), ("a/2", FILE, b"2"), ("b", DIR, ""), ("b/1", FILE, b"1"),
        ("c", DIR, ""), ("c/d", DIR, ""), ("c/d/1", FILE, b"1"), ("link", LINK, "a"), ("f", FILE, b"f"),
    )  # fmt: skip
    above = tar_of(
        ("a", DIR, ""), ("a/.wh.1", FILE, b""), ("b", DIR, ""), ("b/new", FILE, b"n"),
        ("b/.wh..wh..opq", FILE, b""), (".wh.c", FILE, b""), (".wh.link", FILE, b""),
        (".wh.nothing", FILE, b""), (".wh..wh.plnk", FILE, b""),
        (".wh.f", FILE, b""), ("f", FILE, b"again"),
    )  # fmt: skip
    root = unpack(tmp_path, below, above)
    assert listing(root) == ["a", "a/2", "b", "b/new", "f"]
    assert (root / "f").read_bytes() == b"again"


def test_a_whiteout_leaves_what_its_own_layer_wrote(tmp_path: Path) -> None:
    below = tar_of(("c", DIR, ""), ("c/old", FILE, b"1"))
    above = tar_of(
        ("c", DIR, ""), ("c/new", FILE, b"2"), (".wh.c", FILE, b""), ("f", FILE, b"1"), (".wh.f", FILE, b"")
    )
    assert listing(unpack(tmp_path, below, above)) == ["c", "c/new", "f"]


def test_upper_layers_replace_what_is_below_whatever_it_is(tmp_path: Path) -> None:
    below = tar_of(
        ("a", DIR, ""), ("a/b", DIR, ""), ("a/b/c", FILE, b"1"), ("d", FILE, b"d"), ("e", LINK, "a")
    )
    above = tar_of(
        ("a", FILE, b"file"), ("d", DIR, ""), ("d/x", FILE, b"x"), ("e", DIR, ""), ("e/y", FILE, b"y")
    )
    root = unpack(tmp_path, below, above)
    assert listing(root) == ["a", "d", "d/x", "e", "e/y"]
    assert not (root / "e").is_symlink()


def test_paths_through_links_stay_inside(tmp_path: Path) -> None:
    root = unpack(
        tmp_path,
        tar_of(
            ("usr", DIR, ""), ("usr/lib", DIR, ""), ("lib", LINK, "usr/lib"), ("abs", LINK, "/usr/lib"),
            ("up", LINK, "usr/../usr/lib"),
        ),
        tar_of(("lib/1", FILE, b"1"), ("abs/2", FILE, b"2"), ("./up/3", FILE, b"3"), ("hard", HARD, "lib/1")),
    )  # fmt: skip
    assert listing(root / "usr") == ["lib", "lib/1", "lib/2", "lib/3"]
    assert (root / "hard").stat().st_ino == (root / "usr/lib/1").stat().st_ino


def test_parents_that_nobody_wrote(tmp_path: Path) -> None:
    root = unpack(tmp_path, tar_of(("a/b/c", FILE, b"1")))
    assert (root / "a").stat().st_mode & 0o7777 == 0o755
    assert listing(root) == ["a", "a/b", "a/b/c"]


LONG = "has 6000 bytes; at most 4095 are allowed in a path"
DEEP = "lies 257 levels deep; at most 256 are allowed"
NO_TAR = "layer `layer-0` of `foreign:cpu` cannot be unpacked: no octal number in a header: b'xxxxxxxxxxxx'"


def hostile() -> list[tuple[str, bytes, str]]:
    return [
        ("dots", tar_of(("../x", FILE, b"1")), "OUTSIDE '../x'"),
        ("dots inside", tar_of(("a/../../x", FILE, b"1")), "OUTSIDE 'a/../../x'"),
        ("absolute", tar_of(("/etc/x", FILE, b"1")), "OUTSIDE '/etc/x'"),
        ("root", tar_of(("//", DIR, "")), "OUTSIDE '//'"),
        (
            "link up",
            tar_of(("l", LINK, "../../.."), ("l/x", FILE, b"1")),
            "`l/x` of layer `layer-0` leaves the image through a link",
        ),
        (
            "circle",
            tar_of(("l", LINK, "m"), ("m", LINK, "l"), ("l/x", FILE, b"1")),
            "`l/x` of layer `layer-0` lies behind links that lead in a circle",
        ),
        ("hard link out", tar_of(("h", HARD, "../../etc/passwd")), "OUTSIDE '../../etc/passwd'"),
        ("hard link absolute", tar_of(("h", HARD, "/etc/passwd")), "OUTSIDE '/etc/passwd'"),
        (
            "hard link to link",
            tar_of(("l", LINK, "/etc/passwd"), ("h", HARD, "l")),
            "`h` of layer `layer-0` is a hard link to `/l`, which is no file",
        ),
        ("twice", tar_of(("x", FILE, b"1"), ("x", FILE, b"2")), "`x` of layer `layer-0` stands there twice"),
        (
            "file over link",
            tar_of(("x", LINK, "/etc/passwd"), ("x", FILE, b"2")),
            "`x` of layer `layer-0` stands there twice",
        ),
        (
            "in a file",
            tar_of(("x", FILE, b"1"), ("x/y", FILE, b"2")),
            "`x/y` of layer `layer-0` lies in `/x`, which is a file",
        ),
        ("device", tar_of(("dev", tarfile.CHRTYPE, "")), "`dev` of layer `layer-0` is a character device"),
        ("pipe", tar_of(("pipe", tarfile.FIFOTYPE, "")), "`pipe` of layer `layer-0` is a named pipe"),
        (
            "empty link",
            tar_of(("x", LINK, "")),
            "`x` of layer `layer-0` has a name or a target that no file can have",
        ),
        (
            "long name",
            tar_of(("d/" + "n" * 256, DIR, "")),
            f"CANNOT `d/{'n' * 98}…` has a name of 256 bytes; at most 255 are allowed",
        ),
        ("deep", tar_of(("a/" * 3000, DIR, "")), f"CANNOT `{'a/' * 50}…` {LONG}"),
        ("deep, and short", tar_of(("a/" * 257, DIR, "")), f"CANNOT `{'a/' * 50}…` {DEEP}"),
        (
            "long target",
            tar_of(("l", LINK, "a/" * 2048)),
            "CANNOT `l` is a link to 4096 bytes; at most 4095 are allowed",
        ),
        (
            "deep by a link",
            tar_of(("d/" * 200, DIR, ""), ("l", LINK, "d/" * 200), ("l/" + "d/" * 57 + "x", FILE, b"1")),
            f"`l/{'d/' * 49}…` of layer `layer-0` leads to `/{'d/' * 50}…`, which {DEEP}",
        ),
        (
            "deep by a link, without an entry for its folder",
            tar_of(("l", LINK, "d/" * 200), ("l/" + "d/" * 100 + "x", FILE, b"1")),
            f"`l/{'d/' * 49}…` of layer `layer-0` leads to `/{'d/' * 50}…`, which {DEEP}",
        ),
        (
            "far time",
            tar_of(("x", FILE, b"1"), mtime=2**70),
            "`x` of layer `layer-0` has an owner or a time that no file can have",
        ),
        (
            "far time of a folder",
            tar_of(("x", DIR, ""), mtime=2**70),
            "`x/` of layer `layer-0` has an owner or a time that no file can have",
        ),
        (
            "no tar",
            b"x" * 600,
            NO_TAR,
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "said"), [case[1:] for case in hostile()], ids=[case[0] for case in hostile()]
)
def test_hostile_layers_are_refused(raw: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path, raw)
    said = said.replace("OUTSIDE", "layer `layer-0` has an entry outside of the image:")
    assert str(caught.value) == said.replace("CANNOT", "layer `layer-0` of `foreign:cpu` cannot be unpacked:")


def test_a_whiteout_of_nothing_hides_nothing(tmp_path: Path) -> None:
    root = unpack(tmp_path, tar_of(("a", FILE, b"1")), tar_of((".wh.", FILE, b""), ("b", FILE, b"2")))
    assert listing(root) == ["a", "b"]


def test_a_bomb_is_refused_before_the_disk_is_full(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    image = sealed(store, app=[file_of_bytes("x", bytes(40_000_000), origin="app")])
    layer = image.layers[0]
    lying = type(layer)(name="app", diff_id=layer.diff_id, blob=layer.blob, uncompressed_size=2_000_000)
    said = type(image)(
        name=image.name,
        platform=image.platform,
        manifest=image.manifest,
        config=image.config,
        layers=(lying,),
    )
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(BuildError) as caught:
        unpack_image(said, store, root)
    assert str(caught.value) == "layer `app` unpacks to more than the 2000000 bytes it should have"
    assert (root / "x").stat().st_size <= 2_000_000


@pytest.mark.parametrize("position", [3, 30, -20, -1])
def test_a_damaged_layer(position: int, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    image = sealed(store, app=[file_of_bytes("x", os.urandom(100_000), origin="app")])
    path = store.blob(image.layers[0].blob.digest)
    content = bytearray(path.read_bytes())
    content[position] ^= 0x55
    path.write_bytes(content)
    cache = Cache(tmp_path / "cache")
    with pytest.raises(BuildError) as caught:
        unpacked(image, store, cache)
    assert str(caught.value) == f"layer `app` in the store is damaged: {image.layers[0].blob.digest}"
    assert list(cache.unpacked.iterdir()) == [], "nothing half stays"


def test_a_layer_that_is_gone_and_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    image = sealed(store, app=[])
    with pytest.raises(BuildError) as caught:
        unpack_image(image, store, tmp_path)
    assert str(caught.value) == f"`{tmp_path}` is not empty"
    store.blob(image.layers[0].blob.digest).unlink()
    (tmp_path / "root").mkdir()
    with pytest.raises(BuildError) as caught:
        unpack_image(image, store, tmp_path / "root")
    assert str(caught.value) == f"the store lacks layer `app`: {image.layers[0].blob.digest}"


def test_unpacked_once_and_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    image = sealed(store, app=[file_of_bytes("app/x", b"1", origin="app")])
    cache = Cache(tmp_path / "cache")
    with unpacked_in_use(image, store, cache) as folder:
        assert folder == cache.unpacked / image.image_id.hex
        inode = folder.stat().st_ino
    assert unpacked(image, store, cache).stat().st_ino == inode
    assert not list(cache.unpacked.glob(f"{PARTIAL}*"))


def test_a_tree_out_of_bounds_is_in_nobodys_way(tmp_path: Path) -> None:
    """Nothing of it stays, and what another mlimage left of one goes with the next good image."""
    store = Store(tmp_path / "store")
    cache = Cache(tmp_path / "cache")
    deep = foreign(store, tar_of(("a/" * 3000, DIR, "")))
    with pytest.raises(BuildError):
        unpacked(deep, store, cache)
    assert list(cache.unpacked.iterdir()) == []
    at = cache.unpacked / f"{PARTIAL}x"
    at.mkdir()
    descriptor = os.open(at, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("a", dir_fd=descriptor)
        below = os.open("a", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    good = sealed(store, app=[file_of_bytes("x", b"1", origin="app")])
    assert [path.name for path in unpacked(good, store, cache).parent.iterdir()] == [good.image_id.hex]


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("untar.ENTRIES", "tree.TREE"):
        monkeypatch.setattr(f"mlimage.oci.{name}", 10)
    eleven = tar_of(*((str(number), FILE, b"") for number in range(11)))
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path, eleven)
    assert str(caught.value) == ("layer `layer-0` of `foreign:cpu` cannot be unpacked: more than 10 entries")
    (tmp_path / "other").mkdir()
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path / "other", *(tar_of((f"{layer}/a/b", FILE, b"")) for layer in "abcde"))
    assert str(caught.value) == (
        "`e/a/b` of layer `layer-4` is one too many: at most 10 files and folders are allowed"
    )


def test_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all layers together, and of one that is packed as only bombs are."""
    layers = [tar_of(("x", FILE, os.urandom(20_000))), tar_of(("y", FILE, os.urandom(20_000)))]
    monkeypatch.setattr("mlimage.oci.unpack.UNPACKED", 50_000)
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path, *layers)
    assert str(caught.value) == (f"with layer `layer-1` the image unpacks to more than {UNPACKED} bytes")
    monkeypatch.undo()
    (tmp_path / "other").mkdir()
    monkeypatch.setattr("mlimage.oci.blobstream.is_bomb", partial(is_bomb, unsuspicious=1 << 20))
    zeros = tar_of(("x", FILE, bytes(40 << 20)))
    size = len(gzip.compress(zeros, mtime=0))
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path / "other", zeros)
    assert str(caught.value) == f"layer `layer-0` unpacks to more than 200 times its {size} bytes"


def test_an_endless_extended_header(tmp_path: Path) -> None:
    """Each record is small, and no entry ever comes."""
    header = tar_of(("x" * 200, FILE, b""))[:1024]
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path, header * 50_000)
    assert str(caught.value) == (
        "layer `layer-0` of `foreign:cpu` cannot be unpacked: an extended header of 1048740 bytes"
    )


@pytest.mark.parametrize("noted", ["now", "never"])
def test_a_tree_that_was_changed_is_unpacked_anew(noted: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    cache = Cache(tmp_path / "cache")
    image = sealed(store, app=[file_of_bytes("app/x", b"1", origin="app")])
    folder = unpacked(image, store, cache)
    with unpacked_in_use(image, store, cache) as running:
        descriptor = os.open(running, os.O_RDONLY)
        (folder / "app/x").write_bytes(b"evil")
        if noted == "now":
            said = "the unpacked `demo:cpu` is damaged, and is unpacked anew: `/app/x` was changed"
            with pytest.warns(MlimageWarning, match=said):
                assert unpacked(image, store, cache) == folder
        else:  # of an earlier mlimage
            cache.inventory(folder).unlink()
            assert unpacked(image, store, cache) == folder
        assert (folder / "app/x").read_bytes() == b"1"
        assert os.stat("app/x", dir_fd=descriptor).st_size == 4, "what runs in the old one runs on"
        os.close(descriptor)
    with scratch_folder(cache.unpacked):
        pass
    assert [path.name for path in cache.unpacked.iterdir()] == [folder.name]
