"""What `mlimage init --from` makes of other tools' files, and what it says of those that it cannot take."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage import resources
from mlimage.errors import UsageError
from mlimage.pipconfig import built_in_index
from mlimage.spec.import_conda import from_conda
from mlimage.spec.import_pyproject import from_pyproject
from mlimage.spec.import_requirements import from_requirements
from mlimage.spec.import_venv import Installed, from_venv, wanted
from mlimage.spec.imported import IMPORTS, Imported, ImportedIndex
from mlimage.spec.imports import read_import
from mlimage.spec.scaffold import scaffold


def _file(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


_OWN_CODE = "put your own code into the app folder, or its wheel into an index that `indexes:` names"
_BAD_URL = "is no address of an index that a spec takes (`https://…`, PEP 503); name one under `indexes:`"
_OPTIONAL = "not in every installation; copy from it what the image needs"
_LIBRARIES = (
    "conda's own, and libraries that wheels have inside; where one is missing all the same, look for a "
    "Debian "
    "package for `base.packages`"
)


def _notes(imported: Imported) -> list[str]:
    return [str(note) for note in (*imported.changed, *imported.left_out)]


def test_requirements(tmp_path: Path) -> None:
    _file(tmp_path, "more.txt", "pandas  # frames\n-r requirements.txt\nnumpy==1.26.4\n")
    file = _file(
        tmp_path,
        "requirements.txt",
        "# made by pip freeze\n"
        "numpy==1.26.4 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "scipy==1.13 --hash=sha256:00 --config-settings=x=y\n"
        "-e git+https://user:hunter2@example.com/x.git#egg=x\n"
        "certifi @ file:///croot/certifi_1/build\n"
        "pip @ file:///croot/pip_1/work\n"
        "mine @ file:///home/me/mine\n"
        "y @ https://user:hunter2@example.com/y.whl\n"
        "--index-url https://user:hunter2@example.com/simple\n"
        f"--extra-index-url {built_in_index()}\n"
        "--extra-index-url http://example.com/simple\n"
        "-f https://example.com/wheels.html?token=hunter2\n"
        "foo bar\n"
        "-r more.txt\n-r nope.txt\n-r https://example.com/r.txt\n--no-binary :all:\n--trusted-host "
        "example.com\n"
        "pkg_resources==0.0.0\npyobjc-core==10\ntensorflow-macos==2.15\n",
    )
    imported = from_requirements(file)
    assert imported.dependencies == ("numpy==1.26.4", "scipy==1.13", "certifi", "pandas", "tensorflow==2.15")
    assert imported.variants == ()
    assert _notes(imported) == [
        (
            "certifi @ file:///croot/certifi_1/build: became `certifi`: conda's build machine is named "
            "where the "
            "version should be; `pip list --format=freeze` writes the versions"
        ),
        f"--extra-index-url {built_in_index()}: is the default index, where packages come from anyway",
        "tensorflow-macos==2.15: became `tensorflow==2.15`",
        (
            "scipy==1.13 --config-settings=x=y: `--config-settings` alone: an option of pip's, which "
            "`mlimage "
            "lock` decides"
        ),
        (
            "-e git+https://***@example.com/x.git#egg=x: version control cannot be locked; write `x` with a "
            "version if "
            "an index has it; else put your own code into the app folder"
        ),
        "pip @ file:///croot/pip_1/work: an image has no pip",
        f"mine @ file:///home/me/mine: is a file of the machine that wrote this; {_OWN_CODE}",
        (
            "y @ https://***@example.com/y.whl: is a place, which cannot be locked; write `y` with a version "
            "if an index "
            f"has it; else {_OWN_CODE}"
        ),
        (
            "--index-url https://***@example.com/simple: the default index is a matter of the machine: pip's "
            "own "
            "configuration, or `MLIMAGE_MIRROR_DEFAULT`; its user name and password stay out of the spec; "
            "put them "
            "into `~/.netrc`"
        ),
        f"--extra-index-url http://example.com/simple: {_BAD_URL}",
        f"-f https://example.com/wheels.html?***: {_BAD_URL}",
        (
            "foo bar: is not a requirement: expected semicolon (after name with no version specifier) or "
            "end; write a "
            "name, then versions, as `numpy>=2,<3` or `uvicorn[standard]==0.30.1`"
        ),
        "-r nope.txt: the file does not exist; add what it should say to `dependencies:`",
        "-r https://example.com/r.txt: is an address; download it, and name the file in its place",
        "--no-binary :all:: an option of pip's, which `mlimage lock` decides",
        "--trusted-host example.com: an index is asked over https, and its certificate is checked",
        "pkg_resources==0.0.0: a leftover of Debian's, which no index has",
        "pyobjc-core==10: is for macOS only",
        "3 times --hash: `mlimage lock` finds and writes the hashes",
    ]


def test_constraints(tmp_path: Path) -> None:
    _file(tmp_path, "c.txt", "numpy==1.26.4 --hash=sha256:1\nx==1\ny<2\n-c d.txt\n--pre\nbad bad\n")
    _file(tmp_path, "d.txt", "y>=1\nz==3\n-c c.txt\n")
    file = _file(tmp_path, "requirements.txt", "numpy>=1.24\n-c c.txt\ny\nx==2\nz==3\n")
    imported = from_requirements(file)
    assert imported.dependencies == ("numpy==1.26.4", "y<2,>=1", "x==1,==2", "z==3")
    assert _notes(imported) == [
        "numpy>=1.24: became `numpy==1.26.4`, by c.txt, d.txt",
        "y: became `y<2,>=1`, by c.txt, d.txt",
        "x==2: became `x==1,==2`, by c.txt, d.txt",
        "c.txt: --pre: an option among constraints",
        "c.txt: bad bad: is no constraint that can be read; write the version at the requirement",
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "requirements.txt").write_text(f"{mark}numpy==1.26.4\r\nscipy\r\n", encoding=encoding)
    assert from_requirements(tmp_path / "requirements.txt").dependencies == ("numpy==1.26.4", "scipy")


def test_the_python_that_pip_compile_was_run_for(tmp_path: Path) -> None:
    text = (
        "#\n# This file is autogenerated by pip-compile with Python 3.12\n# by the following command:\nidna\n"
    )
    assert from_requirements(_file(tmp_path, "requirements.txt", text)).python == "==3.12.*"


def test_conda(tmp_path: Path) -> None:
    _file(tmp_path, "more.txt", "uvicorn<1\n-r environment.txt\n")
    file = _file(
        tmp_path,
        "environment.yml",
        "name: x\nchannels: [conda-forge, https://conda.anaconda.org/t/tk-hunter2/acme, "
        "https://conda.anaconda.org/pytorch/linux-64]\ndependencies:\n"
        "  - python=3.11.4\n"
        "  - numpy=1.26.4=py311h64a7726_0\n  - scipy >=1.10, <2\n"
        "  - pandas 2.*\n"
        "  - polars 1.2.3 py311_0\n  - Pillow==10.1\n  - libgcc-ng\n  - pip\n  - openjdk\n  - r-base=4\n"
        "  - librosa\n  - python-graphviz=0.20\n  - seaborn=0.13.2\n  - acme::ours\n  - acme::theirs\n"
        '  - foo>1|<0\n  - "a[version=\'>=1\']"\n  - "b[build=x]"\n  - tzdata=2024a\n  - cupy\n  - [x]\n'
        "  - pip:\n    - fastapi>=0.100\n    - -e .\n    - -r more.txt\n    - --requirement=more.txt\n"
        "  - npm: [left-pad]\n"
        "variables: {TOKEN: hunter2}\nplatforms: [linux-64]\nprefix: /home/me/x\n",
    )
    imported = from_conda(file)
    assert imported.python == "==3.11.4"
    assert imported.variants == ()
    assert imported.dependencies == (
        "numpy==1.26.4",
        "scipy>=1.10,<2",
        "pandas==2.*",
        "polars==1.2.3",
        "pillow==10.1",
        "librosa",
        "graphviz==0.20.*",
        "seaborn==0.13.2",
        "ours",
        "theirs",
        "foo",
        "a>=1",
        "fastapi>=0.100",
        "uvicorn<1",
    )
    channel = "packages come from indexes of wheels; name one under `indexes:` for what is only there"
    assert _notes(imported) == [
        "python-graphviz=0.20: is `graphviz` in the package index",
        "foo>1|<0: became `foo` of any version: these cannot be said in PEP 440; write them by hand",
        "openjdk: no Python package; Debian has `default-jre-headless`, for `base.packages`",
        "r-base=4: no Python package; look for a Debian package for `base.packages`",
        f"the channel acme: {channel}",
        "b[build=x]: is not understood; add it to `dependencies:` as `numpy>=2,<3`",
        (
            "cupy: the package index has it for each CUDA, as `cupy-cuda12x` and `faiss-gpu-cu12`; add one "
            "to the "
            "variant `cuda`"
        ),
        "line 24: a list among the packages is not understood",
        (
            "-e .: an editable package cannot be locked; put your own code into the app folder, and what "
            "it needs "
            "into `dependencies:`"
        ),
        "-r environment.txt: the file does not exist; add what it should say to `dependencies:`",
        "npm: left-pad: a section `npm:` is not known; if the image needs it, write it by hand",
        f"the channel https://conda.anaconda.org/t/***/acme: {channel}",
        "the variable TOKEN: write it under `env:`, unless it is a secret",
        "the key platforms: mlimage has nothing for it",
        f"libgcc-ng, pip, tzdata: {_LIBRARIES}",
    ]


@pytest.mark.parametrize(
    ("packages", "builds", "dependencies"),
    [
        (["pytorch=2.3.1", "pytorch-cuda=12.1"], {"cpu": "cpu", "cuda": "cu121"}, ["torch==2.3.1"]),
        (["pytorch=1.12", "cudatoolkit=11.3"], {"cpu": "cpu", "cuda": "cu113"}, ["torch==1.12.*"]),
        (["pytorch=2.5.1=cuda126_py311h1_0"], {"cpu": "cpu", "cuda": "cu126"}, ["torch==2.5.1"]),
        (["pytorch=2.3", "cuda-version=12.2"], {"cpu": "cpu", "cuda": ""}, ["torch==2.3.*"]),
        (["pytorch-gpu"], {"cpu": "cpu", "cuda": ""}, ["torch"]),
        (["pytorch", "cpuonly"], {"cpu": "cpu"}, ["torch"]),
        (["pytorch-cpu=2.3"], {"cpu": "cpu"}, ["torch==2.3.*"]),
        (["pytorch=*=cpu*"], {"cpu": "cpu"}, ["torch"]),
        (["pytorch=2.3.1=cpu_generic_py311_0"], {"cpu": "cpu"}, ["torch==2.3.1"]),
        (["tensorflow-gpu=2.15"], {"cpu": "", "cuda": "tensorflow[and-cuda]"}, ["tensorflow==2.15.*"]),
        (
            ["tensorflow=2.15=cuda120py311_0"],
            {"cpu": "", "cuda": "tensorflow[and-cuda]"},
            ["tensorflow==2.15"],
        ),
        (["tensorflow", "cudatoolkit=11.8"], {"cpu": "", "cuda": "tensorflow[and-cuda]"}, ["tensorflow"]),
        (["tensorflow-base", "cudnn"], {"cpu": "", "cuda": "tensorflow[and-cuda]"}, ["tensorflow"]),
        (["jax", "cuda-version=12"], {"cpu": "", "cuda": "jax[cuda12]"}, ["jax"]),
        (["jaxlib=0.4.23=cuda120py311_0"], {"cpu": "", "cuda": "jax[cuda12]"}, ["jaxlib==0.4.23"]),
        (["tensorflow"], {}, ["tensorflow"]),
    ],
)
def test_the_cuda_of_conda(
    tmp_path: Path, packages: list[str], builds: dict[str, str], dependencies: list[str]
) -> None:
    text = "dependencies:\n" + "".join(f"  - {package}\n" for package in packages)
    imported = from_conda(_file(tmp_path, "environment.yml", text))
    found = {
        variant.name: "".join(
            (*variant.dependencies, *(index.url.rpartition("/")[2] for index in variant.indexes))
        )
        for variant in imported.variants
    }
    assert (found, list(imported.dependencies)) == (builds, dependencies)


def test_conda_list_export(tmp_path: Path) -> None:
    text = "# platform: linux-64\n_libgcc_mutex=0.1=main\nnumpy=1.26.4=py310_0\npython=3.10.2=h1_0\n"
    imported = from_requirements(_file(tmp_path, "requirements.txt", text))
    assert (imported.python, imported.dependencies) == ("==3.10.2", ("numpy==1.26.4",))
    assert _notes(imported) == [f"_libgcc_mutex: {_LIBRARIES}"]


def test_pyproject(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        "pyproject.toml",
        '[project]\nrequires-python = ">=3.12"\ndependencies = ["numpy>=1", "x @ git+https://example.com/x"]\n'
        'dynamic = ["version"]\n[project.optional-dependencies]\ndev = ["pytest"]\ngpu = ["cupy-cuda12x"]\n'
        '[dependency-groups]\nlint = ["ruff", {include-group = "dev"}]\n'
        "[tool.pixi.dependencies]\nscipy = '*'\n",
    )
    imported = from_pyproject(file)
    assert (imported.python, imported.dependencies) == (">=3.12", ("numpy>=1",))
    assert [(one.name, one.dependencies) for one in imported.variants] == [
        ("cpu", ()),
        ("cuda", ("cupy-cuda12x",)),
    ]
    assert _notes(imported) == [
        "variants: `cpu` and `cuda`; remove the one that you do not need",
        "the extra gpu: became what the variant `cuda` has of its own",
        (
            "x @ git+https://example.com/x: is a place, which cannot be locked; write `x` with a version "
            "if an index "
            f"has it; else {_OWN_CODE}"
        ),
        f"the extra dev (pytest): {_OPTIONAL}",
        f"the group lint (ruff): {_OPTIONAL}",
        (
            "pixi's dependencies (scipy): `pixi workspace export conda-environment` writes a file that can "
            "be "
            "imported"
        ),
    ]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ('["Train_Tools", "dev"]', {"train-tools", "dev"}),
        ('"all"', {"train-tools", "dev", "docs"}),
        ("[]", set()),
        ("true", set()),
    ],
)
def test_default_groups_of_uv(value: str, named: set[str], tmp_path: Path) -> None:
    groups = {"train-tools": "tqdm", "dev": "pytest", "docs": "sphinx"}
    text = '[project]\nname = "x"\ndependencies = ["numpy"]\n[dependency-groups]\n'
    text += "".join(f'{group} = ["{package}"]\n' for group, package in groups.items())
    imported = from_pyproject(
        _file(tmp_path, "pyproject.toml", f"{text}[tool.uv]\ndefault-groups = {value}\n")
    )
    default = (
        "uv installs it by default (`default-groups`), an image does not; copy from it what the image needs"
    )
    assert imported.dependencies == ("numpy",)
    assert _notes(imported) == [
        f"the group {group} ({package}): {default if group in named else _OPTIONAL}"
        for group, package in groups.items()
    ]


@pytest.mark.parametrize(
    "table",
    [
        '[tool.setuptools.dynamic]\ndependencies = {file = ["requirements.txt"]}\n',
        '[tool.setuptools.dynamic]\ndependencies = {file = "requirements.txt"}\n',
        '[tool.hatch.metadata.hooks.requirements_txt]\nfiles = ["requirements.txt"]\n',
    ],
)
def test_dynamic_dependencies(tmp_path: Path, table: str) -> None:
    _file(tmp_path, "requirements.txt", "idna --hash=sha256:00\n")
    file = _file(tmp_path, "pyproject.toml", f'[project]\ndynamic = ["dependencies"]\n{table}')
    imported = from_pyproject(file)
    assert imported.dependencies == ("idna",)
    assert _notes(imported) == ["--hash: `mlimage lock` finds and writes the hashes"]


def test_dynamic_dependencies_that_no_file_has(tmp_path: Path) -> None:
    imported = from_pyproject(_file(tmp_path, "pyproject.toml", '[project]\ndynamic = ["dependencies"]\n'))
    assert _notes(imported) == [
        (
            "dynamic dependencies: only the project's build backend knows them; import a virtual "
            "environment that "
            "has the project"
        )
    ]


def test_poetry(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        "pyproject.toml",
        '[tool.poetry.dependencies]\npython = "^3.11"\na = "^1.26"\nb = "^0.2.3"\nc = "^0.0.3"\nd = "~2.1"\n'
        'e = "~1"\nf = "1.2.*"\ng = "*"\nh = "1.2"\n'
        'i = ">= 1, < 2"\nj = "^1 || ^2"\nk = ">=1.0 <2.0"\nl = "^0.0"\n'
        'm = {version = "~=2.1", extras = ["excel"], '
        "markers = \"python_version < '4' or os_name == 'nt'\", "
        'platform = "linux"}\n'
        'n = {git = "https://me:hunter2@example.com"}\no = {version = "1", optional = true}\n'
        'p = [{version = "1", python = "<3.12"}, {version = "^2", python = "^3.12"}]\n'
        'q = {version = "1", source = "private"}\nr = {version = "1", platform = "linux"}\ns = "^x"\n'
        't = {version = "1", source = "ours"}\nu = {version = "1", source = "ours"}\n'
        '[tool.poetry.group.dev.dependencies]\npytest = "*"\n'
        '[tool.poetry.dev-dependencies]\nblack = "*"\n'
        '[[tool.poetry.source]]\nname = "ours"\nurl = "https://me:hunter2@example.com/simple/"\n'
        '[[tool.poetry.source]]\nname = "theirs"\nurl = "https://example.com/theirs"\n'
        '[[tool.poetry.source]]\nname = "PyPI"\n',
    )
    imported = from_pyproject(file)
    assert imported.python == ">=3.11,<4"
    assert imported.dependencies == (
        "a>=1.26,<2",
        "b>=0.2.3,<0.3",
        "c>=0.0.3,<0.0.4",
        "d>=2.1,<2.2",
        "e>=1,<2",
        "f==1.2.*",
        "g",
        "h==1.2",
        "i>=1,<2",
        "j",
        "k>=1.0,<2.0",
        "l>=0.0,<0.1",
        "m[excel]~=2.1; (python_version < '4' or os_name == 'nt') and sys_platform == \"linux\"",
        'p==1; python_full_version < "3.12"',
        'p>=2,<3; python_full_version >= "3.12" and python_full_version < "4"',
        "q==1",
        'r==1; sys_platform == "linux"',
        "s",
        "t==1",
        "u==1",
    )
    assert imported.indexes == (
        ImportedIndex(name="ours", url="https://example.com/simple", packages=("t", "u")),
    )
    assert _notes(imported) == [
        "j ^1 || ^2: became `j` of any version: these cannot be said in PEP 440; write them by hand",
        "s ^x: became `s` of any version: these cannot be said in PEP 440; write them by hand",
        (
            "https://***@example.com/simple/: its user name and password stay out of the spec; put them into "
            "`~/.netrc`"
        ),
        f"n = https://***@example.com: comes from its `git`, which cannot be locked; {_OWN_CODE}",
        "o==1: optional; add it if the image needs it",
        (
            "q: source private: no source of that name is there; name the index and its packages under "
            "`indexes:`"
        ),
        f"the group dev (pytest): {_OPTIONAL}",
        (
            "source theirs https://example.com/theirs: what comes from it is not said; write `indexes: "
            "{example-com: "
            "{url: https://example.com/theirs, packages: […]}}` with their names"
        ),
    ]


def test_poetry_beside_project(tmp_path: Path) -> None:
    """Poetry 2: what is needed stands in `[project]`, and where it comes from in poetry's table."""
    file = _file(
        tmp_path,
        "pyproject.toml",
        '[project]\nrequires-python = ">=3.13"\ndependencies = ["a>=1", "b", "torch>=2"]\n'
        '[tool.poetry.dependencies]\na = {source = "ours"}\nb = {path = "../b", develop = true}\n'
        'torch = {source = "pt"}\n'
        '[[tool.poetry.source]]\nname = "ours"\nurl = "https://example.com/simple"\n'
        '[[tool.poetry.source]]\nname = "pt"\nurl = "https://mirror.example.com/whl/cpu"\n',
    )
    imported = from_pyproject(file)
    assert imported.dependencies == ("a>=1", "torch>=2")
    assert imported.indexes == (
        ImportedIndex(name="ours", url="https://example.com/simple", packages=("a",)),
    )
    assert [(one.name, one.indexes[0].url) for one in imported.variants] == [
        ("cpu", "https://mirror.example.com/whl/cpu")
    ]
    assert _notes(imported) == [
        (
            "variants: `cpu` takes PyTorch from https://mirror.example.com/whl/cpu; add `cuda: {}` below "
            "it for an "
            "image for CUDA"
        ),
        f"b = ../b: comes from its `path`, which cannot be locked; {_OWN_CODE}",
    ]


def test_uv(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        "pyproject.toml",
        '[project]\ndependencies = ["a", "b", "c>=1", "d"]\n'
        '[tool.uv]\nextra-index-url = ["https://one.example.com/simple"]\nfind-links = ["wheels"]\n'
        'constraint-dependencies = ["c<2"]\noverride-dependencies = ["c==1"]\ndev-dependencies = ["pytest"]\n'
        '[tool.uv.sources]\na = {workspace = true}\nb = {index = "Our Index"}\nc = {index = "our_index"}\n'
        'd = [{index = "mac", marker = "sys_platform == \'darwin\'"}, {url = "https://x", marker = "odd"}]\n'
        '[[tool.uv.index]]\nname = "Our Index"\nurl = "https://two.example.com/simple"\n'
        '[[tool.uv.index]]\nname = "our_index"\nurl = "https://three.example.com/simple"\n'
        '[[tool.uv.index]]\nname = "mac"\nurl = "https://four.example.com/simple"\n'
        '[[tool.uv.index]]\nname = "main"\nurl = "https://five.example.com/simple"\ndefault = true\n',
    )
    imported = from_pyproject(file)
    assert imported.dependencies == ("b", "c<2,>=1")
    assert imported.indexes == (
        ImportedIndex(name="our-index", url="https://two.example.com/simple", packages=("b",)),
        ImportedIndex(name="our-index-other", url="https://three.example.com/simple", packages=("c",)),
    )
    assert [note.partition(": ")[0].partition(" https")[0] for note in _notes(imported)] == [
        "c>=1",
        "a = True",
        "d =",
        "index mac",
        "index main",
        "extra-index-url",
        "find-links wheels",
        "override-dependencies",
        "uv's dev-dependencies (pytest)",
    ]


def test_pdm(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        "pyproject.toml",
        '[project]\nname = "x"\ndependencies = ["ours"]\n[tool.pdm.dev-dependencies]\ntest = ["pytest"]\n'
        '[tool.pdm.resolution]\noverrides = ["x"]\n'
        '[[tool.pdm.source]]\nname = "acme"\nurl = "https://example.com/simple"\n'
        'include_packages = ["ours"]\n'
        '[[tool.pdm.source]]\nname = "other"\nurl = "https://other.example.com/simple"\n'
        'include_packages = ["ours", "theirs-*"]\n',
    )
    imported = from_pyproject(file)
    assert imported.indexes == (
        ImportedIndex(name="acme", url="https://example.com/simple", packages=("ours",)),
    )
    assert _notes(imported) == [
        "ours from https://other.example.com/simple: a package comes from one index, and it is `acme`",
        (
            "source other https://other.example.com/simple: what comes from it is not said; write `indexes: "
            "{other-example-com: {url: https://other.example.com/simple, packages: […]}}` with their names"
        ),
        "pdm's override x: what packages ask for cannot be overridden",
        f"the group test (pytest): {_OPTIONAL}",
    ]


def test_pyproject_of_odd_types(tmp_path: Path) -> None:
    text = (
        '[project]\ndependencies = "numpy"\nrequires-python = 3\ndynamic = 1\noptional-dependencies = []\n'
        "[tool]\nuv = 1\npdm = []\npoetry = {dependencies = 1, group = {dev = 1}, source = 1}\n"
    )
    imported = from_pyproject(_file(tmp_path, "pyproject.toml", text))
    assert imported == Imported(python="3", left_out=imported.left_out)
    assert _notes(imported) == [f"the group dev (): {_OPTIONAL}"]


def _install(
    site: Path,
    name: str,
    version: str,
    *needs: str,
    requested: bool = False,
    origin: str = "",
    by: str = "pip",
) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {n}" for n in needs),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n\nRequires-Dist: not-a-header\n")
    (info / "INSTALLER").write_text(f"{by}\n")
    if requested:
        (info / "REQUESTED").touch()
    if origin:
        (info / "direct_url.json").write_text(origin)


def test_venv(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n"
    )
    (tmp_path / "lib" / "python3.10" / "site-packages").mkdir(parents=True)
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    _install(site, "pip", "24.0", requested=True)
    _install(
        site, "FastAPI", "0.110", "pydantic>=2", "starlette (<1)", 'httpx; extra == "all"', requested=True
    )
    _install(site, "pydantic", "2.6", requested=True)
    _install(site, "starlette", "0.36")
    _install(site, "httpx", "0.27")
    _install(site, "mine", "0.1", origin='{"url": "file:///home/me/mine", "dir_info": {"editable": true}}')
    _install(
        site, "tool", "0.2", origin='{"url": "https://me:hunter2@example.com", "vcs_info": {"vcs": "git"}}'
    )
    _install(site, "wheel-file", "1", origin='{"url": "https://example.com/x.whl", "archive_info": {}}')
    _install(site, "odd", "1", origin="[]")
    (site / "linked.egg-link").write_text("/home/me/linked\n.\n")
    (site / "old-0.9.egg-info").write_text("Metadata-Version: 1.0\nName: old\nVersion: 0.9\n")
    (site / "older-0.8.egg-info").mkdir()
    (site / "older-0.8.egg-info" / "PKG-INFO").write_text("Name: older\nVersion: 0.8\n")
    (site / "broken-1.0.dist-info").mkdir()
    imported = read_import(tmp_path)
    assert imported == from_venv(tmp_path)
    assert imported.python == "==3.11.*"
    assert imported.dependencies == (
        "fastapi==0.110",
        "httpx==0.27",
        "odd==1",
        "old==0.9",
        "older==0.8",
        "pydantic==2.6",
    )
    own = "which cannot be locked; own code goes into the app folder"
    assert _notes(imported) == [
        (
            "a package that another brought: `mlimage lock` chooses their versions; to keep those of now, "
            "import what "
            "`pip freeze` writes"
        ),
        (
            "broken-1.0.dist-info: damaged, with no name and version in it; install it anew, or add it to "
            "`dependencies:`"
        ),
        (
            "packages of the system's python: are seen by the environment and not in it; add those that it "
            "uses to "
            "`dependencies:`"
        ),
        f"linked: installed from a folder, {own}",
        f"mine 0.1: installed from a folder, {own}",
        f"tool 0.2: installed from version control, {own}",
        f"wheel-file 1: installed from a file, {own}",
    ]


def test_venv_with_cuda(tmp_path: Path) -> None:
    """What says the accelerator is taken, whoever asked for it."""
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    _install(site, "sentence-transformers", "3.0", "torch", "transformers", requested=True)
    _install(site, "transformers", "4.40")
    torch = "https://download.pytorch.org/whl/cu121/torch-2.3.1%2Bcu121-cp312-cp312-linux_x86_64.whl"
    _install(
        site,
        "torch",
        "2.3.1+cu121",
        "nvidia-cublas-cu12==12.1.3.1",
        origin=f'{{"url": "{torch}", "archive_info": {{}}}}',
    )
    _install(site, "nvidia-cublas-cu12", "12.1.3.1")
    imported = from_venv(tmp_path)
    assert imported.python == "==3.12.*"
    assert imported.dependencies == ("sentence-transformers==3.0", "torch==2.3.1")
    assert [(one.name, one.indexes[0].name) for one in imported.variants] == [
        ("cpu", "pytorch-cpu"),
        ("cuda", "pytorch-cu121"),
    ]


def test_an_environment_of_conda(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    _install(site, "numpy", "1.26.4", by="conda", origin='{"url": "file:///croot/numpy_1", "dir_info": {}}')
    assert from_venv(tmp_path).dependencies == ("numpy==1.26.4",)


def test_an_environment_of_windows(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("version_info = 3.13.1.final.0\n")
    _install(tmp_path / "Lib" / "site-packages", "numpy", "2.1")
    imported = from_venv(tmp_path)
    assert (imported.python, imported.dependencies) == ("==3.13.*", ("numpy==2.1",))


def test_venv_that_was_installed_from_a_lock(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    _install(site, "a", "1", "b", requested=True)
    _install(site, "b", "1", requested=True)
    assert from_venv(tmp_path).dependencies == ("a==1",)


def test_a_circle_of_requirements() -> None:
    def one(name: str, *needs: str) -> Installed:
        return Installed(name=name, version="1", needs=frozenset(needs), requested=False)

    chosen = wanted([one("c", "b"), one("b", "c", "b"), one("a", "d"), one("d")])
    assert [package.name for package in chosen] == ["a", "b"]


_PIPENV = "`pipenv requirements > requirements.txt` writes a file that can be imported"
_FREEZE = "`pip freeze > requirements.txt` where it is installed writes a file that can be imported"
_PIXI = "`pixi workspace export conda-environment > environment.yml` writes a file that can be imported"
_PYPROJECT = "name the pyproject.toml beside it"
_FROM = "name the environment.yml that it was made from"

REFUSED = {
    # by name what is in it, the message, the hint
    "nope.txt": (None, "`{path}` does not exist", IMPORTS),
    "empty.txt": (b"", "`{path}` names no packages", "for an image without them leave out `--from`"),
    "comment.txt": (b"# x\n", "`{path}` names no packages", "for an image without them leave out `--from`"),
    "prose.txt": (
        b"Dear all,\n\nfoo bar\n",
        "`{path}` is no requirements file: no line of it is a requirement",
        IMPORTS,
    ),
    "list.txt": (
        b"Package Version\n------- -------\nnumpy   1.26.4\n",
        "`{path}` is a table that `pip list` made",
        "`pip freeze > list.txt` makes a list that can be imported",
    ),
    "explicit.txt": (
        b"# x\n@EXPLICIT\nhttps://example.com/numpy-1.26.4-py311_0.conda\n",
        "`{path}` is a list of the files of one conda environment",
        "`conda env export > environment.yml` makes one that can be imported",
    ),
    "binary.txt": (b"\x7fELF\0\0", "{path}: it is no text", IMPORTS),
    "binary.yml": (b"\x7fELF\0\0", "{path}: it is no text", IMPORTS),
    "binary.toml": (b"\x7fELF\0\0", "{path}: it is no text", IMPORTS),
    "latin.txt": (b"numpy\npan\xe4das\n", "{path}:2:4: the byte 0xe4 is not UTF-8", "save the file as UTF-8"),
    "half.txt": (b"\xff\xfea", "{path}: it begins as UTF-16 and goes on otherwise", "save it as UTF-8"),
    "empty.yml": (b"", "{path}:1:1: the file is empty", IMPORTS),
    "list.yml": (b"- a\n", "{path}:1:1: expected keys, not a list", IMPORTS),
    "broken.yml": (
        b"a:\n  - [b\n",
        "{path}:2:7: not YAML: did not find expected `,` or `]`",
        "the bracket opens in line 2, column 5: close it, and put commas between",
    ),
    "other.yml": (
        b"name: x\n",
        "`{path}` has no list `dependencies`",
        "is it an environment file of conda's?",
    ),
    "compose.yml": (b"services: {}\n", "`{path}` is a file of Docker Compose's", IMPORTS),
    "my-lock.yml": (b"package: []\nmetadata: {}\n", "`{path}` is a lock of conda-lock's", _FROM),
    "empty.toml": (b" \n", "`{path}` is empty", IMPORTS),
    "broken.toml": (
        b"x = 1\n[project\n",
        "{path}:2:9: not TOML: expected `]` at the end of a table declaration",
        None,
    ),
    "end.toml": (b'[project]\nname = "x', "{path}:2:10: not TOML: unterminated string", None),
    "black.toml": (
        b"[tool.black]\n",
        "`{path}` has neither `[project]` nor `[tool.poetry]`",
        "import a requirements file, or a virtual environment",
    ),
    "odd.toml": (
        b'project = "x"\ntool = [1]\n',
        "`{path}` has neither `[project]` nor `[tool.poetry]`",
        "import a requirements file, or a virtual environment",
    ),
    "Pipfile": (b"", "`Pipfile` cannot be imported", _PIPENV),
    "Pipfile.lock": (b"", "`Pipfile.lock` cannot be imported", _PIPENV),
    "poetry.lock": (b"", "`poetry.lock` cannot be imported", _PYPROJECT),
    "uv.lock": (b"", "`uv.lock` cannot be imported", _PYPROJECT),
    "pdm.lock": (b"", "`pdm.lock` cannot be imported", _PYPROJECT),
    "pylock.toml": (b"", "`pylock.toml` cannot be imported", "name what it was made from"),
    "pixi.toml": (b"", "`pixi.toml` cannot be imported", _PIXI),
    "setup.py": (b"", "`setup.py` cannot be imported", _FREEZE),
    "setup.cfg": (b"", "`setup.cfg` cannot be imported", _FREEZE),
    "conda-lock.yml": (b"", "`conda-lock.yml` cannot be imported", _FROM),
    "mlimage.yaml": (
        b"",
        "`mlimage.yaml` cannot be imported",
        "copy the folder of that image to make another of it",
    ),
    "train.ipynb": (b"", "`train.ipynb` is of no kind that can be imported", IMPORTS),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_imported(tmp_path: Path, name: str) -> None:
    content, message, hint = REFUSED[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_import(path)
    assert (str(caught.value), caught.value.hint) == (message.format(path=path), hint)


_ANEW = "make it anew, or name the requirements file that it was made from"
FOLDERS = {
    # by what is there the message, the hint
    (): ("the folder `{path}` is no virtual environment", IMPORTS),
    ("app.py", "requirements.txt", "pyproject.toml"): (
        "the folder `{path}` is no virtual environment",
        "name `{path}/requirements.txt`",
    ),
    (".venv/",): ("the folder `{path}` is no virtual environment", "name `{path}/.venv`"),
    ("pyvenv.cfg",): ("`{path}` is an environment whose `lib/python3.X/site-packages` is missing", _ANEW),
    ("conda-meta/",): ("`{path}` is an environment whose `lib/python3.X/site-packages` is missing", _ANEW),
    ("pyvenv.cfg", "lib/python3.11/site-packages"): (
        "`{path}/lib/python3.11/site-packages` cannot be read: not a directory",
        None,
    ),
    ("lib/python3.11/site-packages/",): (
        "`{path}/lib/python3.11/site-packages` has no packages",
        "install them into it, or name a requirements file",
    ),
    ("lib/python3.11/site-packages/a-1.dist-info/", "lib/python3.11/site-packages/b-1.dist-info/METADATA"): (
        "`{path}/lib/python3.11/site-packages` has no packages but 2 damaged ones",
        "install them into it, or name a requirements file",
    ),
}


@pytest.mark.parametrize("there", FOLDERS, ids=", ".join)
def test_folders_that_cannot_be_imported(tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in there:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()
    message, hint = FOLDERS[there]
    with pytest.raises(UsageError) as caught:
        read_import(tmp_path)
    expected = hint.format(path=tmp_path) if hint else None
    assert (str(caught.value), caught.value.hint) == (message.format(path=tmp_path), expected)


@pytest.mark.parametrize("inside", ["bin", "bin/python", "lib/python3.11/site-packages"])
def test_a_path_in_an_environment(tmp_path: Path, inside: str) -> None:
    (tmp_path / "pyvenv.cfg").touch()
    path = tmp_path / inside
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch() if path.name == "python" else path.mkdir()
    with pytest.raises(UsageError) as caught:
        read_import(path)
    assert caught.value.hint == f"name `{tmp_path}`"


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UsageError) as caught:
        read_import(tmp_path / "pipe.txt")
    assert str(caught.value) == f"`{tmp_path}/pipe.txt` is no file"


_PARTS = (
    *(
        "torch",
        "==2.3.1",
        "+cu121",
        "+cpu",
        "numpy",
        ">=1",
        "<2",
        "[cuda12]",
        "jax",
        "tensorflow",
        "[and-cuda]",
    ),
    *(
        "; python_version < '4'",
        " @ ",
        "https://u:hunter2@h/x",
        "file:///croot/x",
        "-r ",
        "-c ",
        "--index-url ",
    ),
    *(
        "--extra-index-url ",
        "-f ",
        "-e ",
        "nope.txt",
        "f.txt",
        "https://h/whl/cu121",
        "git+https://x",
        "\\\n",
    ),
    *(
        "#",
        "--hash=sha256:1",
        " ",
        "xgboost",
        "triton",
        "nvidia-nccl-cu12",
        "-cu12",
        "python",
        "===x",
        "==1.*",
    ),
    *(
        "\t",
        "'",
        '"',
        ": ",
        "{",
        "$x",
        "é",
        "=",
        "conda-forge::",
        "|",
        "pytorch-cuda=12.1",
        "cudatoolkit",
        "~=1",
    ),
    *("- pip:\n    - ", "🎉", "--pre", "%", "^1", "\n", "\n  - ", "x"),
)


@example("https://u:hunter2@h/x: torch", "yml")
@example("--index-url git+https://x[cuda12]", "txt")
@example("x @ https://x[cuda12]/x.whl", "txt")
@given(st.lists(st.sampled_from(_PARTS), max_size=12).map("".join), st.sampled_from(("txt", "yml", "toml")))
def test_whatever_is_imported_becomes_a_spec(text: str, kind: str) -> None:
    whole = {
        "txt": text,
        "yml": f"dependencies:\n  - {text}",
        "toml": f"[project]\nname = 'x'\ndependencies = [{', '.join(map(repr, text.splitlines()))}]\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        file = _file(Path(folder), f"f.{kind}", whole[kind])
        try:
            imported = read_import(file)
        except UsageError:
            return
    made = scaffold("x", imported, templates=resources.templates() / "init")
    assert "hunter2" not in made.files["mlimage.yaml"]


def test_the_file_of_a_wheel_tells_its_version(tmp_path: Path) -> None:
    conda = "file:///home/conda/feedstock_root/build_artifacts/numpy_1/work/dist"
    text = f"numpy @ {conda}/numpy-1.26.4-cp311-cp311-linux_x86_64.whl"
    (tmp_path / "requirements.txt").write_text(f"{text}\n")
    imported = from_requirements(tmp_path / "requirements.txt")
    assert imported.dependencies == ("numpy==1.26.4",)
    assert _notes(imported) == [f"{text}: became `numpy==1.26.4`: that is the wheel's version"]
