"""What `mlimage init --from` makes of other tools' files."""

import os
from pathlib import Path

import pytest

from mlimage.errors import UsageError
from mlimage.spec.import_conda import from_conda
from mlimage.spec.import_pyproject import from_pyproject
from mlimage.spec.import_requirements import from_requirements
from mlimage.spec.import_venv import Installed, from_venv, wanted
from mlimage.spec.imported import Imported
from mlimage.spec.scaffold import read_import


def _file(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def _notes(imported: Imported) -> list[str]:
    return [str(note) for note in (*imported.changed, *imported.left_out)]


def test_requirements(tmp_path: Path) -> None:
    _file(tmp_path, "more.txt", "pandas  # frames\n-r requirements.txt\nnumpy==1.26.4\n")
    file = _file(
        tmp_path,
        "requirements.txt",
        "# made by pip freeze\n"
        "numpy==1.26.4 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "torch==2.1.0+cu118\n"
        "nvidia-cublas-cu12==12.1.3.1\n"
        "-e git+https://user:hunter2@example.com/x.git#egg=x\n"
        "certifi @ file:///croot/certifi_1/build\n"
        "y @ https://user:hunter2@example.com/y.whl\n"
        "--index-url https://user:hunter2@example.com/simple\n"
        "foo bar\n"
        "-r more.txt\n-r nope.txt\n-c constraints.txt\n--no-binary :all:\n"
        "pkg_resources==0.0.0\n",
    )
    imported = from_requirements(file)
    assert imported.dependencies == (
        "numpy==1.26.4",
        "torch==2.1.0",
        "certifi",
        "pandas",
    )
    assert _notes(imported) == [
        "torch==2.1.0+cu118: became `torch==2.1.0`: the part behind `+` is of one index only",
        "certifi @ file:///croot/certifi_1/build: became `certifi`, without the file of that machine",
        "nvidia-cublas-cu12==12.1.3.1: comes with the accelerator's own build of the framework",
        "-e git+https://…@example.com/x.git#egg=x: put your own code into the app folder",
        "y @ https://…@example.com/y.whl: names a place, which cannot be locked",
        "--index-url https://…@example.com/simple: name an index and its packages under `indexes:`",
        "foo bar: is not a requirement: expected semicolon (after name with no version specifier) or end",
        "-r nope.txt: the file does not exist",
        "-c constraints.txt: write the versions at the requirements themselves",
        "--no-binary :all:: an option of pip's, which `mlimage lock` decides",
        "pkg_resources==0.0.0: a leftover of Debian's, which no index has",
    ]


def test_conda(tmp_path: Path) -> None:
    _file(tmp_path, "more.txt", "uvicorn<1\n-r environment.txt\n")
    file = _file(
        tmp_path,
        "environment.yml",
        "name: x\nchannels: [conda-forge]\ndependencies:\n"
        "  - python=3.11.4\n"
        "  - numpy=1.26.4=py311h64a7726_0\n  - pytorch::pytorch=2.1\n  - scipy >=1.10, <2\n"
        "  - pandas 2.*\n"
        "  - polars 1.2.3 py311_0\n  - Pillow==10.1\n  - cudatoolkit=11.8\n  - libgcc-ng\n  - pip\n"
        "  - librosa\n  - python-graphviz=0.20\n"
        '  - foo>1|<0\n  - "a[version=1]"\n'
        "  - pip:\n    - fastapi>=0.100\n    - -e .\n    - -r more.txt\n    - --requirement=more.txt\n"
        "  - npm: [left-pad]\n",
    )
    imported = from_conda(file)
    assert imported.python == "==3.11.4.*"
    assert imported.dependencies == (
        "numpy==1.26.4",
        "torch==2.1.*",
        "scipy>=1.10,<2",
        "pandas==2.*",
        "polars==1.2.3",
        "pillow==10.1",
        "librosa",
        "graphviz==0.20.*",
        "fastapi>=0.100",
        "uvicorn<1",
    )
    assert _notes(imported) == [
        "cudatoolkit=11.8: no Python package; look for a Debian package for `base: {packages: […]}`",
        "libgcc-ng: no Python package; look for a Debian package for `base: {packages: […]}`",
        "foo>1|<0: its versions cannot be said in PEP 508",
        "a[version=1]: not understood",
        "-e .: put your own code into the app folder",
        "-r environment.txt: the file does not exist",
        "npm: left-pad: a section that mlimage does not know",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "{file}:1:5: not YAML: did not find expected node content"),
        ("name: x\n", "`{file}` has no list `dependencies`"),
    ],
)
def test_conda_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    file = _file(tmp_path, "environment.yml", text)
    with pytest.raises(UsageError) as caught:
        from_conda(file)
    assert str(caught.value) == message.format(file=file)


def test_pyproject(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        "pyproject.toml",
        '[project]\nrequires-python = ">=3.12"\ndependencies = ["numpy>=1", "x @ git+https://example.com/x"]\n'
        'dynamic = ["version"]\n[project.optional-dependencies]\ndev = ["pytest"]\n',
    )
    imported = from_pyproject(file)
    assert (imported.python, imported.dependencies) == (">=3.12", ("numpy>=1",))
    assert _notes(imported) == [
        "x @ git+https://example.com/x: names a place, which cannot be locked",
        "the extra `dev`: optional; copy from it what the image needs",
    ]


def test_poetry(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        "pyproject.toml",
        '[tool.poetry.dependencies]\npython = "^3.11"\na = "^1.26"\nb = "^0.2.3"\nc = "^0.0.3"\nd = "~2.1"\n'
        'e = "~1"\nf = "1.2.*"\ng = "*"\nh = "1.2"\n'
        'i = ">= 1, < 2"\nj = "^1 || ^2"\nk = ">=1.0 <2.0"\nl = "^0.0"\n'
        'm = {version = "~=2.1", extras = ["excel"], markers = "python_version < \'4\'"}\n'
        'n = {git = "https://example.com"}\no = {version = "1", optional = true}\np = [{version = "1"}]\n'
        'q = {version = "1", source = "private"}\nr = {version = "1", platform = "linux"}\ns = "^x"\n'
        '[tool.poetry.group.dev.dependencies]\npytest = "*"\n',
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
        "k>=1.0,<2.0",
        "l>=0.0,<0.1",
        "m[excel]~=2.1; python_version < '4'",
        "q==1",
    )
    assert _notes(imported) == [
        "j ^1 || ^2: its versions cannot be said in PEP 440",
        "n: names a place, which cannot be locked",
        "o: optional; add it if the image needs it",
        "p: has several constraints, one for each environment",
        "q: source `private`: name the index and its packages under `indexes:`",
        "r: is for some pythons or platforms only; write a marker",
        "s ^x: its versions cannot be said in PEP 440",
        "the group `dev`: optional; copy from it what the image needs",
    ]


@pytest.mark.parametrize("text", ["[project", "[tool.black]\n", 'project = "x"\n', "tool = [1]\n"])
def test_pyproject_that_says_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        from_pyproject(_file(tmp_path, "pyproject.toml", text))


def test_pyproject_of_odd_types(tmp_path: Path) -> None:
    text = '[project]\ndependencies = "numpy"\nrequires-python = 3\ndynamic = 1\noptional-dependencies = []\n'
    assert from_pyproject(_file(tmp_path, "pyproject.toml", text)) == Imported(python="3")


def _install(
    site: Path, name: str, version: str, *needs: str, requested: bool = False, url: str = ""
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
    if requested:
        (info / "REQUESTED").touch()
    if url:
        (info / "direct_url.json").write_text(f'{{"url": "{url}"}}')


def test_venv(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    _install(site, "pip", "24.0", requested=True)
    _install(
        site, "FastAPI", "0.110", "pydantic>=2", "starlette (<1)", 'httpx; extra == "all"', requested=True
    )
    _install(site, "pydantic", "2.6", requested=True)
    _install(site, "starlette", "0.36")
    _install(site, "httpx", "0.27")
    _install(site, "mine", "0.1", url="file:///home/me/mine")
    (site / "broken-1.0.dist-info").mkdir()
    imported = read_import(tmp_path)
    assert imported == from_venv(tmp_path)
    assert imported.python == "==3.11.*"
    assert imported.dependencies == ("fastapi==0.110", "httpx==0.27", "pydantic==2.6")
    assert _notes(imported) == ["mine 0.1: installed from a place, which cannot be locked"]


def test_venv_that_was_installed_from_a_lock(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    _install(site, "a", "1", "b", requested=True)
    _install(site, "b", "1", requested=True)
    assert from_venv(tmp_path).dependencies == ("a==1",)


def test_a_circle_of_requirements() -> None:
    def one(name: str, *needs: str) -> Installed:
        return Installed(name=name, version="1", needs=frozenset(needs), requested=False, local=False)

    chosen = wanted([one("c", "b"), one("b", "c", "b"), one("a", "d"), one("d")])
    assert [package.name for package in chosen] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nope.txt", "`{path}` does not exist"),
        ("pipe.txt", "`{path}` is no file"),
        ("folder", "`{path}` has no packages in `lib/python3.X/site-packages`"),
        ("Pipfile", "`Pipfile` is of no kind that can be imported"),
        ("latin.txt", "{path}:2:4: the byte 0xe4 is not UTF-8"),
    ],
)
def test_what_cannot_be_imported(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "Pipfile").touch()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "latin.txt").write_bytes(b"numpy\npan\xe4das\n")
    with pytest.raises(UsageError) as caught:
        read_import(tmp_path / name)
    assert str(caught.value) == message.format(path=tmp_path / name)
