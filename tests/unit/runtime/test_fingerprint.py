"""What a machine says of itself, and what it must not say."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from mlimage.runtime.cpu import Cpu, read_cpu
from mlimage.runtime.fingerprint import numeric_class, packages
from mlimage.runtime.limits import cgroup_version, memory_limit
from mlimage.runtime.native import Library, mapped_files, owner_of
from mlimage.runtime.variables import NUMERIC, PATHS, numeric_variables
from support.probing import fingerprinted, word

ZEN = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC 9004
flags\t\t: fpu avx avx2 fma avx512f

processor\t: 1
flags\t\t: fpu
"""
NEOVERSE = """\
processor\t: 0
Features\t: fp asimd asimdhp sve
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd40
"""


def _cpu(tmp_path: Path, text: str, architecture: str) -> Cpu:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text)
    return read_cpu(str(tmp_path), architecture)


def test_an_x86_cpu(tmp_path: Path) -> None:
    assert _cpu(tmp_path, ZEN, "x86_64") == Cpu(
        "x86_64",
        "AuthenticAMD",
        "25",
        "17",
        frozenset({"fpu", "avx", "avx2", "fma", "avx512f"}),
        emulated=False,
    )


def test_an_arm_cpu(tmp_path: Path) -> None:
    assert _cpu(tmp_path, NEOVERSE, "aarch64") == Cpu(
        "aarch64", "0x41", "8", "0xd40", frozenset({"fp", "asimd", "asimdhp", "sve"}), emulated=False
    )


def test_a_program_for_arm_that_sees_an_x86_cpu_is_emulated(tmp_path: Path) -> None:
    assert _cpu(tmp_path, ZEN, "aarch64").emulated


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    assert read_cpu(str(tmp_path), "x86_64") == Cpu("x86_64", "", "", "", frozenset(), emulated=False)


AVX512 = Cpu("x86_64", "GenuineIntel", "6", "143", frozenset({"avx2", "fma", "avx512f"}), emulated=False)
OLD = Cpu("x86_64", "AuthenticAMD", "16", "2", frozenset({"sse4_1"}), emulated=True)
OPENBLAS = Library("openblas", "numpy", None, "0.3.31", "Haswell", 2)
MKL = Library("mkl", "torch", None, "2024.2", "COMPATIBLE", 2)
NUMPY = {"dispatch_on": ["X86_V3"]}
TORCH = {"cpu_capability": "AVX2", "onednn": {"max_isa": "AVX2"}}


@pytest.mark.parametrize(
    ("cpu", "native", "numpy", "torch", "name"),
    [
        (
            AVX512,
            [MKL, OPENBLAS],
            NUMPY,
            TORCH,
            "x86_64;libm=fma;openblas=Haswell;mkl=COMPATIBLE;aten=AVX2;onednn=AVX2;npy=X86_V3;t=2",
        ),
        (
            AVX512,
            [MKL._replace(kernel="AUTO")],
            None,
            None,
            "x86_64;libm=fma;mkl=AUTO(GenuineIntel:avx512f);t=2",
        ),
        (OLD, [], {"dispatch_on": []}, None, "x86_64:emulated;libm=plain;npy=baseline;t=2"),
    ],
)
def test_the_class_names_what_picks_a_code_path(
    cpu: Cpu, native: list[Library], numpy: dict[str, Any], torch: dict[str, Any], name: str
) -> None:
    assert numeric_class(cpu, native, numpy, torch, 2) == name


def test_memory_of_both_generations_of_control_groups(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    for group, file, text in (
        ("job", "memory.max", "2147483648"),
        ("memory/job", "memory.limit_in_bytes", "1073741824"),
        ("memory", "memory.limit_in_bytes", "9223372036854771712"),
    ):
        (tmp_path / "sys/fs/cgroup" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / group / file).write_text(f"{text}\n")
    groups = tmp_path / "proc/self/cgroup"
    groups.write_text("0::/job\n")
    assert (cgroup_version(str(tmp_path)), memory_limit(str(tmp_path))) == (2, 2**31)
    groups.write_text("3:memory:/job\n2:cpu:/job\n")
    assert (cgroup_version(str(tmp_path)), memory_limit(str(tmp_path))) == (1, 2**30)
    groups.write_text("3:memory:/\n")
    assert memory_limit(str(tmp_path)) is None
    groups.unlink()
    assert (cgroup_version(str(tmp_path)), memory_limit(str(tmp_path))) == (None, None)


def test_packages_are_a_digest_and_the_numeric_ones_by_name(tmp_path: Path) -> None:
    for name in ("numpy-2.4.6.dist-info", "Secret_Company.Package-1.dist-info", "numpy"):
        (tmp_path / name).mkdir()
    found = packages(str(tmp_path))
    assert (found["count"], found["numeric"]) == (2, {"numpy": "2.4.6"})
    (tmp_path / "Secret_Company.Package-1.dist-info").rename(tmp_path / "secret_company.package-2.dist-info")
    assert packages(str(tmp_path))["sha256"] != found["sha256"]


def test_whose_a_library_is(tmp_path: Path) -> None:
    site = tmp_path / "a[b]" / "site-packages"
    (site / "numpy-2.4.6.dist-info").mkdir(parents=True)
    (site / "numpy-2.4.6.dist-info/RECORD").write_text(
        "numpy/__init__.py,sha256=x,1\nnumpy.libs/libopenblas.so,sha256=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8,5\n"
    )
    assert owner_of(f"{site}/numpy.libs/libopenblas.so") == ("numpy", bytes(range(32)).hex())
    assert owner_of(f"{site}/numpy.libs/libother.so") == ("numpy", None)
    assert owner_of("/usr/lib/libblas.so.3") == ("system", None)


def test_what_is_mapped() -> None:
    maps = (
        "7f00-7f01 r--p 00000000 08:01 12   /usr/lib/libb.so.6\n"
        "7f01-7f02 r-xp 00001000 08:01 12   /usr/lib/libb.so.6\n"
        "7f03-7f04 r--p 00000000 08:01 13   /opt/with space/liba.so\n"
        "7f05-7f06 rw-p 00000000 00:00 0 \n"
        "7f07-7f08 rw-p 00000000 00:00 0    [heap]\n"
    )
    assert mapped_files(maps) == ["/opt/with space/liba.so", "/usr/lib/libb.so.6"]


def test_variables_are_a_fixed_list_and_tell_no_path() -> None:
    found = numeric_variables(
        {
            "OMP_NUM_THREADS": "2",
            "XLA_FLAGS": "--xla_dump_to=/home/jane/dump --xla_cpu_max_isa=AVX2",
            "TZ": "Europe/Rome",
            "LD_PRELOAD": "/home/jane/libblas.so",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
    )
    assert {name: value for name, value in found.items() if value is not None} == {
        "OMP_NUM_THREADS": "2",
        "XLA_FLAGS": "--xla_dump_to=/… --xla_cpu_max_isa=AVX2",
        "TZ": "Europe/Rome",
        "LD_PRELOAD": "set",
    }
    assert set(found) == {*NUMERIC, *PATHS}


def test_the_fingerprint_of_this_machine() -> None:
    found = fingerprinted(OPENBLAS_CORETYPE="Nehalem")
    assert found["schema"] == "mlimage/fingerprint/1"
    [openblas] = [each for each in found["native"] if each["kind"] == "openblas"]
    assert (openblas["owner"], openblas["kernel"].lower(), openblas["threads"]) == ("numpy", "nehalem", 1)
    assert len(openblas["sha256"]) == 64
    assert f";openblas={openblas['kernel']};" in found["numeric_class"]
    assert found["numeric_class"].endswith(";t=1")
    assert found["env"]["OPENBLAS_CORETYPE"] == "Nehalem"
    assert (found["cpu"]["ftz"], found["cpu"]["daz"], found["cpu"]["emulated"]) == (False, False, False)
    assert (found["torch"], found["cuda"], found["profile"]) == (None, None, None)


def test_the_profile_is_that_of_the_process() -> None:
    assert fingerprinted(MLIMAGE_PROFILE="strict")["profile"] == "strict"


def test_it_is_the_same_twice() -> None:
    assert fingerprinted() == fingerprinted()


def test_it_tells_nothing_private() -> None:
    text = json.dumps(fingerprinted(PRIVATE="hunter2", USER="jane.doe", LD_LIBRARY_PATH="/home/jane.doe"))
    for private in ("hunter2", "jane.doe", socket.gethostname(), str(Path.cwd()), str(Path.home())):
        assert private not in text


def test_for_people() -> None:
    done = word("fingerprint")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[:4]] == [
        "class",
        "profile",
        "python",
        "packages",
    ]
