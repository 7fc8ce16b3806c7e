from mlimage.digest import Digest
from mlimage.verify.diff.explain import FileRow, dump, file_rows
from mlimage.verify.diff.model import ByteDifference, FileChange, FileFacts, Part


def facts(kind: str = "file", *, size: int = 0, mtime: int | None = 0) -> FileFacts:
    return FileFacts(
        kind=kind,
        mode=0o644,
        uid=0,
        gid=0,
        size=size,
        digest=Digest.of(b"") if kind == "file" else None,
        target="",
        mtime=mtime,
        layer="app",
    )


def change(path: str, old: FileFacts | None, new: FileFacts | None, *parts: Part) -> FileChange:
    return FileChange(path=path, old=old, new=new, parts=parts)


def row(mark: str, path: str, what: str) -> FileRow:
    return FileRow(mark=mark, path=path, layer="app", what=what)


def test_a_folder_stands_for_all_that_is_in_it() -> None:
    folder, small, large = facts("directory"), facts(size=1), facts(size=2_000)
    assert file_rows(
        [
            change("/a", None, folder),
            change("/a-b", None, small),
            change("/a/b", None, folder),
            change("/a/b/c", None, large),
            change("/a/d", None, small),
            change("/e", folder, small, "kind"),
            change("/e/f", small, None),
            change("/g", small, folder, "kind"),
            change("/g/h", None, small),
            change("/i/j", small, None),
            change("/k", folder, None),
            change("/l", small, large, "content", "size"),
            change("/m", facts(mtime=1), small, "mtime"),
        ]
    ) == (
        row("+", "/a", "directory with 3 more, 2,001 bytes"),
        row("+", "/a-b", "file, 1 byte"),
        row("~", "/e", "directory -> file with 1 more, 1 byte"),
        row("~", "/g", "file -> directory with 1 more, 1 byte"),
        row("-", "/i/j", "file, 1 byte"),
        row("-", "/k", "directory"),
        row("~", "/l", "content, 1 -> 2,000 bytes"),
    )


def test_times_that_no_calendar_has() -> None:
    (shown,) = file_rows([change("/x", facts(mtime=1 << 60), facts(mtime=0), "mode", "mtime")])
    assert shown.what == "mode 0644 -> 0644, time 1152921504606846976 -> 1970-01-01T00:00:00Z"


def test_where_one_side_ends() -> None:
    difference = ByteDifference(offset=18, end=4096, at=16, old=b"ab\x00\xffxyz", new=b"ab")
    assert list(dump(difference)) == [
        "bytes 18 to 4,095",
        f"- 00000010  {'61 62 00 ff 78 79 7a':<47}  ab..xyz",
        "+ ends at 18",
    ]
