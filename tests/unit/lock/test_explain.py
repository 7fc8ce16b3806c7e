"""What pip says when there is no solution, in the user's words. The outputs are pip 26.3's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name

from mlimage.content.interpreter import Target
from mlimage.lock.explain import explain
from mlimage.lock.files import IndexFile
from mlimage.lock.situation import Situation
from mlimage.lock.unfulfilled import unfulfilled
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
        needs=lambda _: (),
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
    torch = [
        file(f"torch-{version}-cp311-cp311-manylinux_2_36_x86_64.whl")
        for version in ("2.5.0", "2.13.0", "2.20.0")
    ]
    error = explain(CONFLICT, situation("torchvision==0.20.0", "torch == 2.13.0", files={"torch": torch}))
    assert str(error) == (
        "images/digits/mlimage.yaml:11:5: these cannot be had together (torch):\n"
        "  you ask for `torch == 2.13.0`  (images/digits/mlimage.yaml:11:5)\n"
        "  `torchvision 0.20.0` needs `torch==2.5.0`, and you ask for `torchvision==0.20.0`"
        "  (images/digits/mlimage.yaml:10:5)\n"
        '  `helper 1.0` needs `torch<3.0.0,>=2.20; python_version <= "3.11"`, '
        "and comes with `torchvision==0.20.0`"
        "  (images/digits/mlimage.yaml:10:5)"
    )
    assert error.hint == "change or drop `torch == 2.13.0` or `torchvision==0.20.0`"
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
        (
            "ask for another version of `pandas`; or where it is a package of another index, bind it to that "
            "under `indexes:`"
        ),
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
            "with glibc 2.36; its wheels are for python 3.9"
        ),
        (
            "ask for `numpy==1.26.4`, the nearest version that has one, or for `numpy>=1.19.5`, "
            "of which the newest that goes with the rest is taken"
        ),
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
        'write `python: "3.13"` and `base: {debian: trixie}`',
    ),
    "a wheel for a newer python": (
        "fast",
        missing("fast"),
        (file("fast-1.0-cp312-abi3-manylinux_2_36_x86_64.whl"),),
        (
            "images/digits/mlimage.yaml:10:5: `fast` has no wheel for python 3.11 on x86_64 with glibc 2.36; "
            "there are `fast-1.0-cp312-abi3-manylinux_2_36_x86_64.whl`"
        ),
        'write `python: "3.13"` and `base: {debian: trixie}`',
    ),
    "a wheel for an older python": (
        "old",
        missing("old"),
        (
            file("old-1.0-cp39-cp39-manylinux_2_36_x86_64.whl"),
            file("old-1.0-cp27-cp27m-manylinux1_x86_64.whl"),
            file("old-1.0-cp311-cp311-win_amd64.whl"),
        ),
        (
            "images/digits/mlimage.yaml:10:5: `old` has no wheel for python 3.11 on x86_64 with glibc 2.36; "
            "its wheels are for python 3.9"
        ),
        "ask for another package: packages can be locked for python 3.10 and newer",
    ),
    "another python": (
        "jax==0.12.0",
        missing("jax==0.12.0"),
        (file("jax-0.12.0-py3-none-any.whl", ">=3.12"), file("jax-0.10.2-py3-none-any.whl", ">=3.11")),
        "images/digits/mlimage.yaml:10:5: `jax==0.12.0` needs python `>=3.12`, and the image has python 3.11",
        ('ask for `jax==0.10.2`, which has one; or write `python: "3.13"` and `base: {debian: trixie}`'),
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
            "build the wheel once, by python 3.11 if it has code to compile: "
            "`pip wheel --no-deps -w wheels pyspark==3.5.0`, write "
            '`indexes: {built: {url: "https://wheels.example.com", packages: [pyspark]}}`, '
            "and set MLIMAGE_MIRROR_BUILT=wheels where you lock and build"
        ),
    ),
    "only sources of that version": (
        "librosa==0.8.0",
        missing("librosa==0.8.0"),
        (
            file("librosa-0.8.0.tar.gz"),
            file("librosa-0.8.1-py3-none-any.whl"),
            file("librosa-0.11-py3-none-any.whl"),
        ),
        (
            "images/digits/mlimage.yaml:10:5: `librosa==0.8.0` has no wheels on index `default`, "
            "only sources to build: `librosa-0.8.0.tar.gz`"
        ),
        (
            "ask for `librosa==0.8.1`, the nearest version that has one, or for `librosa>=0.8.0`, "
            "of which the newest that goes with the rest is taken; or "
            "build the wheel once, by python 3.11 if it has code to compile: "
            "`pip wheel --no-deps -w wheels librosa==0.8.0`, write "
            '`indexes: {built: {url: "https://wheels.example.com", packages: [librosa]}}`, '
            "and set MLIMAGE_MIRROR_BUILT=wheels where you lock and build"
        ),
    ),
    "sources, and wheels for other systems": (
        "psycopg2",
        missing("psycopg2"),
        (file("psycopg2-2.9.12-cp311-cp311-win_amd64.whl"), file("psycopg2-2.9.12.tar.gz")),
        (
            "images/digits/mlimage.yaml:10:5: `psycopg2` has no wheel for python 3.11 on x86_64 with glibc "
            "2.36, only sources to build: `psycopg2-2.9.12.tar.gz`"
        ),
        (
            "ask for `psycopg2-binary`, the same with wheels; or "
            "build the wheel once, by python 3.11 if it has code to compile: "
            "`pip wheel --no-deps -w wheels psycopg2`, write "
            '`indexes: {built: {url: "https://wheels.example.com", packages: [psycopg2]}}`, '
            "and set MLIMAGE_MIRROR_BUILT=wheels where you lock and build"
        ),
    ),
    "only sources of what a package of a package asks for": (
        "lightning-template",
        missing(
            "antlr4-python3-runtime==4.9.*",
            "hydra-core==1.3.2->lightning-template->-r /tmp/x/spec.in (line 1)",
        ),
        (file("antlr4_python3_runtime-4.9.3.tar.gz"), file("antlr4_python3_runtime-4.13-py3-none-any.whl")),
        (
            "images/digits/mlimage.yaml:10:5: `antlr4-python3-runtime==4.9.*`, which `hydra-core==1.3.2` "
            "asks for (`lightning-template` -> `hydra-core`), has no wheels on index `default`, "
            "only sources to build: `antlr4_python3_runtime-4.9.3.tar.gz`"
        ),
        (
            "build the wheel once, by python 3.11 if it has code to compile: "
            "`pip wheel --no-deps -w wheels 'antlr4-python3-runtime==4.9.*'`, write "
            '`indexes: {built: {url: "https://wheels.example.com", packages: [antlr4-python3-runtime]}}`, '
            "and set MLIMAGE_MIRROR_BUILT=wheels where you lock and build"
        ),
    ),
    "a wheel for the python of an image": (
        "new",
        missing("new"),
        (file("new-1.0-cp312-cp312-manylinux_2_36_x86_64.whl"),),
        (
            "images/digits/mlimage.yaml:10:5: `new` has no wheel for python 3.11 on x86_64 with glibc 2.36; "
            "its wheels are for python 3.12"
        ),
        'write `python: "3.12"` and `base: {image: python:3.12-slim}`',
    ),
    "there, and not taken": (
        "numpy>=2",
        missing("numpy>=2"),
        (OLD, NEW),
        (
            "images/digits/mlimage.yaml:10:5: no version of `numpy` was found that fits `numpy>=2` and all "
            "else that is asked for; index `default` has `2.4.6`"
        ),
        "with `--verbose` all that the resolver wrote is shown",
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
    error = explain(output, situation(text, files={each.project: files for each in files}))
    assert str(error) == message
    assert error.hint == hint


def test_metadata_that_cannot_be_read() -> None:
    """pip ignores such a version, and says in the end that there is none."""
    files = [file(f"datasets-{version}-py3-none-any.whl") for version in ("1.6.0", "1.6.2", "1.7.0", "1.8.0")]
    asked = replace(
        situation("datasets==1.6.2", files={"datasets": files}),
        needs=lambda each: ("numpy", "fsspec (>=2021") if each.filename < "datasets-1.8" else ("numpy",),
    )
    error = explain(missing("datasets==1.6.2"), asked)
    assert str(error) == (
        "images/digits/mlimage.yaml:10:5: `datasets==1.6.2` cannot be read: its metadata asks for "
        "`fsspec (>=2021`, which is not a requirement"
    )
    assert error.hint == "ask for `datasets==1.8.0`, the nearest version that can be"


def test_another_version_of_who_asks() -> None:
    """Nobody wrote the requirement, so the way out is one that somebody wrote."""
    files = {
        "hydra-core": [file(f"hydra_core-{version}-py3-none-any.whl") for version in ("1.0", "1.1", "1.2")],
        "antlr4-python3-runtime": [
            file("antlr4_python3_runtime-4.9.tar.gz"),
            file("antlr4_python3_runtime-4.8-py3-none-any.whl"),
        ],
    }
    versions = {"hydra_core-1.0": "4.8", "hydra_core-1.1": "4.8", "hydra_core-1.2": "4.9"}
    asked = replace(
        situation("hydra-core", files=files),
        needs=lambda each: (f"antlr4-python3-runtime=={versions[each.filename[:14]]}",),
    )
    error = explain(missing("antlr4-python3-runtime==4.9", "hydra-core->-r spec.in (line 1)"), asked)
    assert error.hint is not None
    assert (
        error.hint.partition("; or ")[0] == "ask for `hydra-core==1.1`, which asks for one that has a wheel"
    )


def test_an_extra_of_which_no_version_can_be_had() -> None:
    here = "http://127.0.0.1:38789/kM3Jn3Q0"
    versions = "\n".join(
        f"    flow[pipes] {version} depends on flow {version} (from {here}/files/flow-{version}-any.whl "
        f"(from {here}/simple/flow/) (requires-python:>=3.7))"
        for version in ("1.30.1", "1.29.0")
    )
    output = (
        "ERROR: Cannot install flow because these package versions have conflicting dependencies.\n\n"
        "The conflict is caused by:\n    The user requested flow<2.0 and >=1.27.0\n"
        f"{versions}\n\nTo fix this\n"
    )
    files = {"flow": [file(f"flow-{version}-py3-none-any.whl") for version in ("1.30.1", "1.29.0")]}
    error = explain(output, situation("flow[pipes]>=1.27.0,<2.0", files=files))
    assert str(error) == (
        "images/digits/mlimage.yaml:10:5: `flow[pipes]>=1.27.0,<2.0` cannot be had: each version of it needs "
        "something that is missing or does not fit, and pip does not say what"
    )
    assert error.hint == "`mlimage lock digits --resolver uv` says what"


def test_another_version_of_who_asks_with_an_extra() -> None:
    files = {
        "gym": [file(f"gym-{version}-py3-none-any.whl") for version in ("1.0", "1.1", "1.2", "1.3")],
        "box2d": [file("box2d-2.3-cp39-cp39-manylinux_2_36_x86_64.whl")],
    }
    asked = replace(
        situation("gym[box]==1.0", files=files),
        needs=lambda each: () if each.filename > "gym-1.2" else ('box2d==2.3; extra == "box"',),
    )
    error = explain(missing("box2d==2.3", "gym[box]==1.0->-r spec.in (line 1)"), asked)
    assert error.hint == "ask for `gym[box]==1.2`, which does without it"


def test_all_that_nothing_fulfils_is_said_at_once() -> None:
    files = {
        "numpy": (OLD, NEW),
        "new": [file("new-1.0-cp312-cp312-manylinux_2_36_x86_64.whl")],
        "newer": [file("newer-1.0-py3-none-any.whl", ">=3.12")],
        "sourced": [file("sourced-1.0.tar.gz")],
    }
    error = unfulfilled(
        situation("numpy", "new", "newer", "sourced", 'gone; python_version < "3"', files=files)
    )
    assert str(error) == (
        "3 requirements cannot be fulfilled for python 3.11 on x86_64 with glibc 2.36:\n"
        "images/digits/mlimage.yaml:11:5: `new` has no wheel; its wheels are for python 3.12\n"
        '  hint: write `python: "3.12"` and `base: {image: python:3.12-slim}`\n'
        "images/digits/mlimage.yaml:12:5: `newer` needs python `>=3.12`, and the image has python 3.11\n"
        '  hint: write `python: "3.13"` and `base: {debian: trixie}`\n'
        "images/digits/mlimage.yaml:13:5: `sourced` has no wheels on index `default`, only sources to build: "
        "`sourced-1.0.tar.gz`"
    )
    assert error is not None
    assert error.hint == (
        '2 of these have wheels for python 3.12: write `python: "3.12"` and '
        "`base: {image: python:3.12-slim}`; where only sources are there, "
        "build the wheel once, by python 3.11 if it has code to compile: "
        "`pip wheel --no-deps -w wheels sourced`, write "
        '`indexes: {built: {url: "https://wheels.example.com", packages: [sourced]}}`, '
        "and set MLIMAGE_MIRROR_BUILT=wheels where you lock and build"
    )
    assert unfulfilled(situation("numpy", files=files)) is None


def collected(*versions: str) -> str:
    return "\n".join(
        ["  Collecting tfds (from -r /tmp/x/spec.in (line 1))", "", "  The conflict is caused by:"]
        + [f"      tfds {version} depends on promise" for version in versions]
    )


def test_the_cause_of_a_conflict_is_what_nothing_fulfils() -> None:
    """pip lists who asks for it, each of their versions, and says at the end that there is none."""
    files = {"promise": [file("promise-2.1-py2-none-any.whl"), file("promise-2.3.tar.gz")]}
    error = explain(collected("4.9", "4.8"), situation("tfds>=4", files=files))
    assert str(error) == (
        "images/digits/mlimage.yaml:10:5: `promise`, which `tfds` asks for, has no wheel for python 3.11 on "
        "x86_64 with glibc 2.36, only sources to build: `promise-2.3.tar.gz`"
    )


def test_many_versions_in_a_conflict_are_one_line() -> None:
    output = f"{collected('4.9', '4.8', '4.7')}\n      The user requested promise<2\n"
    files = {"promise": [file("promise-1.0-py3-none-any.whl")]}
    assert str(explain(output, situation("tfds>=4", "promise<2", files=files))) == (
        "images/digits/mlimage.yaml:10:5: these cannot be had together (promise):\n"
        "  `tfds` 4.7 to 4.9 (3 versions) need `promise`, and you ask for `tfds>=4`"
        "  (images/digits/mlimage.yaml:10:5)\n"
        "  you ask for `promise<2`  (images/digits/mlimage.yaml:11:5)"
    )


def test_the_address_of_our_own_index_is_not_told() -> None:
    output = (
        "  Collecting uvicorn[standard]==0.30.1 (from -r /tmp/x/spec.in (line 1))\n"
        "  The conflict is caused by:\n"
        "      The user requested uvicorn<0.30\n"
        "      uvicorn[standard] 0.30.1 depends on uvicorn 0.30.1 (from "
        "http://127.0.0.1:38301/Zf0-x/files/default/uvicorn/uvicorn-0.30.1-py3-none-any.whl)\n"
    )
    files = {"uvicorn": [file(f"uvicorn-{version}-py3-none-any.whl") for version in ("0.29", "0.30.1")]}
    assert str(explain(output, situation("uvicorn[standard]==0.30.1", "uvicorn<0.30", files=files))) == (
        "images/digits/mlimage.yaml:11:5: these cannot be had together (uvicorn):\n"
        "  you ask for `uvicorn<0.30`  (images/digits/mlimage.yaml:11:5)\n"
        "  you ask for `uvicorn[standard]==0.30.1`  (images/digits/mlimage.yaml:10:5)"
    )


@pytest.mark.parametrize(
    ("chain", "way_out"),
    [
        ("", 'ask for it there alone, `mkl; platform_machine == "x86_64"`; or '),
        ("solver", ""),
    ],
)
def test_wheels_for_another_platform(chain: str, way_out: str) -> None:
    wheel = file("mkl-2026.2.0-py3-none-manylinux_2_28_x86_64.whl")
    tags = ("cp311-cp311-manylinux_2_36_aarch64", "py3-none-manylinux_2_28_aarch64", "py3-none-any")
    target = replace(TARGET, markers={"platform_machine": "aarch64"}, tags=tags)
    asked = situation(chain or "mkl", files={"mkl": [wheel]})
    both = ("linux/amd64", "linux/arm64")
    error = explain(missing("mkl", chain), replace(asked, target=target, platforms=both))
    who = f", which `{chain}` asks for," if chain else ""
    assert str(error) == (
        f"images/digits/mlimage.yaml:10:5: `mkl`{who} has no wheel for python 3.11 on aarch64 with "
        "glibc 2.36; there are `mkl-2026.2.0-py3-none-manylinux_2_28_x86_64.whl`"
    )
    assert error.hint == (
        f"{way_out}leave `linux/arm64` out of `platforms:`: there are wheels for `linux/amd64`"
    )


def test_wheels_for_another_platform_than_that_of_the_image() -> None:
    wheel = file("mkl-2026.2.0-cp311-cp311-manylinux_2_36_aarch64.whl")
    asked = replace(situation("mkl", files={"mkl": [wheel]}), platforms=("linux/amd64",))
    error = explain(missing("mkl"), asked)
    assert error.hint == "write `platforms: [linux/arm64]`: there are wheels for that one"


def test_a_wheel_that_says_inside_that_it_is_for_another_python() -> None:
    error = explain(
        "pip._internal.exceptions.UnsupportedPythonVersion: Package 'our-lib' requires a different Python: "
        "3.11.2 not in '>=3.12'\n",
        situation("numpy", "our_lib==2.0"),
    )
    assert str(error) == (
        "images/digits/mlimage.yaml:11:5: `our_lib==2.0` needs python `>=3.12`, and the image has python 3.11"
    )
    assert error.hint == "ask for another version of `our-lib`, or take another python"


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
