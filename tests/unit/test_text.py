"""Nothing of the machine that this was written on, or of any one index, stands in the project's files."""

import configparser
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlimage.mirrors import load_mirrors

ROOT = Path(__file__).parent.parent.parent


@cache
def _files() -> tuple[Path, ...]:
    """What git tracks or would track; in an unpacked source archive, everything."""
    done = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        paths = [ROOT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not _is_made(path.relative_to(ROOT).parts)]
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


def _is_made(parts: tuple[str, ...]) -> bool:
    """Whether a path is of a tool's cache, an environment or another thing that git would ignore."""
    hidden = parts[0].startswith(".") and parts[0] not in {".ci", ".github", ".pre-commit-config.yaml"}
    return hidden or bool({"__pycache__", "models", "dist", "build"} & set(parts))


def _hosts() -> set[str]:
    """Hosts of indexes and archives that this machine's pip, apt and npm use, and pip's built-in one."""
    mirrors = load_mirrors(os.environ)
    places = [str(place) for place in mirrors.index("default")]
    for archive in ("debian", "debian-security"):
        places.extend(str(place) for place in mirrors.archive(archive))
    done = subprocess.run(
        (sys.executable, "-m", "pip", "config", "list"), capture_output=True, text=True, check=True
    )
    places.extend(re.findall(r"\w+://[^\s'\"]+", done.stdout))
    places.extend(_npm())
    return {host for place in places if (host := urlsplit(place).hostname) and not _loopback(host)}


def _npm() -> list[str]:
    found: list[str] = []
    for path in (Path.home() / ".npmrc", Path("/etc/npmrc"), Path("/usr/etc/npmrc")):
        if path.is_file():
            parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
            parser.read_string("[npm]\n" + path.read_text(errors="replace"))
            found.extend(value for key, value in parser["npm"].items() if key.endswith("registry"))
    return found


def _loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.")


def _mentions(words: set[str]) -> list[str]:
    pattern = re.compile(
        "|".join(rf"(?<![\w.-]){re.escape(word)}(?![\w-])" for word in sorted(words)).encode()
    )
    return [
        f"{path.relative_to(ROOT)}:{number}: {match[0].decode()}"
        for path in _files()
        for number, line in enumerate(path.read_bytes().splitlines(), 1)
        if (match := pattern.search(line))
    ]


def test_no_host_of_an_index_or_archive() -> None:
    hosts = _hosts()
    assert hosts
    assert _mentions(hosts) == []


def test_no_path_of_this_machine() -> None:
    home = str(Path.home())
    words = {str(ROOT)} | ({home} if len(home) > 5 else set())
    assert _mentions(words) == []


def test_no_conflict_markers_or_odd_line_ends() -> None:
    odd = [
        str(path.relative_to(ROOT))
        for path in _files()
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".j2"}
        and "golden" not in path.parts
        and (b"\r" in (content := path.read_bytes()) or b"\n<<<<<<< " in content)
    ]
    assert odd == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_between_files_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_list_of_verbs_in_the_readme_is_whole() -> None:
    from mlimage.cli.verbs import VERBS

    text = (ROOT / "README.md").read_text()
    assert [verb for verb in VERBS if f"mlimage {verb}" not in text] == []
