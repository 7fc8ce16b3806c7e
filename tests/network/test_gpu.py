"""The probe of a GPU, as far as a machine without one can tell; `tests/gpu` is for those with one."""

import json
import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from mlimage.cache import Cache
from support.building import build, project_at
from support.machine import ROOT, share_fetched
from support.runs import run

pytestmark = [pytest.mark.network, pytest.mark.namespaces]

IMAGE: Final = "digits-pytorch"
SANDBOX: Final = "sandbox: the network, the host's name and the kernel's calls are this machine's own\n"
"""What it says before it starts a program."""
STAND_IN: Final = """\
import sys
if "probe" in sys.orig_argv:
    import torch
    torch.cuda.is_available = lambda: True
    torch.cuda.get_device_capability = lambda: CAPABILITY
    torch.cuda.device_count = lambda: 0
    torch.distributed.is_available = lambda: False
    from mlimage.runtime.probe import of_cuda
    of_cuda.DEVICE = "cpu"
"""
"""The CPU takes the place of a GPU."""
MIXED: Final = """\
import json
from mlimage.runtime.probe.of_torch import Place, operations_at
said = {}
for operation in operations_at(Place("meta", "meta", least=0.0, tf32=0.0)):
    try:
        operation.compute()
    except Exception as error:
        said[operation.name] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""
"""PyTorch's device `meta` has shapes and no numbers, and refuses to compute with what is on another one."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> "Image":
    folder = tmp_path_factory.mktemp("gpu")
    for path in (folder, folder.parent):
        path.chmod(0o755)
    return Image(folder, shared_cache)


class Image:
    """digits-pytorch in the sandbox, which sees this project's sources as its models."""

    def __init__(self, folder: Path, shared: Cache) -> None:
        self.cache = Cache(folder / "cache")
        self.cache.root.mkdir()
        share_fetched(shared, self.cache)
        self.project = project_at(folder / "project", IMAGE)
        build(self.project, self.cache, image=IMAGE)
        self.sources = folder / "sources"
        for path in (
            f"images/{IMAGE}/app",
            f"lockfiles/{IMAGE}/golden",
            "tests/gpu",
            "builder/mlimage/runtime",
        ):
            shutil.copytree(ROOT / path, self.sources / path)
        (self.sources / "builder/mlimage/__init__.py").touch()

    def python(self, script: str, *options: str) -> tuple[int, str]:
        """Run a script of the sources; gives status and what it printed."""
        models = ("--models", str(self.sources))
        done = run(
            self.cache, self.project, "sandbox", IMAGE, *models, *options, "--", "python", f"/models/{script}"
        )
        assert done.stderr.endswith(SANDBOX), done.stderr
        return done.returncode, done.stdout


def test_no_operation_mixes_two_devices(image: Image) -> None:
    (image.sources / "mixed.py").write_text(MIXED)
    status, printed = image.python("mixed.py")
    assert status == 0
    said = json.loads(printed)
    assert len(said) == 39
    other = {name: why for name, why in said.items() if "out of meta tensor" not in why}
    # Models put their weights in place, which goes to a GPU, as `Module.cuda` does, and not to `meta`.
    assert {name.removeprefix("meta.") for name in other} == {
        *("lstm", "transformer.1", "transformer.4", "cnn.1", "cnn.16", "training"),
        *("randn.10", "randn", "randperm", "bernoulli"),
    }
    assert all("incompatible tensor type" in why or "not an accelerator" in why for why in other.values())


def test_the_figures_of_a_gpu(image: Image) -> None:
    (image.sources / "sitecustomize.py").write_text(STAND_IN.replace("CAPABILITY", "(9, 0)"))
    status, printed = image.python("tests/gpu/measure.py", "-e", "PYTHONPATH=/models")
    lines = printed.splitlines()
    assert status == 0, printed
    assert lines[1:3] == [
        "the probe: errors against float64 on the CPU",
        "OPERATION                      CPU      CUDA     BOUND",
    ]
    assert lines[3] == "tf32.matmul                0.0e+00   0.0e+00   0.0e+00"
    assert lines[-3].startswith("CPU   outputs   18 of 18")
    assert lines[-1].startswith("CUDA  outputs   18 of 18")


def test_an_old_gpu_without_bfloat16(image: Image) -> None:
    (image.sources / "sitecustomize.py").write_text(STAND_IN.replace("CAPABILITY", "(7, 5)"))
    status, printed = image.python("tests/gpu/measure.py", "-e", "PYTHONPATH=/models")
    assert (status, "mm.bfloat16" in printed, "mm.64" in printed) == (0, False, True)


def test_a_gpu_that_fails_leaves_the_rest_as_it_is(image: Image) -> None:
    dead = '(_ for _ in ()).throw(RuntimeError("no kernel image"))'
    stand_in = STAND_IN.replace("CAPABILITY", dead).replace('DEVICE = "cpu"', 'DEVICE = "cuda"')
    (image.sources / "sitecustomize.py").write_text(stand_in)
    status, printed = image.python("tests/gpu/measure.py", "-e", "PYTHONPATH=/models")
    lines = printed.splitlines()
    assert status == 1
    assert re.search(r"^mm\.64 +[\d.]+e-0\d +none ", printed, re.MULTILINE)  # the CPU's is there
    assert sum(line.startswith("mm.64: ") for line in lines) == 1
    assert lines[-1].startswith("CUDA  outputs   18 of 18")


def test_without_a_gpu_it_says_so(image: Image) -> None:
    done = run(
        image.cache, image.project, "sandbox", IMAGE, "--models", str(image.sources),
        "--", "python", "/models/tests/gpu/measure.py",
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"{SANDBOX}mlimage: --group: PyTorch sees no GPU here, or is not in this image\n",
    )
