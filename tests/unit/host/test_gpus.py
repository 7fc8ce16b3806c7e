"""Which GPUs a container gets."""

import pytest

from mlimage.errors import RunError, UsageError
from mlimage.host.gpus import requests_of, wanted
from mlimage.host.request import Gpus
from support.running import facts

CUDA = {"NVIDIA_VISIBLE_DEVICES": "all"}
AUTO = Gpus(ids=("all",), required=False)
ALL = Gpus(ids=("all",), required=True)
REMOTE = facts(address="tcp://gpu-box:2376")
BY_CDI = ({"driver": "cdi", "device_ids": ["nvidia.com/gpu=all"]},)
BY_RUNTIME = ({"count": -1, "capabilities": [["gpu"]]},)


def test_by_itself_an_image_for_cuda_gets_all() -> None:
    assert wanted(None, CUDA) == AUTO
    assert wanted(None, {}) is None
    for off in ("", "none", "void"):
        assert wanted(None, {"NVIDIA_VISIBLE_DEVICES": off}) is None


def test_what_is_named_is_required() -> None:
    assert wanted("none", CUDA) is None
    assert wanted("all", {}) == ALL
    ids = ("0", "1:0", "GPU-5a3c", "MIG-1b2c")
    assert wanted(",".join(ids), {}) == Gpus(ids=ids, required=True)


@pytest.mark.parametrize("text", ["", "x", "0,", "all,0", "-1", "0 1", "nvidia.com/gpu=0"])
def test_what_is_no_gpu(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--gpus: `.*` is no GPU$") as error:
        wanted(text, {})
    assert error.value.hint == (
        "`all`, `none`, or numbers or UUIDs as `nvidia-smi -L` shows them, with commas: 0,1"
    )


def test_what_the_engine_is_told() -> None:
    assert requests_of(None, facts(), None, here=True) == ((), None)
    for gpus in (AUTO, ALL):
        assert requests_of(gpus, facts(), "cdi", here=False) == (BY_CDI, None)
        assert requests_of(gpus, facts(), "runtime", here=True) == (BY_RUNTIME, None)
        assert requests_of(gpus, REMOTE, "runtime", here=False) == (BY_RUNTIME, None)
    # NVIDIA's runtime starts nothing that asks for a GPU where there is none.
    assert requests_of(AUTO, facts(), "runtime", here=False) == ((), None)
    assert requests_of(ALL, facts(), "runtime", here=False) == (BY_RUNTIME, None)


def test_an_image_for_cuda_computes_without_a_gpu() -> None:
    assert requests_of(AUTO, facts(), None, here=False) == ((), None)
    assert requests_of(AUTO, None, None, here=False) == ((), None)


def test_a_gpu_that_lies_idle_is_said() -> None:
    fix = (
        "install `nvidia-container-toolkit`, then `sudo nvidia-ctk runtime configure --runtime=docker`, "
        "and restart Docker"
    )
    assert requests_of(AUTO, facts(), None, here=True) == (
        (),
        f"Docker 28.5.2 cannot give it this machine's GPU: {fix}",
    )
    assert requests_of(AUTO, None, None, here=True) == (
        (),
        "the sandbox cannot give it this machine's GPU: run it in Docker",
    )


def test_gpus_that_are_named_and_cannot_be_given() -> None:
    with pytest.raises(RunError) as error:
        requests_of(ALL, facts(), None, here=True)
    assert error.value.message == "--gpus: Docker 28.5.2 cannot give GPUs to what it runs"
    with pytest.raises(RunError) as error:
        requests_of(ALL, None, None, here=True)
    assert (error.value.message, error.value.hint) == (
        "--gpus: the sandbox cannot give GPUs to what it runs",
        "run it in Docker",
    )
