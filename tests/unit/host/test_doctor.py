"""What is found on machines of all kinds, and that this one can be looked at."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cli import main
from mlimage.daemon.facts import Facts
from mlimage.host.doctor.checks import check_all
from mlimage.host.doctor.machine import this_machine
from mlimage.host.doctor.model import Check, Engine, Gpu, Machine, Needs
from mlimage.platforms import LINUX_AMD64, LINUX_ARM64
from mlimage.process import Command, Completed, Runner

GB = 1_000_000_000
DOCKER = Engine(
    facts=Facts(
        version="28.5.2", api=(1, 51), platform=LINUX_AMD64, address="unix:///var/run/docker.sock",
        containerd_store=True, runtimes=frozenset({"runc", "nvidia"}), devices=("/etc/cdi",),
    ),
    storage="overlayfs", cgroup="2",
)  # fmt: skip
PLAIN = replace(DOCKER, facts=replace(DOCKER.facts, runtimes=frozenset({"runc"})))
H100 = Gpu(name="NVIDIA H100 80GB HBM3", capability="9.0", memory=80 * GB, mig=False, mode="Default")
WELL = Machine(
    platform=LINUX_AMD64, kernel="Linux 6.1.0", engine=DOCKER, no_engine=("", ""), no_sandbox=None,
    processor="AMD EPYC", flags=frozenset({"avx2", "fma", "sse2"}), processors=8, quota=None, memory=32 * GB,
    shm=16 << 30, limits={"nofile": None, "memlock": None, "stack": None}, free=100 * GB,
)  # fmt: skip
WITH_GPU = replace(WELL, driver="580.95.05", gpus=(H100,), toolkit=True)
CPU = Needs(
    name="churn:cpu", platform=LINUX_AMD64, strict=False, cuda=None, driver=None, unpacked=GB, here=False
)
CUDA = replace(CPU, name="churn:cuda", cuda="13.0", driver="580.65.06", unpacked=6 * GB)


def one(name: str, machine: Machine, needs: Needs | None = None) -> Check:
    [found] = [check for check in check_all(machine, needs) if check.name == name]
    return found


@pytest.mark.parametrize("machine", [WELL, WITH_GPU])
@pytest.mark.parametrize("needs", [None, CPU])
def test_a_machine_that_is_well(machine: Machine, needs: Needs | None) -> None:
    found = check_all(machine, needs)
    assert {check.verdict for check in found} == {"pass"}
    assert {check.fix for check in found} == {""}
    assert len({check.name for check in found}) == len(found)


def test_a_gpu_for_cuda() -> None:
    assert {check.verdict for check in check_all(WITH_GPU, CUDA)} == {"pass"}
    assert one("gpu0", WITH_GPU).evidence == "NVIDIA H100 80GB HBM3, compute capability 9.0, 80 GB"
    assert one("toolkit", WITH_GPU).evidence == "the runtime `nvidia`"
    described = replace(WITH_GPU, device_files=("/etc/cdi/nvidia.yaml",))
    assert one("toolkit", described).evidence == "CDI, /etc/cdi/nvidia.yaml and the runtime `nvidia`"


NOBODY = replace(WELL, engine=None, no_engine=("no Docker daemon answers at x", "start it"))


@pytest.mark.parametrize(
    ("name", "machine", "needs", "verdict", "evidence", "fix"),
    [
        ("engine", NOBODY, None, "pass", "no Docker daemon answers at x; the sandbox does without", ""),
        (
            "engine", replace(NOBODY, no_sandbox="the sandbox needs Linux"), None, "fail",
            "no Docker daemon answers at x", "start it",
        ),
        (
            "sandbox", replace(WELL, no_sandbox="unshare: no"), None, "pass",
            "unshare: no; the container engine runs images", "",
        ),
        (
            "engine", replace(WELL, engine=replace(DOCKER, facts=replace(DOCKER.facts, limits=False))), None,
            "warn",
            ("Docker 28.5.2 at unix:///var/run/docker.sock, storage overlayfs, cgroups of version 2; it "
            "cannot limit memory or processors"),
            "start Linux with cgroups of version 2 (systemd.unified_cgroup_hierarchy=1)",
        ),
        (
            "platform", NOBODY, replace(CPU, platform=LINUX_ARM64), "fail",
            "the image is for linux/arm64, this machine is linux/amd64; under emulation numbers differ",
            "build it for linux/amd64 (`platforms:` in the spec), or run it on a machine of linux/arm64",
        ),
        (
            "platform", replace(NOBODY, platform=None, kernel="Linux 6.1 on riscv64"), None, "fail",
            "Linux 6.1 on riscv64, for which there are no images", "they are for linux/amd64, linux/arm64",
        ),
        (
            "isa", replace(WELL, flags=frozenset({"sse2", "fma"})), replace(CPU, strict=True), "fail",
            "AMD EPYC, without avx2",
            "images of the profile `strict` need a processor that has them, those of `fast` do not",
        ),
        (
            "isa", replace(WELL, flags=frozenset({"sse2"})), CPU, "warn", "AMD EPYC, without avx2 and fma",
            "images of the profile `strict` need a processor that has them, those of `fast` do not",
        ),
        (
            "cpus", replace(WELL, quota=1.5), None, "warn",
            "8, of which the control group allows 1.5; only images see that by themselves",
            ("set OMP_NUM_THREADS=2 for others; a set of processors (`--cpuset-cpus`) stalls less than a "
            "quota"),
        ),
        (
            "memory", replace(WELL, memory=2 * GB), CUDA, "warn", "2.0 GB, and the image has 6.0 GB of files",
            "a larger machine, or a higher limit of the control group",
        ),
        (
            "shm", replace(WELL, shm=64 << 20), None, "warn", "64 MiB in /dev/shm",
            ("`mlimage run` gives 1 GiB; with `docker run` say `--shm-size=1g`, or workers of a data loader "
            "end in a bus error"),
        ),
        (
            "nofile", replace(WELL, limits={"nofile": 1024}), None, "warn", "at most 1024",
            "`ulimit -n 4096`, or `docker run --ulimit nofile=4096`",
        ),
        (
            "memlock", replace(WITH_GPU, limits={"memlock": 65536}), None, "warn", "at most 65536 bytes",
            "`docker run --ulimit memlock=-1 --ulimit stack=67108864`, for transfers between GPUs",
        ),
        (
            "disk", replace(WELL, free=GB), CUDA, "fail",
            "1.0 GB where the cache is, and the image takes 6.0 GB",
            "`mlimage cache prune`, or let MLIMAGE_CACHE name a folder on another disk",
        ),
        ("disk", replace(WELL, free=GB), replace(CUDA, here=True), "pass", "1.0 GB where the cache is", ""),
        (
            "disk", replace(WELL, free=GB), None, "warn",
            "1.0 GB where the cache is, and a build with CUDA takes 5.0 GB",
            "`mlimage cache prune`, or let MLIMAGE_CACHE name a folder on another disk",
        ),
        ("driver", WELL, None, "pass", "none: variants for CUDA do not run", ""),
        ("driver", WELL, CPU, "pass", "none, and none is needed", ""),
        (
            "driver", WELL, CUDA, "fail", "none, and the image is for CUDA 13.0",
            "install the driver, 580.65.06 or newer, or take the variant for the CPU",
        ),
        (
            "driver", replace(WITH_GPU, driver="535.104.05"), CUDA, "fail",
            "535.104.05, and the image needs 580.65.06 or newer",
            "install a newer driver, or take the variant for the CPU",
        ),
        ("driver", replace(WITH_GPU, driver="1000.1"), CUDA, "pass", "1000.1", ""),
        (
            "gpu0", replace(WITH_GPU, gpus=(replace(H100, mig=True),)), None, "warn",
            "NVIDIA H100 80GB HBM3, compute capability 9.0, 80 GB, split into instances (MIG)",
            "compare numbers only with GPUs that are split alike",
        ),
        (
            "gpu0", replace(WITH_GPU, gpus=(replace(H100, mode="Exclusive_Process"),)), None, "warn",
            "NVIDIA H100 80GB HBM3, compute capability 9.0, 80 GB, compute mode Exclusive_Process",
            "`nvidia-smi -i 0 -c DEFAULT` lets processes share it",
        ),
        (
            "gpus", replace(WITH_GPU, gpus=()), CUDA, "fail",
            "the driver is here, and `nvidia-smi` tells of no GPU",
            "`nvidia-smi` says why; after an update of the driver, restart",
        ),
        (
            "toolkit",
            replace(WITH_GPU, toolkit=False, engine=PLAIN),
            CUDA,
            "fail", "Docker 28.5.2 has no way to them",
            ("install `nvidia-container-toolkit`, then `sudo nvidia-ctk runtime configure --runtime=docker`, "
            "and restart Docker"),
        ),
        (
            "environment", replace(WELL, variables={"MKL_CBWR": "AVX2", "LD_PRELOAD": "x.so"}), None, "warn",
            ("LD_PRELOAD=x.so, MKL_CBWR=AVX2: what runs in this shell computes otherwise than an image, "
            "which does not see it"),
            "`unset LD_PRELOAD MKL_CBWR`",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong(
    name: str, machine: Machine, needs: Needs | None, verdict: str, evidence: str, fix: str
) -> None:
    check = one(name, machine, needs)
    assert (check.verdict, check.evidence, check.fix) == (verdict, evidence, fix)


def test_neither_an_engine_nor_a_sandbox() -> None:
    found = one("sandbox", replace(NOBODY, no_sandbox="unshare: not permitted"))
    assert found.verdict == "fail"
    assert found.fix.endswith(", or start Docker")


def test_an_engine_of_another_platform() -> None:
    engine = replace(DOCKER, facts=replace(DOCKER.facts, platform=LINUX_ARM64))
    found = one("platform", replace(WELL, engine=engine), CPU)
    assert (found.verdict, found.evidence) == (
        "fail",
        (
            "Docker 28.5.2 is of linux/arm64: what is for linux/amd64 needs emulation, which is slower, and "
            "numbers may differ"
        ),
    )


def smi(rows: str) -> Runner:
    return lambda command: Completed(command=command, status=0, stdout=rows.encode(), stderr=b"")


def test_what_the_kernel_and_nvidia_say(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "model name\t: Some CPU @ 2 GHz\nflags\t\t: sse2 avx2 fma\n",
        "proc/meminfo": "MemTotal:       16000000 kB\nMemFree: 1 kB\n",
        "proc/self/cgroup": "0::/box\n",
        "sys/fs/cgroup/box/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/box/memory.max": "4000000000\n",
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Sat\n",
        "etc/cdi/nvidia.yaml": "kind: nvidia.com/gpu\n",
        "etc/cdi/other.json": '{"kind": "vendor.com/net"}',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = this_machine(
        {"DOCKER_HOST": "unix:///nowhere.sock", "MKL_CBWR": "AVX2", "HOME": "/x"},
        smi(
            "NVIDIA L4, 8.9, 23034, [N/A], Default\nNVIDIA H100, 9.0, 81559, Enabled, Prohibited\nnonsense\n"
        ),
        cache=tmp_path / "not/there/yet",
        root=str(tmp_path),
    )
    assert (found.processor, sorted(found.flags)) == ("Some CPU @ 2 GHz", ["avx2", "fma", "sse2"])
    assert (found.quota, found.memory, found.shm) == (1.5, 4_000_000_000, None)
    assert found.driver == "580.95.05"
    assert found.gpus == (
        Gpu(name="NVIDIA L4", capability="8.9", memory=23034 << 20, mig=False, mode="Default"),
        Gpu(name="NVIDIA H100", capability="9.0", memory=81559 << 20, mig=True, mode="Prohibited"),
    )
    assert found.device_files == ("/etc/cdi/nvidia.yaml",)
    assert found.variables == {"MKL_CBWR": "AVX2"}
    assert found.engine is None
    assert found.no_engine[0] == "no Docker daemon answers at unix:///nowhere.sock: no such file or directory"


def test_this_machine_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(SystemExit) as ended:
        main(("doctor", "--json"))
    found = json.loads(capsys.readouterr().out)
    assert {"engine", "sandbox", "platform", "cpus", "memory", "disk", "driver", "environment"} <= {
        check["name"] for check in found
    }
    assert ended.value.code == (10 if "fail" in {check["verdict"] for check in found} else 0)


def test_a_machine_without_nvidia_asks_nobody(tmp_path: Path) -> None:
    asked: list[Command] = []

    def run(command: Command) -> Completed:
        asked.append(command)
        raise FileNotFoundError

    found = this_machine({"DOCKER_HOST": "unix:///nowhere.sock"}, run, cache=tmp_path, root=str(tmp_path))
    assert (found.driver, found.gpus, found.device_files) == (None, (), ())
    assert len(asked) == 1  # whether `nvidia-smi` knows the driver, as in the Linux of Windows
