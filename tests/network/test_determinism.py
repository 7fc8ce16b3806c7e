"""The profiles in a real image: seeds in every process, pins that reach libraries, and what undoes them."""

import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, MLIMAGE, build, project_at
from support.machine import share_fetched

pytestmark = [pytest.mark.network]

DRAWS = """\
import json, multiprocessing, os, random, subprocess, sys
import numpy
def draw(_=0):
    return random.random(), float(numpy.random.rand())
if __name__ == "__main__":
    child = [sys.executable, "-c", "import random, numpy; print(random.random(), numpy.random.rand())"]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps({
            "here": draw(), "child": subprocess.check_output(child, text=True),
            "spawned": pool.map(draw, [0]), "seed": os.environ["MLIMAGE_SEED"],
        }))
"""
NUMBERS = """\
import hashlib, json
import numpy
import numpy._core._multiarray_umath as umath
line = numpy.linspace(0.1, 0.9, 100_000)
square = numpy.outer(line[:200], line[100:300]) + numpy.eye(200)
found = {
    "exp": numpy.exp(line * 7), "log1p": numpy.log1p(line.astype("f4")), "cbrt": numpy.cbrt(line),
    "gemm": (square[:8, :64] @ square[:64, :32]).astype("f4"), "svd": numpy.linalg.svd(square)[1],
    "sum": numpy.array([row.sum() for row in numpy.outer(line[:16], line)]),
}
print(json.dumps({
    "on": [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]],
    **{name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in found.items()},
}))
"""


@dataclass(frozen=True, slots=True)
class Image:
    """The image with a profile, in the sandbox."""

    project: Path
    cache: Cache

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it."""
        (self.project / "models").mkdir(exist_ok=True)
        return subprocess.run(
            [MLIMAGE, "run", "--runtime", "sandbox", "--user", "0:0", IMAGE, *words],
            cwd=self.project,
            env={**os.environ, "MLIMAGE_CACHE": str(self.cache.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    def says(self, script: str, *options: str) -> dict[str, object]:
        """What a script prints as JSON; it lies in a file, for workers to import."""
        (self.project / "models/script.py").parent.mkdir(exist_ok=True)
        (self.project / "models/script.py").write_text(script)
        done = self.run(*options, "--models", "models", "--", "python", "/models/script.py")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


def image_of(folder: Path, shared: Cache, determinism: str) -> Image:
    """Built in a cache of its own, for all have one name."""
    cache = Cache(folder / "cache")
    cache.root.mkdir()
    share_fetched(shared, cache)
    project = project_at(folder)
    spec = project / "images" / IMAGE / "mlimage.yaml"
    text = re.sub(r"^determinism:\n(?:  .*\n?)+", "", spec.read_text(), flags=re.MULTILINE)
    spec.write_text(f"{text}determinism: {determinism}\n")
    build(project, cache)
    return Image(project, cache)


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Image:
    return image_of(tmp_path_factory.mktemp("fast"), shared_cache, "{seed: 7}")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Image:
    folder = tmp_path_factory.mktemp("strict")
    return image_of(folder, shared_cache, "{profile: strict, seed: 7}")


def test_every_process_has_the_seed(fast: Image) -> None:
    first = fast.says(DRAWS)
    assert fast.says(DRAWS) == first
    assert first["seed"] == "7"
    here = first["here"]
    assert isinstance(here, list)
    assert first["spawned"] != [here]  # workers draw numbers of their own
    assert first["child"] == "{} {}\n".format(*here)
    other = fast.says(DRAWS, "--env", "MLIMAGE_SEED=8")
    assert other["here"] != here


def test_strict_pins_what_fast_leaves_open(fast: Image, strict: Image) -> None:
    pinned = strict.says(NUMBERS)
    assert pinned["on"] in (["X86_V3"], [])  # on arm64 nothing stays on
    free = fast.says(NUMBERS)
    named = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
    options = [word for name, value in named.items() for word in ("--env", f"{name}={value}")]
    # The same paths chosen by hand give the same numbers, to the bit; with one thread, as `strict` has.
    by_hand = fast.says(NUMBERS, *options, "--env", "OMP_NUM_THREADS=1")
    assert by_hand == pinned
    if free["on"] != pinned["on"]:  # the processor has more, and `fast` takes it
        differing = {name for name in pinned if free[name] != pinned[name]}
        assert differing & {"exp", "log1p", "cbrt"}


def test_strict_does_not_depend_on_the_processors_that_are_there(strict: Image) -> None:
    first = strict.says(NUMBERS)
    script = NUMBERS.replace("import numpy\n", "import os; os.sched_setaffinity(0, {0}); import numpy\n", 1)
    assert strict.says(script) == first


def test_what_undoes_strict_is_refused(strict: Image) -> None:
    for variable in ("OPENBLAS_CORETYPE=SkylakeX", "OMP_NUM_THREADS=2", "LD_PRELOAD=/x.so"):
        done = strict.run("--env", variable, "train")
        assert done.returncode == 78
        assert f"mlimage: {variable} undoes the profile `strict`" in done.stderr


def test_a_machine_with_too_few_processors_is_refused(tmp_path: Path, shared_cache: Cache) -> None:
    wide = image_of(tmp_path, shared_cache, "{profile: strict, threads: 1000}")
    done = wide.run("train")
    assert done.returncode == 78
    assert "mlimage: the profile `strict` computes with 1000 threads (`determinism.threads`)" in done.stderr
    assert wide.run("--", "python", "-c", "pass").returncode == 0  # only roles are held to it


def test_training_is_the_same_to_the_bit(strict: Image) -> None:
    digests = set()
    for _ in range(2):
        done = strict.run("train")
        assert done.returncode == 0, done.stderr
        models = sorted((strict.project / "models").rglob("model.*"))
        digests.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in models))
    assert len(digests) == 1
