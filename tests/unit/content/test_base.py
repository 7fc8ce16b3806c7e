"""Assembling small made-up packages: what is placed where, left out, added, and refused."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from mlimage.content import maintainer
from mlimage.content.base import assemble, resolve
from mlimage.content.entry import Entry, Kind, directory, file_of_bytes, symlink
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.platforms import LINUX_AMD64
from support.debs import folder, link, member, write_deb


def _assemble(tmp_path: Path, *debs: Path) -> Mapping[str, Entry]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    entries = assemble(debs, scratch=scratch, platform=LINUX_AMD64, jobs=2)
    paths = [entry.path.encode() for entry in entries]
    assert paths == sorted(paths)
    return MappingProxyType({entry.path: entry for entry in entries})


def _content(entry: Entry) -> bytes:
    assert entry.open is not None
    with entry.open() as stream:
        return stream.read()


def _refusal(tmp_path: Path, *debs: Path) -> str:
    with pytest.raises(BuildError) as caught:
        _assemble(tmp_path, *debs)
    return str(caught.value)


def test_the_base_of_no_packages_is_a_skeleton(tmp_path: Path) -> None:
    shown = {
        path: entry.target or oct(entry.mode)
        for path, entry in _assemble(tmp_path).items()
        if entry.kind is not Kind.FILE
    }
    assert shown == {
        "bin": "usr/bin",
        "dev": "0o755",
        "etc": "0o755",
        "home": "0o755",
        "lib": "usr/lib",
        "proc": "0o755",
        "root": "0o700",
        "run": "0o755",
        "sbin": "usr/sbin",
        "sys": "0o755",
        "tmp": "0o1777",
        "usr": "0o755",
        "usr/bin": "0o755",
        "usr/lib": "0o755",
        "usr/sbin": "0o755",
        "var": "0o755",
        "var/tmp": "0o1777",
    }


def test_usr_is_merged(tmp_path: Path) -> None:
    deb = write_deb(
        tmp_path,
        [
            folder("./bin"),
            member("./bin/sh", b"sh", mode=0o755),
            folder("./lib64"),
            link("./lib64/ld.so", "/lib/x/ld.so"),
            folder("./usr"),
            folder("./usr/bin"),
            member("./usr/bin/env", b"env"),
        ],
    )
    base = _assemble(tmp_path, deb)
    assert _content(base["usr/bin/sh"]) == b"sh"
    assert base["usr/bin/sh"].mode == 0o755
    assert base["usr/lib64/ld.so"].target == "/lib/x/ld.so"
    assert [base[name].target for name in ("bin", "lib", "lib64", "sbin")] == [
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "usr/sbin",
    ]
    assert "lib32" not in base
    assert not any(path.startswith(("bin/", "lib64/")) for path in base)


def test_a_package_that_ships_the_links_of_the_merged_usr(tmp_path: Path) -> None:
    deb = write_deb(tmp_path, [link("./bin", "usr/bin"), folder("./usr"), folder("./usr/bin")])
    assert _assemble(tmp_path, deb)["bin"].target == "usr/bin"


def test_documentation_is_left_out_and_licences_stay(tmp_path: Path) -> None:
    members = [
        member("./usr/share/doc/x/README", b""),
        member("./usr/share/doc/x/copyright", b"free"),
        link("./usr/share/doc/y", "x"),
        member("./usr/share/man/man1/x.1.gz", b""),
        member("./usr/share/info/x.gz", b""),
        member("./usr/share/locale/de/x.mo", b""),
        member("./usr/share/locale/locale.alias", b""),
        member("./usr/share/lintian/overrides/x", b""),
        member("./usr/share/common-licenses/GPL", b""),
        member("./usr/share/manual", b""),
    ]
    base = _assemble(tmp_path, write_deb(tmp_path, members))
    assert [path for path in base if path.startswith("usr/share/")] == [
        "usr/share/common-licenses",
        "usr/share/common-licenses/GPL",
        "usr/share/doc",
        "usr/share/doc/x",
        "usr/share/doc/x/copyright",
        "usr/share/doc/y",
        "usr/share/locale",
        "usr/share/locale/locale.alias",
        "usr/share/manual",
    ]


def test_scanners_find_the_packages(tmp_path: Path) -> None:
    base = _assemble(tmp_path, write_deb(tmp_path, package="libx1", version="1:2.0-3"))
    assert _content(base["var/lib/dpkg/status.d/libx1"]) == (
        b"Package: libx1\nVersion: 1:2.0-3\nArchitecture: amd64\nInstalled-Size: 10\n"
    )
    assert _content(base["var/lib/dpkg/status.d/libx1.md5sums"]) == b""


def test_owners_and_modes_of_packages_stay(tmp_path: Path) -> None:
    members = [folder("./var/local", mode=0o2775, gid=50), member("./usr/bin/su", b"", mode=0o4755)]
    base = _assemble(tmp_path, write_deb(tmp_path, members))
    assert [(base[p].mode, base[p].gid) for p in ("var/local", "usr/bin/su")] == [(0o2775, 50), (0o4755, 0)]


def test_the_order_of_the_packages_does_not_matter(tmp_path: Path) -> None:
    debs = [
        write_deb(tmp_path, [folder("./etc", mode=mode), member(f"./etc/{name}", b"")], package=name)
        for name, mode in (("one", 0o755), ("two", 0o700), ("three", 0o711))
    ]

    def plain(base: Mapping[str, Entry]) -> list[tuple[object, ...]]:
        return [(e.path, e.mode, e.target, _content(e) if e.open else b"") for e in base.values()]

    assert plain(_assemble(tmp_path, *debs)) == plain(_assemble(tmp_path, *debs[::-1]))


def test_two_packages_with_one_file(tmp_path: Path) -> None:
    debs = [
        write_deb(tmp_path, [member(path, b"")], package=name)
        for name, path in (("one", "./lib/x"), ("two", "./usr/lib/x"))
    ]
    message = "the Debian packages `one 1.0-1` and `two 1.0-1` both have `/usr/lib/x`"
    assert _refusal(tmp_path, *debs) == message


def test_a_file_below_the_link_of_another_package(tmp_path: Path) -> None:
    debs = [
        write_deb(tmp_path, [link("./opt", "/srv")], package="one"),
        write_deb(tmp_path, [member("./opt/x", b"")], package="two"),
    ]
    assert _refusal(tmp_path, *debs) == "`two 1.0-1` writes `/opt/x`, but `/opt` is a symlink of `one 1.0-1`"


def test_a_package_given_twice(tmp_path: Path) -> None:
    debs = [write_deb(tmp_path, version=version) for version in ("1.0-1", "1.0-2")]
    assert _refusal(tmp_path, *debs) == "`sample` is given twice: `1.0-1` and `1.0-2`"


def test_a_package_for_another_architecture(tmp_path: Path) -> None:
    deb = write_deb(tmp_path, architecture="arm64")
    assert _refusal(tmp_path, deb) == "`sample 1.0-1` is for `arm64`, not for `amd64`"


@pytest.mark.parametrize("name", ["preinst", "postinst"])
def test_a_package_with_an_unknown_script(tmp_path: Path, name: str) -> None:
    script = "#!/bin/sh\nuseradd x\n"
    deb = write_deb(tmp_path, scripts={name: script})
    digest = Digest.of(script.encode())
    message = (
        f"the Debian package `sample` has the maintainer script `{digest}`, and none of its scripts is known"
    )
    assert _refusal(tmp_path, deb) == message


def test_scripts_of_removal_do_not_matter(tmp_path: Path) -> None:
    assert "bin" in _assemble(tmp_path, write_deb(tmp_path, scripts={"prerm": "#!/bin/sh\n", "postrm": "x"}))


def test_a_known_script_is_stood_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "#!/bin/sh\n"
    row = maintainer.Replacement(
        package="sample",
        does="things",
        scripts=frozenset({Digest.of(script.encode())}),
        folders=("/srv/x", "/var/mail 2775 8"),
        files={"/etc/x": "text\n"},
        copies={"/etc/copy": "/lib/x.conf"},
        links={"/bin/y": "tool"},
        alternatives=(("/bin/t t /bin/tool 1", "/sbin/s s /bin/tool", "/sbin/n n /bin/none"),),
        handler=None,
    )
    monkeypatch.setattr(maintainer, "replacements", lambda: {"sample": (row,)})
    members = [member("./lib/x.conf", b"x"), member("./bin/tool", b"tool")]
    base = _assemble(tmp_path, write_deb(tmp_path, members, scripts={"postinst": script}))
    assert base["srv/x"].kind is Kind.DIRECTORY
    assert (base["var/mail"].mode, base["var/mail"].gid) == (0o2775, 8)
    assert (_content(base["etc/x"]), _content(base["etc/copy"])) == (b"text\n", b"x")
    assert {path: entry.target for path, entry in base.items() if entry.target.startswith(("/", "tool"))} == {
        "etc/alternatives/s": "/bin/tool",
        "etc/alternatives/t": "/bin/tool",
        "usr/bin/t": "/etc/alternatives/t",
        "usr/bin/y": "tool",
        "usr/sbin/s": "/etc/alternatives/s",
    }


def test_paths_are_resolved_inside_the_base() -> None:
    entries = [
        directory("usr", origin="x"),
        directory("usr/lib", origin="x"),
        file_of_bytes("usr/lib/a.so", b"", origin="x"),
        symlink("lib", "usr/lib", origin="x"),
        symlink("usr/lib/b.so", "/lib/a.so", origin="x"),
        symlink("usr/lib/c.so", "../../../../lib/b.so", origin="x"),
        symlink("usr/lib/loop", "loop", origin="x"),
        symlink("usr/lib/none", "nothing", origin="x"),
    ]
    base = {entry.path: entry for entry in entries}
    found = {
        path: resolve(base, path)
        for path in (
            "/lib",
            "/lib/a.so",
            "/lib/b.so",
            "/usr/lib/c.so",
            "/lib/loop",
            "/lib/none",
            "/../usr/./lib",
        )
    }
    assert found == {
        "/lib": "usr/lib",
        "/lib/a.so": "usr/lib/a.so",
        "/lib/b.so": "usr/lib/a.so",
        "/usr/lib/c.so": "usr/lib/a.so",
        "/lib/loop": None,
        "/lib/none": None,
        "/../usr/./lib": "usr/lib",
    }
