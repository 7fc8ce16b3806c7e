"""What is said of an import that failed, and what is asked about of an image."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mlimage.errors import BuildError
from mlimage.host.imports.check import Checked, direct_dependencies, refuse
from mlimage.host.imports.debs import package_of
from mlimage.host.imports.explain import Asked, Trouble, explain, lacks_driver_only
from mlimage.host.imports.findings import Cause, Failure, Findings, Frame, Package
from mlimage.spec.load import LoadedSpec, parse_spec
from mlimage.spec.requirements import SpecRequirement
from support.locks import lock, package
from support.sealing import plan_of

BOOKWORM = Findings(modules=1, distribution="debian", suite="bookworm", failures=())
NOBODY = ", which no package of the image has"
SITE = "/opt/venv/lib/python3.11/site-packages"
FRAMES = (
    Frame(file="model/__init__.py", line=3, package="model"),
    Frame(file="deep/main.py", line=12, package="deep"),
    Frame(file="/usr/lib/python3.11/ctypes/__init__.py", line=376, package=None),
)


def requirement(text: str, place: str = "dependencies", variant: str | None = None) -> SpecRequirement:
    return SpecRequirement(
        text=text, place=place, path="images/x/mlimage.yaml", line=6, column=5, variant=variant
    )


def asked(
    found: Findings = BOOKWORM,
    *,
    place: str = "dependencies",
    locked: Mapping[str, str] | None = None,
    **more: str,
) -> Asked:
    requirements = {"model": requirement("model", place)}
    requirements |= {name: requirement(text) for name, text in more.items()}
    return Asked(requirements=requirements, locked=locked or {}, found=found)


def raised(*causes: Cause, **more: object) -> Failure:
    failure = Failure(package="model", module="model", why="raised", causes=causes)
    return replace(failure, **more)  # type: ignore[arg-type]  # by name


def missing(module: str, **more: object) -> Cause:
    cause = Cause(
        type="ModuleNotFoundError",
        message=f"No module named '{module}'",
        name=module,
        missing=True,
        frames=FRAMES,
    )
    return replace(cause, **more)  # type: ignore[arg-type]  # by name


def told(failure: Failure, beside: Asked | None = None) -> tuple[str, tuple[str, ...], str | None]:
    trouble = explain(failure, beside or asked())
    assert (trouble.package, trouble.where) == ("model", "images/x/mlimage.yaml:6:5")
    return trouble.error, trouble.lines, trouble.hint


@pytest.mark.parametrize(
    ("module", "more", "hint"),
    [
        ("pkg_resources", {}, "add `setuptools<81` to `dependencies:`"),
        ("cv2", {}, "add `opencv-python-headless` to `dependencies:`"),
        ("sklearn.linear_model", {}, "add `scikit-learn` to `dependencies:`"),
        ("pandas", {}, "add `pandas` to `dependencies:`"),
        ("tkinter", {}, "take a base image whose python has it: `base: {image: …}`"),
        ("gone", {}, "add the package that has `gone`, often of the same name, to `dependencies:`"),
        ("gone", {"mentioned": frozenset({"gone"})}, "add `gone` to `dependencies:`"),
        (
            "gone_x",
            {"packages": {"deep": Package(version="1", requires=("gone.x<3,>=2; extra == 'all'",))}},
            "add `gone-x<3,>=2` to `dependencies:`",
        ),
    ],
)
def test_a_missing_module(module: str, more: dict[str, object], hint: str) -> None:
    assert told(raised(missing(module), **more)) == (
        f"ModuleNotFoundError: No module named '{module}'",
        (f"`deep` imports `{module}` (deep/main.py:12), which no package of the image has",),
        hint,
    )


def test_a_module_that_python_had() -> None:
    assert told(raised(missing("imp")))[1:] == (
        ("`deep` imports `imp` (deep/main.py:12), which this python has no more",),
        "lock a newer `deep`, or take an older python",
    )


def test_where_it_is_added() -> None:
    failure = raised(missing("pkg_resources"))
    assert told(failure, asked(place="requirements.txt:3"))[2] == "add `setuptools<81` to `requirements.txt`"
    assert (
        told(failure, asked(place="serve.dependencies"))[2] == "add `setuptools<81` to `serve.dependencies:`"
    )
    assert told(failure, asked(setuptools="setuptools>=82"))[2] == (
        "write `setuptools<81` in place of `setuptools>=82` (images/x/mlimage.yaml:6:5)"
    )


def test_of_several_errors_the_one_that_tells() -> None:
    wrapped = Cause(type="RuntimeError", message="please install it", explicit=True, frames=FRAMES[:1])
    assert told(raised(wrapped, missing("pandas")))[2] == "add `pandas` to `dependencies:`"
    second = missing("tomli")
    assert told(raised(second, missing("tomllib")))[0] == "ModuleNotFoundError: No module named 'tomli'"
    size = Cause(
        type="ValueError",
        message="numpy.dtype size changed, may indicate binary incompatibility. "
        "Expected 96 from C header, got 88 from PyObject",
        frames=FRAMES,
    )
    assert told(raised(missing("_model"), size))[2] == "add `numpy<2` to `dependencies:`"


def test_libraries() -> None:
    message = "libxcb.so.1: cannot open shared object file: No such file or directory"
    cause = Cause(type="ImportError", message=message, name="model", provider="model", frames=FRAMES)
    libraries = {f"{SITE}/model/native.so": ("libxcb.so.1", "libGL.so.1", "libgthread-2.0.so.0")}
    assert told(raised(cause, libraries=libraries)) == (
        f"ImportError: {message}",
        (f"`model/native.so` needs `libxcb.so.1`, `libGL.so.1`, `libgthread-2.0.so.0`{NOBODY}",),
        "add `libxcb1`, `libgl1`, `libglib2.0-0` to `base.packages:`",
    )
    ubuntu = replace(BOOKWORM, distribution="ubuntu")
    assert told(raised(cause), asked(ubuntu))[2] == "take a base image that has `libxcb.so.1`"


@pytest.mark.parametrize(
    ("message", "library", "hint"),
    [
        (
            "cannot load library 'libgobject-2.0-0': libgobject-2.0-0: cannot open shared object file",
            "libgobject-2.0-0",
            "add `libglib2.0-0` to `base.packages:`",
        ),
        (
            "failed to find libmagic.  Check your installation",
            "libmagic",
            "add `libmagic1` to `base.packages:`",
        ),
        ("PortAudio library not found", "libportaudio", "add `libportaudio2` to `base.packages:`"),
        ("Unable to find zbar shared library", "libzbar", "add `libzbar0` to `base.packages:`"),
        (
            "libodd.so: cannot open shared object file: No such file or directory",
            "libodd.so",
            "add the Debian package that has it to `base.packages:`; `apt-file search libodd.so` finds it",
        ),
    ],
)
def test_libraries_that_are_loaded(message: str, library: str, hint: str) -> None:
    cause = Cause(type="OSError", message=message, frames=FRAMES)
    lines = (f"`deep` loads `{library}` (deep/main.py:12), which no package of the image has",)
    assert told(raised(cause)) == (f"OSError: {message}", lines, hint)


def test_libraries_of_the_driver_are_none_of_the_image() -> None:
    def failed(*needed: str) -> Failure:
        message = "libcuda.so.1: cannot open shared object file: No such file or directory"
        cause = Cause(type="ImportError", message=message, frames=FRAMES)
        return raised(cause, libraries={f"{SITE}/model/native.so": needed})

    assert lacks_driver_only(failed("libcuda.so.1")) == ("libcuda.so.1",)
    assert lacks_driver_only(failed("libcuda.so.1", "libnvidia-ml.so.1")) == (
        "libcuda.so.1",
        "libnvidia-ml.so.1",
    )
    assert lacks_driver_only(failed("libcuda.so.1", "libcudart.so.12")) == ()
    assert lacks_driver_only(raised(missing("cuda"))) == ()
    assert told(failed("libcuda.so.1", "libGL.so.1"))[2] == "add `libgl1` to `base.packages:`"


NEW = {"new": Package(version="2.4.1", requires=())}


@pytest.mark.parametrize(
    ("cause", "line", "hint"),
    [
        (
            Cause(
                type="ImportError",
                message="cannot import name 'old' from 'new.part' (/x.py)",
                name="new.part",
            ),
            "`deep` imports `old` from `new.part` (deep/main.py:12), which `new` 2.4.1 does not have",
            "`new<2.4` to",
        ),
        (
            Cause(type="AttributeError", message="module 'new' has no attribute 'old'"),
            "`deep` uses `new.old` (deep/main.py:12), which `new` 2.4.1 does not have",
            "`new<2.4` to",
        ),
        (
            Cause(
                type="AttributeError",
                message="module 'new' has no attribute 'old'",
                frames=(*FRAMES, Frame(file="new/__init__.py", line=8, package="new")),
            ),
            "`deep` uses `new.old` (deep/main.py:12), which `new` 2.4.1 does not have",
            "`new<2.4` to",
        ),
        (
            missing("new.part"),
            "`deep` imports `new.part` (deep/main.py:12), which `new` 2.4.1 does not have",
            "`new<2.4` to",
        ),
    ],
)
def test_releases_that_do_not_go_together(cause: Cause, line: str, hint: str) -> None:
    failure = raised(replace(cause, provider="new", frames=cause.frames or FRAMES), packages=NEW)
    advice = f"lock a newer `deep`, or an older `new`: add {hint} `dependencies:`"
    assert told(failure)[1:] == ((line,), f"{advice}, and lower the bound until it fits")


@pytest.mark.parametrize(
    ("message", "output", "numpy", "hint"),
    [
        (
            "numpy.dtype size changed. Expected 88 from C header, got 96 from PyObject",
            "",
            "1.26.4",
            "numpy>=2",
        ),
        ("numpy.core.multiarray failed to import", "", "2.1", "numpy<2"),
        ("`np.float_` was removed in the NumPy 2.0 release", "", "2.1", "numpy<2"),
        ("_ARRAY_API not found", "", "2.1", "numpy<2"),
        ("x", "A module that was compiled using NumPy 1.x cannot be run in", "2.1", "numpy<2"),
        ("module 'numpy' has no attribute 'Inf'", "", "2.1", "numpy<2"),
        (
            "module 'numpy' has no attribute 'int'.\\n`np.int` was a deprecated alias",
            "",
            "1.26.4",
            "numpy<1.24",
        ),
    ],
)
def test_another_numpy(message: str, output: str, numpy: str, hint: str) -> None:
    cause = Cause(type="ImportError", message=message, frames=FRAMES)
    assert told(raised(cause, output=output), asked(locked={"numpy": numpy}))[1:] == (
        ("`deep` was made for another numpy than the image has (deep/main.py:12)",),
        f"add `{hint}` to `dependencies:`",
    )


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            Failure(package="model", module="", why="absent"),
            ("it is not installed in the image", (), "a step of `run:` may have removed it"),
        ),
        (
            Failure(package="model", module="model", why="time", output="waiting\n\n"),
            ("it did not end in time", ("it printed: waiting",), None),
        ),
        (
            Failure(package="model", module="model", why="died", status=-4),
            (
                "its process was ended by SIGILL",
                (),
                "it has instructions that this processor lacks: `mlimage doctor` looks for them",
            ),
        ),
        (
            Failure(package="model", module="model", why="died", status=3),
            ("its process ended with status 3", (), None),
        ),
        (
            raised(Cause(type="OSError", message="the library not found", frames=FRAMES)),
            ("OSError: the library not found", ("`deep` raises it (deep/main.py:12)",), None),
        ),
        (
            raised(Cause(type="KeyError", message="'DISPLAY'", frames=FRAMES)),
            ("KeyError: 'DISPLAY'", ("`deep` raises it (deep/main.py:12)",), None),
        ),
        (
            raised(
                Cause(type="OSError", message="libc.so.6: version `GLIBC_2.38' not found (required by x)")
            ),
            (
                "OSError: libc.so.6: version `GLIBC_2.38' not found (required by x)",
                ("it was built for a newer system, with `GLIBC_2.38`",),
                "lock an older release of `model`, or take a newer base",
            ),
        ),
    ],
)
def test_other_failures(failure: Failure, said: tuple[str, tuple[str, ...], str | None]) -> None:
    assert told(failure) == said


@pytest.mark.parametrize(
    ("library", "bookworm", "trixie"),
    [
        ("libGL.so.1", "libgl1", "libgl1"),
        ("libxcb-icccm.so.4", "libxcb-icccm4", "libxcb-icccm4"),
        ("libgssapi_krb5.so.2", "libgssapi-krb5-2", "libgssapi-krb5-2"),
        ("libglib-2.0.so.0", "libglib2.0-0", "libglib2.0-0t64"),
        ("libnss3.so", "libnss3", "libnss3"),
        ("libpangoft2-1.0-0", "libpangoft2-1.0-0", "libpangoft2-1.0-0"),
        ("libharfbuzz-0", "libharfbuzz0b", "libharfbuzz0b"),
        ("libmagic", "libmagic1", "libmagic1t64"),
        ("libsndfile.so", "libsndfile1", "libsndfile1"),
        ("libunheard", "", ""),
        ("libunheard.so", "", ""),
    ],
)
def test_debian_packages_of_libraries(library: str, bookworm: str, trixie: str) -> None:
    assert (package_of(library, "bookworm"), package_of(library, "trixie")) == (bookworm, trixie)


SPEC = b"""\
name: x
python: "3.11"
base: {debian: bookworm}
dependencies: [One_A, two]
train: {command: t, dependencies: [three, "four; python_version < '3'"]}
serve: {command: s, dependencies: [five]}
split: true
variants: {cpu: {dependencies: [six]}, cuda: {dependencies: [seven]}}
check: {ignore: [{package: Two, reason: needs a display}]}
"""


def test_what_is_asked_about() -> None:
    requirements = (
        requirement("One_A[x]>1"),
        requirement("one-a"),
        requirement("two"),
        requirement("three", "train.dependencies"),
        requirement("four; python_version < '3'", "train.dependencies"),
        requirement("five", "serve.dependencies"),
        requirement("six", "variants.cpu.dependencies", "cpu"),
        requirement("seven", "variants.cuda.dependencies", "cuda"),
    )
    loaded = LoadedSpec(
        spec=parse_spec(SPEC, path="images/x/mlimage.yaml", folder="x"), requirements=requirements, ignore=()
    )
    asks = {"three": "-r train.dependencies", "five": "-r serve.dependencies"}
    packages = [
        replace(package(name), required_by=(asks.get(name, "-r dependencies"),))
        for name in ("five", "one-a", "six", "three", "two")
    ]
    plan = plan_of([])
    assert list(direct_dependencies(loaded, lock(packages), plan)) == ["one-a", "three", "five", "six"]
    serving = direct_dependencies(loaded, lock(packages), replace(plan, role="serve"))
    assert {name: item.text for name, item in serving.items()} == {
        "one-a": "One_A[x]>1",
        "five": "five",
        "six": "six",
    }


def test_the_error() -> None:
    refuse([])
    one = Trouble(package="one", where="f:6:5", module="one", error="ValueError: x", lines=("a",), hint="h")
    two = Trouble(package="two", where="f:7:5", module="", error="it is not installed in the image")
    with pytest.raises(BuildError) as caught:
        refuse(
            [
                ("x:cpu", Checked(packages=3, troubles=(one, two))),
                ("x:cuda", Checked(packages=1, troubles=(one,))),
            ]
        )
    assert caught.value.hint == (
        "after a change, `mlimage lock x` and build again; the image is built, and can be run. What needs "
        "hardware or a display: write into its mlimage.yaml "
        "`check: {ignore: [{package: two, reason: WHY}]}`, or `--no-check` for once"
    )
    assert str(caught.value) == (
        "2 of the 3 dependencies of `x:cpu` cannot be imported:\n"
        "  f:6:5: `import one`: ValueError: x\n"
        "    a\n"
        "    hint: h\n"
        "  f:7:5: `two`: it is not installed in the image\n"
        "the dependency of `x:cuda` cannot be imported:\n"
        "  f:6:5: `import one`: ValueError: x\n"
        "    a\n"
        "    hint: h"
    )
