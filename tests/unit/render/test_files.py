"""Rendered files in a project: written where they differ, or shown how they do."""

from pathlib import Path

from mlimage.render.files import compare, write

FILES = (
    ("images/demo/Dockerfile.cpu", "FROM a\nRUN größe\n"),
    ("images/demo/Dockerfile.cpu.dockerignore", "*\n"),
)


def test_what_is_missing_or_stale_is_written(tmp_path: Path) -> None:
    first, second = (path for path, _ in FILES)
    assert write(FILES, tmp_path) == {first, second}
    assert [(tmp_path / path).read_bytes().decode() for path, _ in FILES] == [text for _, text in FILES]
    assert (write(FILES, tmp_path), compare(FILES, tmp_path)) == (frozenset(), {})
    (tmp_path / second).write_bytes(b"\xff")
    assert write(FILES, tmp_path) == {second}
    assert compare(FILES, tmp_path) == {}


def test_the_difference(tmp_path: Path) -> None:
    first, second = (path for path, _ in FILES)
    (tmp_path / "images/demo").mkdir(parents=True)
    (tmp_path / first).write_bytes(b"FROM b\r\nRUN gr\xc3\xb6\xc3\x9fe")
    assert compare(FILES, tmp_path) == {
        first: (
            "--- images/demo/Dockerfile.cpu\n"
            "+++ images/demo/Dockerfile.cpu (rendered)\n"
            "@@ -1,2 +1,2 @@\n"
            "-FROM b\r\n"
            "-RUN größe\n"
            "+FROM a\n"
            "+RUN größe"
        ),
        second: ("--- /dev/null\n+++ images/demo/Dockerfile.cpu.dockerignore (rendered)\n@@ -0,0 +1 @@\n+*"),
    }
