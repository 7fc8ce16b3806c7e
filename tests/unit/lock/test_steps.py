"""`<variant>.steps`: any name of a file is read back; what no mlimage wrote is refused at its line."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage.errors import LockError
from mlimage.lock.steps import StepsRecord, read_steps, render_steps, steps_file, write_steps
from support.locks import digest_of

KEY, TAR = digest_of("key"), digest_of("tar")


def record(*files: tuple[str, str], layer: str = "steps") -> StepsRecord:
    return StepsRecord(layer=layer, key=KEY, diff_id=TAR, files=files)


def test_the_whole_file() -> None:
    text = render_steps(
        "demo",
        [
            record(
                ("/etc/a", f"0644 0:0 {KEY}"),
                ("/etc/größe\n", "0777 0:0 -> a\tb"),
                ("/etc/old", "removed"),
            ),
            record(("/usr", "0755 0:0 folder"), layer="apt"),
        ],
    )
    assert text == (
        "# What the steps of the build left in the image, file by file. "
        "Written by `mlimage build demo --record`.\n"
        "# Each line has what is there (mode, owner, digest of a file), a tab, and the path.\n"
        "\n"
        f"[apt {KEY} {TAR}]\n"
        "0755 0:0 folder\t/usr\n"
        "\n"
        f"[steps {KEY} {TAR}]\n"
        f"0644 0:0 {KEY}\t/etc/a\n"
        "0777 0:0 -> a\\tb\t/etc/gr\\xf6\\xdfe\\n\n"
        "removed\t/etc/old\n"
    )


names = st.text(st.characters(exclude_characters="\0"), min_size=1).map(lambda name: f"/{name}")
whats = st.one_of(
    st.just("removed"), st.text(st.characters(exclude_characters="\0")).map(lambda text: f"-> {text}")
)


@given(st.dictionaries(names, whats))
@example({"/\u2028\x85\x1c\r": "-> \u2029"})
@example({"/latin-\udce9": "removed"})
@example({"/a\\tb\\": "-> \\"})
@example({"/[steps": "-> # a"})
@example({"/größe ☃": "removed"})
def test_any_names_are_read_back(files: dict[str, str]) -> None:
    records = (record(*sorted(files.items())), record(("/b", "removed"), layer="upper"))
    with TemporaryDirectory() as where:
        write_steps(Path(where), "cpu", "demo", records)
        assert read_steps(Path(where), "cpu") == records
        steps_file(Path(where), "cpu").read_bytes().decode()


def test_without_layers_there_is_no_file(tmp_path: Path) -> None:
    assert read_steps(tmp_path, "cpu") == ()
    write_steps(tmp_path, "cpu", "demo", [])
    write_steps(tmp_path, "cpu", "demo", [record()])
    assert steps_file(tmp_path, "cpu").exists()
    write_steps(tmp_path, "cpu", "demo", [])
    assert not steps_file(tmp_path, "cpu").exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"what\n", 1),
        (b"# a\n\nremoved\t/a\n", 3),
        (f"[steps {KEY} {TAR}]\nremoved /a\n".encode(), 2),
        (f"[steps {KEY}]\n".encode(), 1),
        (f"\n[steps sha256:12 {TAR}]\n".encode(), 2),
        (f"[steps {KEY} {TAR}]\nremoved\t/a\\q\n".encode(), 2),
        (f"[steps {KEY} {TAR}]\nremoved\t/a\\\n".encode(), 2),
        (f"[steps {KEY} {TAR}]\nremoved\t/a\\x4\n".encode(), 2),
        (b"\xff", 1),
        (b"<<<<<<< ours\n", 1),
    ],
)
def test_what_nobody_wrote(content: bytes, line: int, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    steps_file(folder, "cpu").write_bytes(content)
    with pytest.raises(LockError) as caught:
        read_steps(folder, "cpu")
    assert (str(caught.value), caught.value.hint) == (
        f"lockfiles/demo/cpu.steps:{line}:1: not as mlimage writes it",
        "`mlimage build demo --record` writes it anew; look at the difference",
    )
