"""Seeds and switches in real processes, started through a real `mlimage.pth`."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

from mlimage.content.runtime import START_HOOKS
from mlimage.runtime.hooks import WATCHED
from support.machine import ROOT

DRAW = "import json, random, numpy; print(json.dumps([random.random(), numpy.random.rand()]))"


class Python:
    """A Python of an environment that has the hooks, and numpy."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.program, *arguments],
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def says(self, *arguments: str, seed: str = "7", **env: str) -> Any:
        done = self.run(*arguments, MLIMAGE_SEED=seed, **env)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    folder = tmp_path_factory.mktemp("image")
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python3*/site-packages")
    (packages / "mlimage.pth").write_text(f"{ROOT / 'builder'}\n{START_HOOKS}")
    (packages / "numpy.pth").write_text(sysconfig.get_path("platlib"))
    return Python(folder / "bin/python")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def expected(seed: int) -> list[float]:
    import random

    import numpy as np

    return [random.Random(seed).random(), float(np.random.RandomState(seed).rand())]  # noqa: S311


def test_the_main_process(python: Python) -> None:
    assert python.says("-c", DRAW) == expected(7)
    assert python.says("-c", DRAW, seed="8") == expected(8)


@pytest.mark.parametrize("options", [("-I",), ("-E",), ("-B", "-O"), ("-X", "importtime")])
def test_options_of_python(python: Python, options: tuple[str, ...]) -> None:
    done = python.run(*options, "-c", DRAW, MLIMAGE_SEED="7")
    assert json.loads(done.stdout) == expected(7)


def test_a_module_as_program_and_a_subprocess(python: Python, program: Path) -> None:
    program.write_text(
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DRAW!r}], check=True)"
    )
    done = python.run("-m", "program", MLIMAGE_SEED="7", PYTHONPATH=str(program.parent))
    assert json.loads(done.stdout) == expected(7), done.stderr


def test_without_site_nothing_happens_and_nothing_fails(python: Python) -> None:
    code = "import random, sys; print('mlimage.runtime.hooks' in sys.modules)"
    done = python.run("-S", "-c", code, MLIMAGE_SEED="7")
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("seed", ["", "x", "-1"])
def test_outside_of_the_entry_point_nothing_is_watched(python: Python, seed: str) -> None:
    code = "import sys, random; print([each for each in sys.meta_path if not isinstance(each, type)])"
    assert python.run("-c", code, MLIMAGE_SEED=seed).stdout == "[]\n"


def test_nothing_is_imported_for_it(python: Python) -> None:
    code = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    added = {*python.says("-c", code)} - {*json.loads(python.run("-S", "-c", code).stdout)}
    assert {name for name in added if "mlimage" in name or name in WATCHED} == {
        "mlimage",
        "mlimage.runtime",
        "mlimage.runtime.hooks",
    }


def test_what_was_set_is_told(python: Python) -> None:
    code = (
        "import json, random, numpy.random; from mlimage.runtime.hooks import applied; "
        "print(json.dumps(applied()))"
    )
    assert python.says("-c", code) == {"numpy.random": {"seed": 7}, "random": {"seed": 7}}


WORKERS = """
import json, multiprocessing, sys
import random
import numpy

def draw(queue):
    queue.put([random.random(), numpy.random.rand()])

if __name__ == "__main__":
    if "again" in sys.argv:
        random.seed(5), numpy.random.seed(5)
    context = multiprocessing.get_context(sys.argv[1])
    found = []
    for _ in range(2):
        queue = context.Queue()
        worker = context.Process(target=draw, args=(queue,))
        worker.start()
        found.append(queue.get(timeout=60))
        worker.join()
    found.append([random.random(), numpy.random.rand()])
    print(json.dumps(found))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_draw_numbers_of_their_own_and_the_same_ones_each_time(
    python: Python, program: Path, method: str
) -> None:
    program.write_text(WORKERS)
    first, second, own = python.says(str(program), method)
    assert [first, second, own] == python.says(str(program), method)
    assert own == expected(7)
    assert len({*first, *second, *own}) == 6
    assert first != python.says(str(program), method, seed="8")[0]


def test_a_worker_goes_on_from_what_the_program_seeded(python: Python, program: Path) -> None:
    program.write_text(WORKERS)
    as_image, as_program = python.says(str(program), "fork"), python.says(str(program), "fork", "again")
    assert as_program[2] == expected(5)
    assert as_image[0] != as_program[0]


POOL = """
import json, os
from concurrent.futures import ProcessPoolExecutor

def draw(_):
    import random  # not before there are workers
    return random.random()

if __name__ == "__main__":
    with ProcessPoolExecutor(1) as pool:
        print(json.dumps(list(pool.map(draw, range(3)))))
"""


def test_what_is_imported_only_in_a_pool(python: Python, program: Path) -> None:
    program.write_text(POOL)
    found = python.says(str(program))
    assert found == python.says(str(program))
    assert len(set(found)) == 3
    assert found[0] != expected(7)[0]


IMPORTLIB = """
import importlib.util, sys

lazy = importlib.util.find_spec("random")
lazy.loader = importlib.util.LazyLoader(lazy.loader)
module = importlib.util.module_from_spec(lazy)
sys.modules["random"] = module
lazy.loader.exec_module(module)
first = module.random()

import copy, importlib.resources, inspect, json, pickle, threading

spec = importlib.util.find_spec("numpy")
assert "numpy" not in sys.modules
assert type(spec.loader).__name__ == "SourceFileLoader"
assert pickle.loads(pickle.dumps(spec)).origin == spec.origin == copy.deepcopy(spec).origin

threads = [threading.Thread(target=importlib.import_module, args=("numpy.random",)) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
import numpy
second = numpy.random.rand()

assert "exec_module" not in vars(numpy.__spec__.loader), vars(numpy.__spec__.loader)
assert numpy.__loader__.get_source("numpy").startswith('\"\"\"')
assert importlib.resources.files("numpy").joinpath("__init__.py").is_file()
assert inspect.getsource(module.Random).startswith("class Random")
assert importlib.reload(module).random() == first
try:
    import numpy.no_such_module
except ModuleNotFoundError as error:
    assert error.name == "numpy.no_such_module"
print(json.dumps([first, second]))
"""


def test_importlib_works_as_ever(python: Python) -> None:
    assert python.says("-c", IMPORTLIB) == expected(7)


def test_a_finder_of_the_programs_own_comes_first(python: Python) -> None:
    code = (
        "import importlib.machinery, json, sys\n"
        "class Own:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return importlib.machinery.PathFinder.find_spec(name, path, target)\n"
        "sys.meta_path.insert(1, Own())\n"
        "import random, numpy\n"
        "print(json.dumps([random.random(), numpy.random.rand()]))"
    )
    assert python.says("-c", code) == expected(7)


BROKEN = "import sys; sys.path.insert(0, {folder!r}); import tensorflow; print('goes on')"


def test_a_library_that_cannot_be_set(python: Python, tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text(
        "def __getattr__(name): raise AttributeError(\"'tensorflow' is no such library\")"
    )
    code = BROKEN.format(folder=str(tmp_path))
    done = python.run("-c", code, MLIMAGE_SEED="7")
    reason = "seeds and switches of tensorflow cannot be set: AttributeError: 'tensorflow' is no such library"
    assert (done.stdout, done.stderr) == ("goes on\n", f"mlimage: {reason}\n")
    done = python.run("-c", code, MLIMAGE_SEED="7", MLIMAGE_PROFILE="strict")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"RuntimeError: the profile `strict` does not hold: {reason}\n")


def test_a_module_that_fails_or_is_not_there_does_so_as_ever(python: Python, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ValueError('broken')")
    code = (
        "for name in ('torch', 'tensorflow'):\n"
        "    try: __import__(name)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    done = python.run("-c", code, MLIMAGE_SEED="7", PYTHONPATH=str(tmp_path))
    assert done.stdout == "ValueError broken\nModuleNotFoundError No module named 'tensorflow'\n"


def test_a_forked_process_that_no_library_started(python: Python) -> None:
    code = (
        "import json, os, random\n"
        "found = []\n"
        "for _ in range(2):\n"
        "    read, write = os.pipe()\n"
        "    if not os.fork(): os.write(write, json.dumps(random.random()).encode()); os._exit(0)\n"
        "    found.append(json.loads(os.read(read, 99))); os.wait()\n"
        "print(json.dumps([*found, random.random()]))"
    )
    found = python.says("-c", code)
    assert found == python.says("-c", code)
    assert len(set(found)) == 3
    assert found[2] == expected(7)[0]


def test_seeding_again_and_otherwise(python: Python) -> None:
    code = (
        "import json, random, numpy.random, subprocess, sys; from mlimage_runtime import seed\n"
        "child = [sys.executable, '-c', 'import random; print(random.random())']\n"
        "draw = lambda: [random.random(), numpy.random.rand()]\n"
        "found = [draw(), seed(), draw(), seed(8), draw()]\n"
        "print(json.dumps([*found, subprocess.check_output(child, text=True)]))"
    )
    first, again, second, other, third, child = python.says("-c", code)
    assert (again, other) == (7, 8)
    assert first == second == expected(7)
    assert third == expected(8)
    assert float(child) == expected(8)[0]


def test_outside_of_an_image_programs_seed_themselves(python: Python) -> None:
    code = "import random; from mlimage_runtime import seed; print(seed(), random.random())"
    assert python.run("-c", code).stdout == f"0 {expected(0)[0]}\n"
    done = python.run("-c", code, MLIMAGE_SEED="x")
    assert done.stderr.endswith("ValueError: MLIMAGE_SEED=x is no whole number\n")
    done = python.run("-c", "from mlimage_runtime import seed; seed(-1)")
    assert done.stderr.endswith("ValueError: the seed -1 is negative\n")


def test_this_is_the_python_of_the_environment(python: Python) -> None:
    assert python.says("-c", "import json, sys; print(json.dumps(sys.version))") == sys.version


def test_finders_of_before_python_3_4_are_passed_over(python: Python) -> None:
    """Old copies of six that packages bring have them."""
    script = (
        "import json, sys\n"
        "from importlib.util import find_spec\n"
        "class Old:\n    def find_module(self, name, path=None):\n        return None\n"
        "sys.meta_path.insert(0, Old())\n"
        "try:\n    import jax\nexcept ImportError as error:\n    said = type(error).__name__\n"
        "print(json.dumps([said, find_spec('tensorflow')]))\n"
    )
    assert python.says("-W", "ignore", "-c", script) == ["ModuleNotFoundError", None]
