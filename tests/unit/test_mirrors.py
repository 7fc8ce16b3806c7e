from pathlib import Path

import pytest

from mlimage.errors import FetchError, MlimageError, UsageError
from mlimage.mirrors import Location, Mirrors, load_mirrors, variable


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without any configuration; pip reads it through the process's environment."""
    for name in ("PIP_INDEX_URL", "PIP_NO_INDEX", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pip.conf").write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def mirrors(home: Path, **environ: str) -> Mirrors:
    return load_mirrors({"HOME": str(home), **environ}, apt=home / "apt")


def configure(home: Path, text: str) -> Path:
    path = home / ".config" / "mlimage" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_pip_has_a_default_of_its_own(home: Path) -> None:
    (place,) = mirrors(home).index("default")
    assert place.url.startswith("https://")
    assert place.url.endswith("/simple")


def test_pip_is_configured_by_a_file(home: Path) -> None:
    (home / "pip.conf").write_text(
        "[global]\nindex-url = https://global.example.com/simple/\nextra-index-url = https://evil.example.com\n"
        "find-links = /nowhere\n[install]\nindex-url = https://install.example.com/simple/\n"
    )
    assert mirrors(home).index("default") == (Location("https://install.example.com/simple"),)


def test_the_variable_of_pip_wins_over_its_files(home: Path) -> None:
    (home / "pip.conf").write_text("[global]\nindex-url = https://global.example.com/simple/\n")
    found = mirrors(home, PIP_INDEX_URL="https://env.example.com/simple").index("default")
    assert found == (Location("https://env.example.com/simple"),)


def test_pip_without_an_index(home: Path) -> None:
    (home / "pip.conf").write_text("[global]\nno-index = true\n")
    with pytest.raises(UsageError) as caught:
        mirrors(home).index("default")
    assert str(caught.value) == "pip on this machine is told to use no index (`no-index`)"
    assert caught.value.hint == "set MLIMAGE_MIRROR_DEFAULT to an index or to a folder of wheels"


def test_pip_with_a_broken_file(home: Path) -> None:
    (home / "pip.conf").write_text("nonsense\n")
    with pytest.raises(UsageError, match="pip's configuration cannot be read: "):
        mirrors(home).index("default")


def test_our_variable_wins_over_our_file_and_that_over_pip(home: Path) -> None:
    configure(home, '[mirrors]\ndefault = "https://file.example.com/simple/"\n')
    assert mirrors(home).index("default") == (Location("https://file.example.com/simple"),)
    chosen = mirrors(home, MLIMAGE_MIRROR_DEFAULT="https://one.example.com/a https://two.example.com/b/")
    assert chosen.index("default") == (
        Location("https://one.example.com/a"),
        Location("https://two.example.com/b"),
    )


def test_a_list_of_mirrors_with_a_folder(home: Path) -> None:
    path = configure(home, '[mirrors]\ntorch-cpu = ["wheels", "https://example.com/cpu"]\n')
    (path.parent / "wheels").mkdir()
    first, second = mirrors(home).index("torch-cpu", "https://spec.example.com/")
    assert first.folder == path.parent / "wheels"
    assert second == Location("https://example.com/cpu")
    assert second.folder is None


def test_a_folder_with_spaces_in_a_variable(home: Path) -> None:
    folder = home / "my wheels"
    folder.mkdir()
    (place,) = mirrors(home, MLIMAGE_MIRROR_DEFAULT=str(folder)).index("default")
    assert place.folder == folder
    assert str(place) == str(folder)
    (place,) = mirrors(home, MLIMAGE_MIRROR_DEFAULT=folder.as_uri()).index("default")
    assert place.folder == folder


def test_the_url_of_the_spec(home: Path) -> None:
    assert mirrors(home).index("own", "https://example.com/own/") == (Location("https://example.com/own"),)


def test_no_plain_http_from_a_spec(home: Path) -> None:
    with pytest.raises(UsageError) as caught:
        mirrors(home).index("own", "http://example.com/own/")
    assert str(caught.value) == "index `own` is at `http://example.com/own`, which is not encrypted"
    assert (
        caught.value.hint == "use `https://`, or allow it on this machine: set MLIMAGE_MIRROR_OWN to that URL"
    )
    assert mirrors(home).index("own", "http://127.0.0.1:1/own/") == (Location("http://127.0.0.1:1/own"),)
    (place,) = mirrors(home, MLIMAGE_MIRROR_OWN="http://example.com/own").index(
        "own", "http://example.com/own"
    )
    assert place.plain


def test_an_index_without_a_place(home: Path) -> None:
    with pytest.raises(UsageError) as caught:
        mirrors(home).index("own")
    assert str(caught.value) == "nothing says where index `own` is"


@pytest.mark.parametrize(
    "text", ["ftp://example.com/x", "https://", "https://example.com:port/x", "file://host/x"]
)
def test_what_is_no_place(text: str, home: Path) -> None:
    with pytest.raises(UsageError) as caught:
        mirrors(home, MLIMAGE_MIRROR_DEFAULT=text).index("default")
    assert caught.value.where == "MLIMAGE_MIRROR_DEFAULT"
    assert caught.value.hint == "write `https://HOST/PATH`, or the path of a folder"


def test_a_folder_that_is_not_there(home: Path) -> None:
    with pytest.raises(FetchError) as caught:
        mirrors(home, MLIMAGE_MIRROR_DEFAULT="/no/where").index("default")
    assert str(caught.value) == (
        "MLIMAGE_MIRROR_DEFAULT: mirror `default` is the folder `/no/where`, which is not there"
    )


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("[mirrors\n", "1:9", "not TOML: expected ']' at the end of a table declaration"),
        ("\n\n[mirror]\n", "3", "unknown key `mirror`"),
        ("mirrors = 3\n", "1", "`mirrors` must be a table"),
        ("[mirrors]\n# x\ndefault = 3\n", "3", "mirror `default` must be a URL, a folder, or a list of them"),
        ('[mirrors]\n"a.b" = [""]\n', "2", "mirror `a.b` must be a URL, a folder, or a list of them"),
        ('[mirrors]\nx = "gopher://e/"\n', "2", "`gopher://e/` is not a URL of an index or archive"),
    ],
)
def test_what_is_wrong_in_the_file(text: str, place: str, message: str, home: Path) -> None:
    path = configure(home, text)
    with pytest.raises(UsageError) as caught:
        mirrors(home)
    assert str(caught.value) == f"{path}:{place}: {message}"


def test_a_file_that_is_no_text(home: Path) -> None:
    path = configure(home, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        mirrors(home)


def test_credentials_are_not_shown() -> None:
    place = Location("https://user:secret@example.com:8443/simple")
    assert str(place) == "https://example.com:8443/simple"


def test_paths_are_quoted() -> None:
    place = Location("https://example.com/debian")
    assert place.join("pool/main/g/g++/g++_4%3a12.2~1_amd64.deb") == (
        "https://example.com/debian/pool/main/g/g++/g++_4%253a12.2~1_amd64.deb"
    )


def test_names_of_variables() -> None:
    assert variable("debian-security") == "MLIMAGE_MIRROR_DEBIAN_SECURITY"


DEB822 = """\
# comment
Types: deb deb-src
URIs: http://mirror.example.com/debian/
  http://second.example.com/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.com/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example.com/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://source.example.com/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
deb cdrom:[Debian GNU/Linux]/ bookworm main
deb mirror+file:/etc/apt/mirrors.txt bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/other.gpg] https://third.example.com/debian bookworm main
deb https://container.example.com/linux/debian bookworm stable
deb https://vendor.example.com/apt bookworm main
deb-src http://source.example.com/debian bookworm main
deb [ signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] https://odd.example.com/remote bookworm main
deb file:///srv/debian bookworm main # local
deb http://old.example.com/debian-security buster/updates main
deb "unclosed
deb
"""


def test_archives_of_apt_in_both_formats(home: Path) -> None:
    (home / "apt" / "sources.list.d").mkdir(parents=True)
    (home / "apt" / "sources.list").write_text(ONE_LINE)
    (home / "apt" / "sources.list.d" / "debian.sources").write_text(DEB822)
    (home / "apt" / "sources.list.d" / "ignored.save").write_text("deb http://no.example.com/debian x main\n")
    found = mirrors(home)
    assert found.archive("debian") == (
        Location("https://odd.example.com/remote"),
        Location("file:///srv/debian"),
        Location("http://mirror.example.com/debian"),
        Location("http://second.example.com/debian"),
    )
    assert found.archive("debian-security") == (
        Location("http://old.example.com/debian-security"),
        Location("http://mirror.example.com/debian-security"),
    )


def test_a_machine_without_apt(home: Path) -> None:
    with pytest.raises(MlimageError) as caught:
        mirrors(home).archive("debian")
    assert str(caught.value) == (
        "nothing says where the archive `debian` is: apt on this machine has no source for it"
    )
    assert caught.value.hint == (
        f'set MLIMAGE_MIRROR_DEBIAN=URL, or `[mirrors] debian = "URL"` in {home}/.config/mlimage/config.toml'
    )
    found = mirrors(home, MLIMAGE_MIRROR_DEBIAN="http://example.com/debian").archive("debian")
    assert found == (Location("http://example.com/debian"),)


def test_registries_are_where_they_are_unless_somebody_says_otherwise(home: Path) -> None:
    assert mirrors(home).registry("docker.io") == ()
    found = mirrors(home, MLIMAGE_MIRROR_DOCKER_IO="https://one.example/hub https://two.example")
    assert found.registry("docker.io") == (
        Location("https://one.example/hub"),
        Location("https://two.example"),
    )
    folder = home / ".config/mlimage"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text('[mirrors]\n"r.example:5000" = "http://127.0.0.1:5000"\n')
    assert mirrors(home).registry("r.example:5000") == (Location("http://127.0.0.1:5000"),)


def test_a_folder_is_no_registry(home: Path) -> None:
    with pytest.raises(MlimageError) as caught:
        mirrors(home, MLIMAGE_MIRROR_DOCKER_IO=str(home)).registry("docker.io")
    assert str(caught.value) == (
        f"the mirror of registry `docker.io` is the folder `{home}`, and must be a registry"
    )
    assert caught.value.hint == (
        "set MLIMAGE_MIRROR_DOCKER_IO=https://HOST, or https://HOST/PATH for images below a path"
    )
