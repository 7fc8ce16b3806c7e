"""What uv says when there is no solution, in the user's words. The outputs are those of uv 0.13.8."""

from collections.abc import Mapping, Sequence

import pytest
from packaging.utils import canonicalize_name

from mlimage.content.interpreter import Target
from mlimage.lock.derivation import explain
from mlimage.lock.files import IndexFile
from mlimage.lock.situation import Situation
from mlimage.spec.requirements import SpecRequirement
from support import locks

TARGET = Target(
    markers={"platform_machine": "x86_64", "python_version": "3.11"},
    tags=("py3-none-any",),
    version="3.11.2",
    glibc="2.36",
)


def situation(*texts: str, files: Sequence[IndexFile] = ()) -> Situation:
    offered: dict[str, list[IndexFile]] = {}
    for each in files:
        offered.setdefault(each.project, []).append(each)
    return Situation(
        image="digits",
        requirements=[
            SpecRequirement(text=text, place="dependencies", path="mlimage.yaml", line=line, column=5)
            for line, text in enumerate(texts, 10)
        ],
        target=TARGET,
        python="3.11",
        as_of=locks.AS_OF,
        index_of=lambda _: "default",
        files=lambda name: offered.get(name, ()),
        needs=lambda _: (),
        page_of=lambda name: f"https://packages.example.com/simple/{name}/",
    )


def file(name: str, version: str, requires_python: str | None = None, yanked: str | None = None) -> IndexFile:
    filename = f"{name}-{version}-py3-none-any.whl"
    return IndexFile(
        index="default",
        project=canonicalize_name(name),
        filename=filename,
        url=f"https://packages.example.com/{filename}",
        sha256=locks.digest_of(filename),
        requires_python=requires_python,
        yanked=yanked,
    )


def because(*sentences: str) -> str:
    return (
        "\nerror: No solution found when resolving dependencies\n"
        "  cause: Because " + ".\n         And because ".join(sentences) + ".\n"
    )


UNSATISFIABLE = "we can conclude that your requirements are unsatisfiable"
LIB = (file("lib", "1.0"), file("lib", "2.0"))
DEEP = (*LIB, file("deep", "1.0"), file("mid", "1.0"), file("mid", "1.1"))

CASES: Mapping[str, tuple[Sequence[str], Sequence[IndexFile], str, str, str]] = {
    "two requirements": (
        ("lib<1.5", 'lib > 1.5; python_version > "3"', 'lib<0; python_version < "3"'),
        LIB,
        because(f"you require lib<1.5 and lib>1.5, {UNSATISFIABLE}"),
        (
            "mlimage.yaml:10:5: these cannot be had together (lib):\n"
            "  you ask for `lib<1.5`  (mlimage.yaml:10:5)\n"
            '  you ask for `lib > 1.5; python_version > "3"`  (mlimage.yaml:11:5)'
        ),
        ('change or drop `lib<1.5` or `lib > 1.5; python_version > "3"`'),
    ),
    "a requirement and a package": (
        ("app>=4", "lib>=2"),
        (*LIB, file("app", "1.0"), file("app", "4.0")),
        because(
            "app>=4.0 depends on lib<2 and you require app>=4, we can conclude that you require lib<2",
            f"you require lib>=2, {UNSATISFIABLE}",
        ),
        (
            "mlimage.yaml:11:5: these cannot be had together (lib):\n"
            "  you ask for `lib>=2`  (mlimage.yaml:11:5)\n"
            "  `app 4.0` needs `lib<2`, and you ask for `app>=4`  (mlimage.yaml:10:5)"
        ),
        "change or drop `lib>=2` or `app>=4`",
    ),
    "a package that comes with another": (
        ("deep", "lib>=2"),
        DEEP,
        because(
            "all versions of mid depend on lib<2 and all versions of deep depend on mid, "
            "we can conclude that all versions of deep depend on lib<2",
            f"you require deep and lib>=2, {UNSATISFIABLE}",
        ),
        (
            "mlimage.yaml:11:5: these cannot be had together (lib):\n"
            "  you ask for `lib>=2`  (mlimage.yaml:11:5)\n"
            "  `mid` needs `lib<2`, and comes with `deep`  (mlimage.yaml:10:5)"
        ),
        "change or drop `lib>=2` or `deep`",
    ),
    "two packages": (
        ("a", "b"),
        (*LIB, file("a", "1.0"), file("b", "1.0")),
        because(
            "all versions of b depend on lib>=2 and lib!=3 and all versions of a depend on lib<2, "
            "we can conclude that all versions of a and all versions of b are incompatible",
            f"you require a and b, {UNSATISFIABLE}",
        ),
        (
            "mlimage.yaml:11:5: these cannot be had together (lib):\n"
            "  `b 1.0` needs `lib>=2`, and you ask for `b`  (mlimage.yaml:11:5)\n"
            "  `b 1.0` needs `lib!=3`, and you ask for `b`  (mlimage.yaml:11:5)\n"
            "  `a 1.0` needs `lib<2`, and you ask for `a`  (mlimage.yaml:10:5)"
        ),
        "change or drop `b` or `a`",
    ),
    "a typo": (
        ("skikit-learn",),
        (),
        because(
            "skikit-learn was not found in the package registry "
            f"and you require skikit-learn, {UNSATISFIABLE}"
        ),
        "mlimage.yaml:10:5: index `default` has no package `skikit-learn`",
        "did you mean `scikit-learn`?",
    ),
    "unknown, and asked for by a package of a package": (
        ("deep",),
        DEEP,
        because(
            "nowhere was not found in the package registry and all versions of mid depend on nowhere>=2, "
            "we can conclude that all versions of mid cannot be used",
            "all versions of deep depend on mid and you require deep, " + UNSATISFIABLE,
        ),
        "mlimage.yaml:10:5: index `default` has no package `nowhere`, which `mid` asks for (`deep` -> `mid`)",
        (
            "ask for `mid==1.1`, which does without it; or where it is a package of another index, "
            "bind it to that under `indexes:`"
        ),
    ),
    "another python": (
        ("py>=1",),
        (file("py", "1.0", requires_python=">=3.12"), file("py", "0.9")),
        because(
            "the current Python version (3.11.2) does not satisfy Python>=3.12 and py==1.0 depends on "
            "Python>=3.12, we can conclude that py==1.0 cannot be used",
            f"only py<=1.0 is available and you require py>=1, {UNSATISFIABLE}",
        ),
        "mlimage.yaml:10:5: `py>=1` needs python `>=3.12`, and the image has python 3.11",
        ('ask for `py==0.9`, which has one; or write `python: "3.13"` and `base: {debian: trixie}`'),
    ),
    "withdrawn": (
        ("lib>=3",),
        (*LIB, file("lib", "3.0", yanked="bad")),
        because(
            "lib==3.0 was yanked (reason: bad) and only lib<=3.0 is available, "
            "we can conclude that lib>=3.0 cannot be used",
            f"you require lib>=3, {UNSATISFIABLE}",
        ),
        "mlimage.yaml:10:5: `lib>=3` fits withdrawn versions only: `3.0`",
        "name the one that you want: `lib==3.0`",
    ),
    "something else": (
        ("lib",),
        LIB,
        because(f"lib>=1.0 has invalid metadata and you require lib, {UNSATISFIABLE}")
        + "\nhint: Metadata for `lib` could not be parsed\nwarning: noise\n",
        (
            "uv found no solution:\n"
            "  Because lib>=1.0 has invalid metadata and you require lib, "
            "we can conclude that your requirements are unsatisfiable.\n"
            "  Metadata for `lib` could not be parsed"
        ),
        "with `--verbose` all that it wrote is shown",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_why(case: str) -> None:
    texts, files, output, message, hint = CASES[case]
    error = explain(output, situation(*texts, files=files))
    assert str(error) == message
    assert error.hint == hint
    assert error.exit_status == 5


def test_a_failure_is_quoted() -> None:
    error = explain("error: Request failed\n  cause: no space left\n", situation("lib"))
    assert str(error) == "uv failed:\n  Request failed\n  no space left"
