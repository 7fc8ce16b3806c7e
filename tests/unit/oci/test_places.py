"""Images in folders and archives, from mlimage and from other tools."""

import gzip
import json
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.entry import file_of_bytes
from mlimage.digest import Digest
from mlimage.errors import BuildError, UsageError
from mlimage.oci.archive import write_output
from mlimage.oci.found import open_tar
from mlimage.oci.model import SealedImage
from mlimage.oci.places import find_image
from mlimage.oci.store import Store
from mlimage.verify.diff.compare import compare_images
from support.foreign import config_of, docker_save, layout_files, write_archive, write_folder
from support.sealing import sealed, tar_of

ONE = tar_of(("x", tarfile.REGTYPE, b"1"))
FORMS = "`oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`"
TWO = tar_of(("x", tarfile.REGTYPE, b"2"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def image(store: Store) -> SealedImage:
    return sealed(store, base=[file_of_bytes("y", b"1", origin="t")], app=[])


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
@pytest.mark.parametrize("reference", ["", ":demo:cpu", "@DIGEST"])
def test_what_mlimage_writes(
    kind: str, reference: str, store: Store, image: SealedImage, tmp_path: Path
) -> None:
    write_output(image, store, f"{kind}:{tmp_path}/out:1")
    found = find_image(f"{kind}:{tmp_path}/out:1" + reference.replace("DIGEST", image.digest), store)
    there = find_image("demo", store)
    assert (found.name, found.digest, found.image_id, found.platform) == (
        f"{kind}:{tmp_path}/out:1", image.digest, image.image_id, "linux/amd64",
    )  # fmt: skip
    assert found.config == there.config
    for layer, other in zip(found.layers, there.layers, strict=True):
        assert (layer.name, layer.named, layer.diff_id, layer.digest, layer.size) == (
            other.name, True, other.diff_id, other.digest, other.size,
        )  # fmt: skip
        with layer.open() as stream:
            assert Digest.of(stream.readall()) == layer.digest


def test_what_docker_saved_before_it_wrote_layouts(store: Store, tmp_path: Path) -> None:
    docker_save(tmp_path / "a.tar", ONE, TWO, os="windows", variant="v8")
    found = find_image(f"docker-archive:{tmp_path}/a.tar", store)
    assert (found.digest, found.platform) == (None, "windows/amd64/v8")
    assert found.image_id == Digest.of(config_of(ONE, TWO, os="windows", variant="v8"))
    assert [(layer.name, layer.named, layer.digest) for layer in found.layers] == [
        ("layer-0", False, None),
        ("layer-1", False, None),
    ]
    for layer in found.layers:
        with open_tar(layer) as stream:
            stream.finish()
    for name in (":demo", ":demo:latest", f"@{found.image_id}"):
        assert find_image(f"docker-archive:{tmp_path}/a.tar{name}", store).image_id == found.image_id


def test_an_equal_layer_was_a_link(store: Store, tmp_path: Path) -> None:
    listing = [{"Config": "config.json", "RepoTags": None, "Layers": ["a/layer.tar", "./b/layer.tar"]}]
    listing[0]["Layers"][1] = "b/layer.tar"  # type: ignore[index]
    write_archive(
        tmp_path / "a.tar",
        {
            "./a/layer.tar": gzip.compress(ONE),
            "config.json": config_of(ONE, ONE),
            "manifest.json": json.dumps(listing).encode(),
        },
        ("b/layer.tar", "../a/layer.tar"),
    )
    found = find_image(f"docker-archive:{tmp_path}/a.tar", store)
    for layer in found.layers:
        with open_tar(layer) as stream:
            stream.finish()
            assert stream.done == len(ONE)


def test_several_images(store: Store, tmp_path: Path) -> None:
    files = layout_files(("one", [ONE]), ("", [TWO]))
    write_folder(tmp_path / "out", files)
    unnamed = json.loads(files["index.json"])["manifests"][1]["digest"]
    place = f"oci:{tmp_path}/out"
    with pytest.raises(UsageError) as caught:
        find_image(place, store)
    assert str(caught.value) == f"`{place}` holds several images"
    assert caught.value.hint == f"say which: `{place}:one`, `{place}@{unnamed}`"
    with pytest.raises(UsageError) as caught:
        find_image(f"{place}:two", store)
    assert str(caught.value) == f"no image `two` in `{place}`"
    assert find_image(f"{place}:one", store).layers[0].diff_id == Digest.of(ONE)
    assert find_image(f"{place}@{unnamed}", store).digest == unnamed
    with pytest.raises(UsageError) as caught:
        find_image(f"{place}@sha256:{'0' * 64}", store)
    assert str(caught.value) == f"no manifest `sha256:{'0' * 64}` in `{place}`"


def test_several_platforms(store: Store, tmp_path: Path) -> None:
    files = layout_files(
        ("", [ONE]), ("", [TWO]), ("", []), platforms=["plan9/mips", "plan9/arm", "unknown/unknown"]
    )
    write_folder(tmp_path / "out", files)
    with pytest.raises(UsageError) as caught:
        find_image(f"oci:{tmp_path}/out", store)
    assert str(caught.value) == (
        f"`oci:{tmp_path}/out` holds images for several platforms: `plan9/arm`, `plan9/mips`"
    )
    files = layout_files(("", [ONE]), ("", [TWO]), platforms=["linux/amd64", "linux/arm64"])
    inner = files.pop("index.json")
    files[f"blobs/sha256/{Digest.of(inner).hex}"] = inner
    index = {"digest": Digest.of(inner), "size": len(inner), "mediaType": "x"}
    files["index.json"] = json.dumps({"manifests": [index]}).encode()
    absent = json.loads(inner)["manifests"][1]["digest"]
    del files[f"blobs/sha256/{Digest(absent).hex}"]
    write_folder(tmp_path / "nested", files)
    assert find_image(f"oci:{tmp_path}/nested", store).layers[0].diff_id == Digest.of(ONE)


def test_a_folder_of_the_same_name_is_in_nobodys_way(
    store: Store, image: SealedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    assert find_image("demo", store).digest == image.digest


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("there", "no image `there` in the store", "build it: `mlimage build there`"),
        ("docker-daemon:a:b", "no place `docker-daemon:` that images lie in",
         f"name one of the store, or write {FORMS}"),
        ("folder", "no image `folder` in the store", "for the folder, write `oci:folder`"),
        ("./no.tar", "no image `./no.tar` in the store", "for the file, write `docker-archive:./no.tar`"),
        ("oci:", "no place behind `oci:`", f"write {FORMS}"),
        ("oci:nope:x", "there is no `nope:x`", f"write {FORMS}"),
        ("oci:no.tar", "`no.tar` is a file", "write `docker-archive:no.tar`"),
        ("oci-archive:folder", "`folder` is a folder", "write `oci:folder`"),
        ("oci:folder", "`oci:folder` holds no image: it has no `index.json`", None),
        ("oci-archive:old.tar", "`oci-archive:old.tar` holds no image: it has no `index.json`",
         "write `docker-archive:old.tar`"),
        ("docker-archive:old.tar:x", "no image `x` in `docker-archive:old.tar`",
         "say which: `docker-archive:old.tar:demo:latest`"),
        ("docker-archive:empty.tar",
         "`docker-archive:empty.tar` holds no image: it has neither `index.json` nor `manifest.json`", None),
        ("docker-archive:no.tar",
         "`no.tar` is no archive of an image: no octal number in a header: b'texttexttext'", None),
        ("docker-archive:a.gz", "`a.gz` is compressed", "type `gunzip a.gz`, and name what it makes"),
    ],
)  # fmt: skip
def test_what_cannot_be_found(
    typed: str, message: str, hint: str | None, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("no.tar").write_bytes(b"text" * 200)
    Path("a.gz").write_bytes(gzip.compress(b""))
    write_archive(Path("empty.tar"), {})
    docker_save(Path("old.tar"), ONE)
    with pytest.raises((UsageError, BuildError)) as caught:
        find_image(typed, store)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def damaged(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {**files, name: files[name].replace(b"linux", b"Linux")}


DEEP = "the document is nested more than 100 levels deep"


def test_what_is_damaged(store: Store, tmp_path: Path) -> None:
    files = layout_files(("", [ONE]))
    config = next(name for name, content in files.items() if b"rootfs" in content)
    digest = f"sha256:{config.rpartition('/')[2]}"
    unread = "holds no image that mlimage can read:"
    for number, (broken, message) in enumerate(
        [
            (damaged(files, config), f"is damaged: it has no {digest}"),
            ({name: text for name, text in files.items() if name != config}, f"lacks {digest}"),
            ({**files, "index.json": b"[" * 99999}, f"{unread} {DEEP}"),
            ({**files, "index.json": b"[]"}, f"{unread} the document is a list, not an object"),
            ({**files, "index.json": b"{}"}, f"{unread} `manifests` is missing"),
            ({**files, "index.json": b'{"manifests":[1]}'},
             f"{unread} `manifests[0]` is a number, not an object"),
            (layout_files(("", [ONE]), media_type="text/plain"),
             f"{unread} it has a layer of the kind `text/plain`"),
        ]
    ):  # fmt: skip
        write_folder(tmp_path / str(number), broken)
        with pytest.raises(BuildError) as caught:
            find_image(f"oci:{tmp_path}/{number}", store)
        assert str(caught.value) == f"`oci:{tmp_path}/{number}` {message}"


def test_a_configuration_of_another_image(store: Store, tmp_path: Path) -> None:
    unread = "holds no image that mlimage can read:"
    name = f"{Digest.of(b'another').hex}.json"
    for number, (config, layers, message) in enumerate(
        [
            (name, [], f"is damaged: its `{name}` has another digest"),
            ("x.json", ["y"], "lacks `y`"),
            ("z.json", [], "lacks `z.json`"),
            (
                "x.json",
                ["x.json"],
                f"{unread} it has 1 layers in its manifest, and 0 in its configuration",
            ),
        ]
    ):
        listing = json.dumps([{"Config": config, "Layers": layers}]).encode()
        path = tmp_path / f"{number}.tar"
        write_archive(path, {"manifest.json": listing, name: config_of(), "x.json": config_of()})
        with pytest.raises(BuildError) as caught:
            find_image(f"docker-archive:{path}", store)
        assert str(caught.value) == f"`docker-archive:{path}` {message}"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../x", tarfile.REGTYPE, b""), "it has the name '../x', which leads outside"),
        (("/etc/x", tarfile.REGTYPE, b""), "it has the name '/etc/x', which leads outside"),
        (("a/x", tarfile.SYMTYPE, "../../x"), "its link `a/x` leads outside, to '../../x'"),
        (("x", tarfile.SYMTYPE, "/etc/passwd"), "its link `x` leads outside, to '/etc/passwd'"),
        (("index.json", tarfile.REGTYPE, b""), "it has `index.json` twice"),
        (("x", tarfile.FIFOTYPE, ""), "its `x` is a named pipe"),
    ],
)
def test_hostile_archives(
    member: tuple[str, bytes, str | bytes], message: str, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(("index.json", tarfile.REGTYPE, b"{}"), member))
    with pytest.raises(BuildError) as caught:
        find_image(f"oci-archive:{path}", store)
    assert str(caught.value) == f"`{path}` is no archive of an image: {message}"


def test_an_archive_that_is_cut_short(store: Store, image: SealedImage, tmp_path: Path) -> None:
    write_output(image, store, f"oci-archive:{tmp_path}/a.tar")
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content[:1000])
    with pytest.raises(BuildError) as caught:
        find_image(f"oci-archive:{tmp_path}/a.tar", store)
    assert str(caught.value) == f"`{tmp_path}/a.tar` is no archive of an image: the archive ends too early"
    info = tarfile.TarInfo("x")
    info.size = 1 << 63
    (tmp_path / "b.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(BuildError) as caught:
        find_image(f"oci-archive:{tmp_path}/b.tar", store)
    assert str(caught.value) == f"`{tmp_path}/b.tar` is no archive of an image: it is cut short"


def test_a_layer_is_held_against_both_digests(store: Store, tmp_path: Path) -> None:
    docker_save(tmp_path / "a.tar", ONE)
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content.replace(ONE, TWO))
    (layer,) = find_image(f"docker-archive:{tmp_path}/a.tar", store).layers
    with pytest.raises(BuildError) as caught, open_tar(layer) as stream:
        stream.finish()
    assert str(caught.value) == f"layer `layer-0` is damaged: it is not {Digest.of(ONE)}"
    write_folder(tmp_path / "out", layout_files(("", [gzip.compress(ONE)])))
    (layer,) = find_image(f"oci:{tmp_path}/out", store).layers
    with pytest.raises(BuildError) as caught, open_tar(layer) as stream:
        stream.finish()
    assert str(caught.value) == f"layer `layer-0` is damaged: it is not {layer.digest}"


@given(st.data())
def test_a_damaged_archive_is_read_or_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, path = Store(Path(folder)), Path(folder) / "a.tar"
        kind = data.draw(st.sampled_from(["oci-archive", "docker-archive"]))
        if kind == "oci-archive":
            write_archive(path, layout_files(("", [ONE, TWO]), media_type="a.tar"))
        else:
            docker_save(path, ONE, TWO)
        raw = bytearray(path.read_bytes())
        # Half of an archive is padding, which nobody reads.
        said = [at for at, byte in enumerate(raw) if byte]
        for at in data.draw(st.lists(st.sampled_from(said), min_size=1, max_size=3)):
            raw[at] = data.draw(st.sampled_from(b'{}[]",:0a/\x00\xff'))
        path.write_bytes(raw[: data.draw(st.sampled_from([len(raw), at]))])
        with suppress(UsageError, BuildError):
            found = find_image(f"{kind}:{path}", store)
            compare_images(found, found)


def test_a_bomb(store: Store, tmp_path: Path) -> None:
    write_folder(tmp_path / "out", layout_files(("", [gzip.compress(bytes(9 << 20))])))
    (layer,) = find_image(f"oci:{tmp_path}/out", store).layers
    with pytest.raises(BuildError) as caught, open_tar(layer, unsuspicious=8 << 20) as stream:
        stream.finish()
    assert str(caught.value) == f"layer `layer-0` unpacks to more than 200 times its {layer.size} bytes"
