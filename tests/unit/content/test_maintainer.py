"""The table of what stands for maintainer scripts, and its rows applied."""

import re
from pathlib import Path

import pytest

from mlimage.content import maintainer
from mlimage.content.accounts import accounts
from mlimage.content.alternatives import Alternative, Slave, links
from mlimage.content.entry import Entry
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.platforms import LINUX_AMD64

ABSOLUTE = re.compile(r"/[^\s]+")
DEFAULT = (
    *("base-files", "base-passwd", "ca-certificates", "dash", "debconf", "debianutils", "dpkg", "libc-bin"),
    *("libc6", "mawk", "netbase", "openssl", "readline-common", "tar", "tzdata"),
    *("python3.11", "python3.11-minimal", "python3.13", "python3.13-minimal"),
)


def _text(entry: Entry) -> str:
    assert entry.open is not None
    with entry.open() as stream:
        return stream.read().decode()


def test_every_row_of_the_table_is_sound() -> None:
    seen: dict[tuple[str, Digest], bool] = {}
    for package, rows in maintainer.replacements().items():
        assert rows
        for row in rows:
            assert row.package == package
            assert row.does
            assert not row.does.endswith(".")
            assert row.scripts
            assert row.handler is None or row.handler in maintainer._HANDLERS
            for path in (*row.files, *row.copies, *row.copies.values(), *row.links):
                assert ABSOLUTE.fullmatch(path)
            for folder in row.folders:
                assert re.fullmatch(r"/\S+( [0-7]{3,4}( \d+)?)?", folder)
            for script in row.scripts:
                assert (package, script) not in seen
                seen[package, script] = True


def test_every_alternative_of_the_table_can_be_read() -> None:
    for rows in maintainer.replacements().values():
        for row in rows:
            for master, *slaves in row.alternatives:
                assert len(master.split()) == 4
                assert all(len(slave.split()) == 3 for slave in slaves)


def test_the_packages_that_every_base_has_are_known() -> None:
    assert [name for name in DEFAULT if name not in maintainer.replacements()] == []


def test_unknown_scripts_are_refused_with_package_and_digest() -> None:
    script = Digest.of(b"rm -rf /")
    hint = "mlimage never runs these scripts: leave what needs it out of `base.packages`"
    with pytest.raises(BuildError) as caught:
        maintainer.check_script(script, "evil")
    assert (str(caught.value), caught.value.hint) == (
        f"the Debian package `evil` has the maintainer script `{script}`, and none of its scripts is known",
        hint,
    )
    with pytest.raises(BuildError) as caught:
        maintainer.check_script(script, "mawk")
    start = f"the Debian package `mawk` has the maintainer script `{script}`"
    assert str(caught.value) == f"{start}, and only other versions of it are known"
    assert caught.value.hint == hint


def test_known_scripts_are_known_only_for_their_package() -> None:
    [row, *_] = maintainer.replacements()["mawk"]
    [script, *_] = row.scripts
    maintainer.check_script(script, "mawk")
    with pytest.raises(BuildError):
        maintainer.check_script(script, "gawk")


def test_accounts() -> None:
    entries = {
        entry.path: entry
        for entry in accounts(
            "root:*:0:0:root:/root:/bin/bash\nman:*:6:12:man:/var/cache/man:/usr/sbin/nologin\n",
            "root:*:0:\nsudo:*:27:root\n",
            origin="base-passwd 1",
        )
    }
    texts = {path: _text(entry) for path, entry in entries.items() if entry.open}
    assert texts == {
        "etc/passwd": (
            "root:x:0:0:root:/root:/bin/bash\n"
            "man:x:6:12:man:/var/cache/man:/usr/sbin/nologin\n"
            "nonroot:x:65532:65532:nonroot:/home/nonroot:/usr/sbin/nologin\n"
        ),
        "etc/group": "root:x:0:\nsudo:x:27:root\nnonroot:x:65532:\n",
        "etc/shadow": ("root:*:19723:0:99999:7:::\nman:*:19723:0:99999:7:::\nnonroot:*:19723:0:99999:7:::\n"),
        "etc/gshadow": "root:*::\nsudo:*::root\nnonroot:*::\n",
    }
    owners = {path: (entry.mode, entry.uid, entry.gid) for path, entry in entries.items()}
    assert owners == {
        "etc/passwd": (0o644, 0, 0),
        "etc/group": (0o644, 0, 0),
        "etc/shadow": (0o640, 0, 42),
        "etc/gshadow": (0o640, 0, 42),
        "home/nonroot": (0o700, 65532, 65532),
    }


def _alternative(target: str, priority: int, *slaves: Slave) -> Alternative:
    return Alternative(
        link="/usr/bin/awk", name="awk", target=target, priority=priority, slaves=slaves, origin=target
    )


def test_the_alternative_of_highest_priority_is_chosen_with_its_slaves() -> None:
    slave = Slave(link="/usr/bin/nawk", name="nawk", target="/usr/bin/gawk")
    manual = Slave(link="/usr/share/man/awk.1", name="awk.1", target="/usr/share/man/gawk.1")
    candidates = [_alternative("/usr/bin/mawk", 5), _alternative("/usr/bin/gawk", 10, slave, manual)]
    there = {"/usr/bin/mawk", "/usr/bin/gawk"}
    for order in (candidates, candidates[::-1]):
        found = {entry.path: entry.target for entry in links(order, there.__contains__)}
        assert found == {
            "usr/bin/awk": "/etc/alternatives/awk",
            "etc/alternatives/awk": "/usr/bin/gawk",
            "usr/bin/nawk": "/etc/alternatives/nawk",
            "etc/alternatives/nawk": "/usr/bin/gawk",
        }


def test_an_alternative_that_leads_nowhere_is_passed_over() -> None:
    candidates = [_alternative("/usr/bin/mawk", 5), _alternative("/usr/bin/gawk", 10)]
    found = [entry.target for entry in links(candidates, {"/usr/bin/mawk"}.__contains__)]
    assert found == ["/etc/alternatives/awk", "/usr/bin/mawk"]


def test_a_file_that_a_script_copies_must_be_there() -> None:
    empty = maintainer.Base(entries={}, place=lambda path: path.strip("/"), platform=LINUX_AMD64)
    with pytest.raises(BuildError) as caught:
        empty.content("/usr/share/libc-bin/nsswitch.conf")
    message = "the base has no file `/usr/share/libc-bin/nsswitch.conf`, which one of its packages needs"
    assert str(caught.value) == message


def test_the_table_lies_beside_its_module() -> None:
    assert Path(maintainer.__file__).with_suffix(".toml").is_file()
