"""What pip says when there is no solution, in the user's words. The outputs are pip 26.3's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name

from mlimage.content.interpreter import Target
from mlimage.lock.explain import explain
from mlimage.lock.files import IndexFile
from mlimage.lock.unfulfilled import Situation
from mlimage.spec.requirements import SpecRequirement
from support import locks

TARGET = Target(
    markers={"platform_machine": "x86_64"},
    tags=("cp311-cp311-manylinux_2_36_x86_64", "py3-none-any"),
    version="3.11.2",
    glibc="2.36",
)


def situation(*texts: str, files: Mapping[str, Sequence[IndexFile]] | None = None) -> Situation:
    offered = files or {}
    return Situation(
        image="digits",
        requirements=[
            SpecRequirement(
                text=text, place="dependencies", path="images/digits/mlimage.yaml", line=line, column=5
            )
            for line, text in enumerate(texts, 10)
        ],
        target=TARGET,
        python="3.11",
        as_of=locks.AS_OF,
        index_of=lambda name: "team" if name.startswith("our-") else "default",
        files=lambda name: offered.get(name, ()),
        page_of=lambda name: f"https://packages.example.com/simple/{name}/",
    )


def file(filename: str, requires_python: str | None = None) -> IndexFile:
    return IndexFile(
        index="default",
        project=canonicalize_name(filename.split("-", maxsplit=1)[0]),
        filename=filename,
        url=f"https://packages.example.com/{filename}",
        sha256=locks.digest_of(filename),
        requires_python=requires_python,
    )


def missing(text: str, chain: str = "") -> str:
    asked = f" (from {chain})" if chain else ""
    return (
        f"  ERROR: Could not find a version that satisfies the requirement {text}{asked} "
        "(from versions: none)\n"
        "Traceback (most recent call last):\n"
        f"pip._internal.exceptions.DistributionNotFound: No matching distribution found for {text}\n"
    )


CONFLICT = """\
Using indexes:
  http://127.0.0.1:1/simple

                          ROUND 1
  Collecting torchvision==0.20.0 (from -r spec.in (line 1))
  Collecting torch==2.13.0 (from -r /tmp/x/spec.in (line 2))
  Collecting helper>=1 (from torchvision==0.20.0->-r /tmp/x/spec.in (line 1))
  ERROR: Cannot install -r spec.in (line 1) and torch==2.13.0 because these package versions have conflicting dependencies.

  The conflict is caused by:
      The user requested torch==2.13.0
      torchvision 0.20.0 depends on torch==2.5.0
      helper 1.0 depends on torch<3.0.0 and >=2.20; python_version <= "3.11"

  Additionally, some packages in these conflicts have no matching distributions available for your environment:
      torch

  To fix this you could try to:
  1. loosen the range of package versions you've specified

Traceback (most recent call last):
"""  # noqa: E501 - pip's own lines


def test_a_conflict_names_both_sides_and_their_places() -> None:
    error = explain(CONFLICT, situation("torchvision==0.20.0", "torch == 2.13.0"))
    assert str(error) == (
        "images/digits/mlimage.yaml:11:5: these cannot be had together (torch):\n"
        "  you ask for `torch == 2.13.0`  (images/digits/mlimage.yaml:11:5)\n"
        "  `torchvision 0.20.0` needs `torch==2.5.0`, and you ask for `torchvision==0.20.0`"
        "  (images/digits/mlimage.yaml:10:5)\n"
        '  `helper 1.0` needs `torch<3.0.0,>=2.20; python_version <= "3.11"`, '
        "and comes with `torchvision==0.20.0`"
        "  (images/digits/mlimage.yaml:10:5)"
    )
    assert error.hint == "loosen or drop one of them"
    assert error.exit_status == 5


OLD = file("numpy-1.26.4-cp311-cp311-manylinux_2_36_x86_64.whl")
NEW = file("numpy-2.4.6-cp311-cp311-manylinux_2_36_x86_64.whl")
FOREIGN = file("numpy-1.19.5-cp39-cp39-manylinux_2_36_x86_64.whl")
BUILDS = tuple(
    file(f"torch-{version}-cp311-cp311-manylinux_2_36_x86_64.whl")
    for version in ("2.13.0+cpu", "2.13.0+cu130", "2.12.0")
)
LATE = IndexFile(
    index="default",
    project=canonicalize_name("numpy"),
    filename="numpy-3.0-py3-none-any.whl",
    url="https://packages.example.com/numpy-3.0-py3-none-any.whl",
    sha256=locks.digest_of("late"),
    upload_time=locks.AS_OF.replace(year=2027),
)

CASES: dict[str, tuple[str, str, Sequence[IndexFile], str, str]] = {
    "a typo": (
        "skikit-learn",
        missing("skikit-learn"),
        (),
        "images/digits/mlimage.yaml:10:5: index `default` has no package `skikit-learn`",
        "did you mean `scikit-learn`?",
    ),
    "the name that is imported": (
        "cv2>=4",
        missing("cv2>=4"),
        (),
        "images/digits/mlimage.yaml:10:5: index `default` has no package `cv2`",
        "the package is called `opencv-python-headless`",
    ),
    "unknown to another index": (
        "our-features",
        missing("our-features"),
        (),
        "images/digits/mlimage.yaml:10:5: index `team` has no package `our-features`",
        (
            "look at `https://packages.example.com/simple/our-features/`: "
            "are the name and the `url` of `team` right?"
        ),
    ),
    "unknown, and asked for by a package": (
        "pandas",
        missing("nomatch>=1", "pandas==3.0->-r /tmp/x/spec.in (line 1)"),
        (),
        (
            "images/digits/mlimage.yaml:10:5: index `default` has no package `nomatch`, "
            "which `pandas==3.0` asks for"
        ),
        "look for its name on the index; a package of another index is bound to it under `indexes:`",
    ),
    "no such version": (
        "numpy==99.0",
        missing("numpy==99.0"),
        (OLD, NEW),
        (
            "images/digits/mlimage.yaml:10:5: index `default` has no version of `numpy` "
            "that fits `numpy==99.0`; it has `2.4.6`, `1.26.4`"
        ),
        "ask for one that there is, as `numpy==2.4.6`",
    ),
    "no wheel for the target": (
        "numpy<1.20",
        missing("numpy<1.20"),
        (OLD, NEW, FOREIGN),
        (
            "images/digits/mlimage.yaml:10:5: `numpy<1.20` has no wheel for python 3.11 on x86_64 "
            "with glibc 2.36; there are `numpy-1.19.5-cp39-cp39-manylinux_2_36_x86_64.whl`"
        ),
        "versions for this target are `2.4.6`, `1.26.4`",
    ),
    "no such build": (
        "torch==2.13.0+cpux",
        missing("torch==2.13.0+cpux"),
        BUILDS,
        (
            "images/digits/mlimage.yaml:10:5: index `default` has no build `torch==2.13.0+cpux`; "
            "it has `2.13.0+cu130`, `2.13.0+cpu`"
        ),
        "did you mean `torch==2.13.0+cpu`?",
    ),
    "no builds at all": (
        "torch==2.12.0+cpu",
        missing("torch==2.12.0+cpu"),
        BUILDS,
        (
            "images/digits/mlimage.yaml:10:5: index `default` has no build `torch==2.12.0+cpu`; "
            "it has `2.12.0`"
        ),
        "builds with a label come from an index of their own: bind `torch` to it under `indexes:`",
    ),
    "a newer python": (
        "jax==0.12.0",
        missing("jax==0.12.0"),
        (file("jax-0.12.0-py3-none-any.whl", ">=3.12"),),
        "images/digits/mlimage.yaml:10:5: `jax==0.12.0` needs python `>=3.12`, and the image has python 3.11",
        'it has one for `python: "3.13"` (Debian trixie); or ask for another package',
    ),
    "a wheel for a newer python": (
        "fast",
        missing("fast"),
        (file("fast-1.0-cp312-abi3-manylinux_2_36_x86_64.whl"),),
        (
            "images/digits/mlimage.yaml:10:5: `fast` has no wheel for python 3.11 on x86_64 with glibc 2.36; "
            "there are `fast-1.0-cp312-abi3-manylinux_2_36_x86_64.whl`"
        ),
        'it has one for `python: "3.13"` (Debian trixie); or ask for another package',
    ),
    "a wheel for an older python": (
        "old",
        missing("old"),
        (file("old-1.0-cp39-cp39-manylinux_2_36_x86_64.whl"),),
        (
            "images/digits/mlimage.yaml:10:5: `old` has no wheel for python 3.11 on x86_64 with glibc 2.36; "
            "there are `old-1.0-cp39-cp39-manylinux_2_36_x86_64.whl`"
        ),
        "ask for another package, or change `python` and the suite of the base",
    ),
    "another python": (
        "jax==0.12.0",
        missing("jax==0.12.0"),
        (file("jax-0.12.0-py3-none-any.whl", ">=3.12"), file("jax-0.10.2-py3-none-any.whl", ">=3.11")),
        "images/digits/mlimage.yaml:10:5: `jax==0.12.0` needs python `>=3.12`, and the image has python 3.11",
        "versions for this target are `0.10.2`",
    ),
    "only sources": (
        "pyspark==3.5.0",
        missing("pyspark==3.5.0"),
        (file("pyspark-3.5.0.tar.gz"), file("pyspark-3.4.0.tar.gz")),
        (
            "images/digits/mlimage.yaml:10:5: `pyspark==3.5.0` has no wheels on index `default`, "
            "only sources to build: `pyspark-3.5.0.tar.gz`"
        ),
        (
            "ask for a package that has wheels, or build it once (`pip wheel pyspark`), put the wheel "
            "into a folder, and bind that under `indexes:`"
        ),
    ),
    "newer than the lock": (
        "numpy>=3",
        missing("numpy>=3"),
        (OLD, LATE),
        (
            "images/digits/mlimage.yaml:10:5: `numpy>=3` needs a release that is newer than this lock, "
            "which holds what there was at 2026-11-01T12:00:00Z"
        ),
        "`mlimage lock digits --upgrade-package numpy` looks at newer ones",
    ),
    "unfinished versions": (
        "numpy>4",
        missing("numpy>4"),
        (OLD, file("numpy-5.0rc1-py3-none-any.whl")),
        "images/digits/mlimage.yaml:10:5: `numpy>4` fits unfinished versions only: `5.0rc1`",
        "name the one that you want: `numpy==5.0rc1`",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing(case: str) -> None:
    text, output, files, message, hint = CASES[case]
    name = text.partition("=")[0].partition("<")[0].partition(">")[0]
    error = explain(output, situation(text, files={name: files}))
    assert str(error) == message
    assert error.hint == hint


@pytest.mark.parametrize(
    ("chain", "way_out"),
    [
        ("", 'ask for it there alone, `mkl; platform_machine == "x86_64"`, for another package, or'),
        ("solver", "ask for another version of `solver`, or"),
    ],
)
def test_wheels_for_another_platform(chain: str, way_out: str) -> None:
    wheel = file("mkl-2026.2.0-py3-none-manylinux_2_28_x86_64.whl")
    tags = ("cp311-cp311-manylinux_2_36_aarch64", "py3-none-manylinux_2_28_aarch64", "py3-none-any")
    target = replace(TARGET, markers={"platform_machine": "aarch64"}, tags=tags)
    asked = situation(chain or "mkl", files={"mkl": [wheel]})
    error = explain(missing("mkl", chain), replace(asked, target=target))
    who = f", which `{chain}` asks for," if chain else ""
    assert str(error) == (
        f"images/digits/mlimage.yaml:10:5: `mkl`{who} has no wheel for python 3.11 on aarch64 with "
        "glibc 2.36; there are `mkl-2026.2.0-py3-none-manylinux_2_28_x86_64.whl`"
    )
    assert error.hint == (
        f"there are wheels for `linux/amd64`: {way_out} leave `linux/arm64` out of `platforms:`"
    )


def test_too_many_versions() -> None:
    error = explain("error: resolution-too-deep\n", situation("numpy"))
    assert str(error).startswith("pip gave up")


def test_a_circle() -> None:
    error = explain("Traceback\n  x\nRecursionError: maximum recursion depth exceeded\n", situation("numpy"))
    assert str(error) == (
        "pip gave up on packages that ask for each other, in a circle: that is a defect of pip's"
    )
    assert error.hint == "`mlimage lock digits --resolver uv` does not have it"


def test_anything_else_is_quoted() -> None:
    error = explain("Traceback\n  x\nOSError: No space left on device\n", situation("numpy"))
    assert str(error) == "pip-compile failed:\n  OSError: No space left on device"
    error = explain("  ERROR: odd\n\nmore\n", situation("numpy"))
    assert str(error) == "pip-compile failed:\n  odd"
