"""What is handed to BuildKit: real folders, and the base as an image of the store."""

import json
from pathlib import Path

from mlimage.content.entry import arrange, directory, file_of_bytes
from mlimage.digest import Digest
from mlimage.engines.docker.contexts import (
    base_context,
    debs_context,
    pip_context,
    runtime_context,
    wheels_context,
)
from mlimage.oci.store import Store
from support.locks import deb, package
from support.sealing import packed, plan_of


def listing(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): f"{path.stat().st_mode & 0o7777:04o}"
        for path in sorted(folder.rglob("*"))
    }


def test_the_base_is_an_image_of_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    layer = packed(store, "base", [file_of_bytes("etc/a", b"1", origin="test")])
    place = base_context(plan_of(["app"]), [layer], store)
    scheme, _, digest = place.partition("@")
    assert scheme == f"oci-layout://{tmp_path}/store"
    manifest = json.loads(store.blob(Digest(digest)).read_bytes())
    assert manifest["layers"] == [
        {"mediaType": layer.blob.media_type, "digest": layer.blob.digest, "size": layer.blob.size}
    ]
    config = json.loads(store.blob(Digest(manifest["config"]["digest"])).read_bytes())
    assert config == {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": []},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created": "2026-05-04T03:02:01Z", "created_by": "mlimage base"}],
    }
    assert json.loads((tmp_path / "store/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert base_context(plan_of(["app"]), [layer], store) == place
    assert store.tags() == {}


def test_wheels_and_debs_have_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "12ab").write_bytes(b"wheel")
    (tmp_path / "34cd").write_bytes(b"deb")
    wheels = wheels_context([(package("one-two"), tmp_path / "12ab")], tmp_path / "w")
    debs = debs_context([(deb("git", "1:2.3"), tmp_path / "34cd")], tmp_path / "d")
    assert (wheels / "wheels/one_two-1.0-py3-none-any.whl").read_bytes() == b"wheel"
    assert (debs / "debs/git_1:2.3_amd64.deb").read_bytes() == b"deb"
    assert (wheels / "wheels/one_two-1.0-py3-none-any.whl").samefile(tmp_path / "12ab")
    assert sorted(listing(wheels_context([], tmp_path / "none"))) == ["wheels"]


def test_pip_is_whole_and_brings_no_bytecode(tmp_path: Path) -> None:
    folder = pip_context(tmp_path / "pip")
    files = set(listing(folder))
    assert {"pip/pip/__init__.py", "pip/pip/__main__.py", "pip/pip/_vendor/vendor.txt"} <= files
    assert [file for file in files if file.endswith(".pyc") or "__pycache__" in file] == []


def test_the_runtime_has_its_modes(tmp_path: Path) -> None:
    entries = arrange(
        [
            directory("models", origin="runtime", mode=0o1777),
            file_of_bytes("opt/venv/bin/tool", b"", origin="runtime", mode=0o755),
            file_of_bytes("opt/mlimage/roles.json", b"{}", origin="runtime"),
        ]
    )
    assert listing(runtime_context(entries, tmp_path / "out") / "runtime") == {
        "models": "1777",
        "opt": "0755",
        "opt/mlimage": "0755",
        "opt/mlimage/roles.json": "0644",
        "opt/venv": "0755",
        "opt/venv/bin": "0755",
        "opt/venv/bin/tool": "0755",
    }
