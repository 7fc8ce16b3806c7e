"""What `mlimage build` refuses before there is anything to build, and what it says of a built image."""

from pathlib import Path

import pytest

from mlimage.cli import main
from mlimage.cli.built import built_json, note_unchecked, show_built
from mlimage.cli.screen import Screen
from mlimage.content.entry import file_of_bytes
from mlimage.digest import Digest
from mlimage.engines.build import Built
from mlimage.engines.layers import BuiltLayer
from mlimage.host.imports.check import Checked
from mlimage.host.imports.explain import Trouble
from mlimage.oci.store import Store
from support.sealing import plan_of, sealed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--output", "oci-archive:-", "--json"), "`--output oci-archive:-` and `--json`"),
        (
            ("-o", "oci-archive:-", "-o", "docker-archive:-"),
            "`--output oci-archive:-` and `--output docker-archive:-`",
        ),
    ],
)
def test_standard_output_takes_one_thing(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(("build", *arguments))
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (
        "",
        f"error: {said} cannot share standard output\nhint: write the image to a file\n",
    )


@pytest.mark.parametrize(("made", "said"), [(True, "1 made now, {size} B"), (False, "nothing changed")])
def test_a_small_layer_is_not_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, made: bool, said: str
) -> None:
    image = sealed(Store(tmp_path), app=[file_of_bytes("x", b"1", origin="t")])
    (layer,), (planned,) = image.layers, plan_of(["app"]).layers
    built = BuiltLayer(layer=planned, key=Digest.of(b""), blob=layer, made=made)
    show_built(
        Screen(),
        Built(image=image, layers=(built,), unrecorded=()),
        None,
        outputs=["oci-archive:demo.tar"],
        recorded=Path("lockfiles/demo/digests.toml"),
    )
    size = layer.blob.size
    assert capsys.readouterr().out == (
        "demo:cpu\n"
        f"  digest    {image.digest}\n"
        f"  image id  {image.image_id}\n"
        f"  layers    1, {size} B packed; {said.format(size=size)}\n"
        "  written   to oci-archive:demo.tar\n"
        "  recorded  in lockfiles/demo/digests.toml\n"
    )


def test_what_is_said_of_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = sealed(Store(tmp_path), app=[file_of_bytes("x", b"1", origin="t")])
    built = Built(image=image, layers=(), unrecorded=())
    checked = Checked(packages=3, fresh=True, without_driver={"cupy-cuda12x": "libcuda.so.1"})
    note_unchecked(Screen(), checked, "demo:cuda")
    show_built(Screen(), built, None, checked)
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "  imported  2 dependencies of the spec"
    assert err == (
        "`cupy-cuda12x` is not imported: it needs `libcuda.so.1`, which the host's NVIDIA driver brings\n"
    )
    note_unchecked(Screen(), Checked(packages=1, unchecked="it is for linux/arm64"), "demo:cpu-arm64")
    assert capsys.readouterr() == (
        "", "the imports of demo:cpu-arm64 are not checked: it is for linux/arm64\n"
    )  # fmt: skip
    trouble = Trouble(
        package="one", where="f:6:5", module="one", error="ValueError: x", lines=("a",), hint="h"
    )
    assert built_json(built, None, Checked(packages=1, fresh=True, troubles=(trouble,)))["imports"] == {
        "packages": 1,
        "unchecked": None,
        "without_driver": {},
        "failed": [
            {
                "package": "one",
                "where": "f:6:5",
                "module": "one",
                "error": "ValueError: x",
                "because": ["a"],
                "hint": "h",
            }
        ],
    }
    assert built_json(built, None)["imports"] is None
