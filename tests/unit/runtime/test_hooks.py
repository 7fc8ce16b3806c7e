"""Seeds and switches that are set when a program imports a library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUILDER = Path(__file__).parents[3] / "builder"
TORCH = """\
class _Any:
    def __getattr__(self, name):
        value = _Any()
        setattr(self, name, value)
        return value
backends = _Any()
utils = _Any()
calls = []
def manual_seed(seed): calls.append(("seed", seed))
def use_deterministic_algorithms(on): calls.append(("deterministic", on))
def set_num_threads(count): calls.append(("threads", count))
"""


def python(script: str, folder: Path, **variables: str) -> str:
    """What a Python with the hooks, as the image's site-packages start them, prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import mlimage.runtime.hooks as h; h.install()\n{script}"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{BUILDER}{os.pathsep}{folder}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_random_is_seeded_when_it_is_imported(tmp_path: Path) -> None:
    script = "import random; print(random.random(), h.applied())"
    first = python(script, tmp_path, MLIMAGE_SEED="7")
    assert first.endswith("{'random': {'seed': 7}}\n")
    assert python(script, tmp_path, MLIMAGE_SEED="7") == first
    assert python(script, tmp_path, MLIMAGE_SEED="8") != first
    assert python(script, tmp_path) != python(script, tmp_path)


def test_without_a_seed_nothing_is_watched(tmp_path: Path) -> None:
    script = (
        "import sys; print([each.__name__ for each in map(type, sys.meta_path) if 'Watch' in each.__name__])"
    )
    assert python(script, tmp_path) == "[]\n"
    assert python(script, tmp_path, MLIMAGE_SEED="x") == "[]\n"
    assert python(f"h.install(); {script}", tmp_path, MLIMAGE_SEED="1") == "['_Watch']\n"


def test_nothing_is_imported_that_the_program_does_not(tmp_path: Path) -> None:
    script = "import sys; print(sorted({'random', 'numpy', 'torch', 'importlib.util'} & sys.modules.keys()))"
    assert python(script, tmp_path, MLIMAGE_SEED="1") == "[]\n"


def test_the_module_is_what_it_is_without(tmp_path: Path) -> None:
    script = (
        "import random, pickle\n"
        "loader = random.__loader__\n"
        "print(type(loader).__name__, 'exec_module' in vars(loader), random.__spec__.name)\n"
        "print(pickle.loads(pickle.dumps(random.Random(1))).random() == random.Random(1).random())\n"
    )
    assert python(script, tmp_path, MLIMAGE_SEED="7") == "SourceFileLoader False random\nTrue\n"


@pytest.mark.parametrize(
    ("variables", "calls"),
    [
        ({}, [("seed", 7)]),
        (
            {"MLIMAGE_PROFILE": "strict", "OMP_NUM_THREADS": "3"},
            [("seed", 7), ("deterministic", True), ("threads", 3)],
        ),
    ],
)
def test_torch(tmp_path: Path, variables: dict[str, str], calls: list[tuple[str, object]]) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    script = "import torch; print(torch.calls, torch.backends.cudnn.benchmark)"
    assert python(script, tmp_path, MLIMAGE_SEED="7", **variables) == f"{calls} False\n"


def test_tf32_is_said_in_one_way_alone(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    script = (
        "import torch; print(torch.backends.fp32_precision, vars(torch.backends.cudnn).get('allow_tf32'))"
    )
    found = python(script, tmp_path, MLIMAGE_SEED="7", NVIDIA_TF32_OVERRIDE="0")
    assert found == "ieee None\n"


def test_a_library_that_has_changed_is_told_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("value = 1\n")
    script = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import torch\n"
        "print(torch.value, caught[0].message)\n"
    )
    found = python(script, tmp_path, MLIMAGE_SEED="7")
    assert found.startswith("1 mlimage: torch is not seeded: AttributeError: ")


def test_a_module_that_fails_or_is_not_there_does_so_as_ever(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ValueError('broken')\n")
    script = (
        "for name in ('torch', 'tensorflow'):\n"
        "    try: __import__(name)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    assert python(script, tmp_path, MLIMAGE_SEED="7") == (
        "ValueError broken\nModuleNotFoundError No module named 'tensorflow'\n"
    )


def test_seeding_again_and_otherwise(tmp_path: Path) -> None:
    script = (
        "import random; from mlimage_runtime import seed; first = random.random(); "
        "assert seed() == 7; assert random.random() == first; "
        "assert seed(8) == 8; other = random.random(); assert other != first; "
        "random.seed(8); assert random.random() == other; print('well')"
    )
    assert python(script, tmp_path, MLIMAGE_SEED="7") == "well\n"
    outside = "import random; from mlimage_runtime import seed; print(seed(), random.random())"
    assert python(outside, tmp_path) == python(outside, tmp_path)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_a_program_are_seeded(tmp_path: Path, method: str) -> None:
    (tmp_path / "work.py").write_text(
        "import mlimage.runtime.hooks as h\nh.install()\nimport random\ndef draw(_): return random.random()\n"
    )
    (tmp_path / "main.py").write_text(
        "import multiprocessing, sys, work\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context('{method}').Pool(1) as pool:\n"
        "        print(pool.map(work.draw, range(2)))\n"
    )
    script = f"import runpy; runpy.run_path({str(tmp_path / 'main.py')!r}, run_name='__main__')"
    first = python(script, tmp_path, MLIMAGE_SEED="7")
    assert python(script, tmp_path, MLIMAGE_SEED="7") == first
    assert python(script, tmp_path, MLIMAGE_SEED="8") != first


def test_places() -> None:
    script = (
        "from mlimage_runtime import data, models\n"
        "print(data('old-events'), models())\n"
        "try: data('other')\n"
        "except LookupError as error: print(error)\n"
    )
    found = python(script, Path(), MLIMAGE_DATA_OLD_EVENTS="/data/old-events", MLIMAGE_MODELS="/models")
    assert found == (
        "/data/old-events /models\nnobody says where the data `other` is: name it under `data:` in "
        "mlimage.yaml, or set MLIMAGE_DATA_OTHER\n"
    )
