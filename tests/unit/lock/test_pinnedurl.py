"""`--mlimage-from`: what pip in CI can get, and nothing that could be something else."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements

from mlimage.digest import Digest
from mlimage.errors import UsageError
from mlimage.lock.pinnedurl import PinnedUrl, parse_pinned_url

HEX = "0123456789abcdef" * 4
WHEEL = "https://example.com/dist/mlimage_builder-0.1.0-py3-none-any.whl"
EXAMPLE = "--mlimage-from 'https://HOST/FILE.whl#sha256=DIGEST'"
GIVE = f"give the URL of a wheel, `{EXAMPLE}`"
UPLOAD = ("is not on the web, where CI could get it", f"upload it, and {GIVE}")
NO_FILE = (
    "is not a file: with `--require-hashes`, pip takes nothing from version control",
    f"{GIVE}, or that of a source archive of the commit",
)
NO_URL = ("is not a URL", f"write `{EXAMPLE}`")
SECRET = (
    "has credentials, which would be committed",
    "leave them out: pip in CI can take them from netrc or keyring",
)
DIGITS = "append `#sha256=` and the 64 digits that `sha256sum FILE` prints"


@pytest.mark.parametrize(
    ("url", "filename", "is_wheel"),
    [
        (WHEEL, "mlimage_builder-0.1.0-py3-none-any.whl", True),
        (
            "https://example.com/mlimage_builder-0.1.0%2Blocal-py3-none-any.whl",
            "mlimage_builder-0.1.0+local-py3-none-any.whl",
            True,
        ),
        ("https://example.com/acme/mlimage/archive/3f2a9c1b.tar.gz", "3f2a9c1b.tar.gz", False),
        ("https://example.com:8443/a,b/~c/@d/e=f&g+h/x.zip", "x.zip", False),
        ("http://127.0.0.1:8000/x.zip", "x.zip", False),
    ],
)
def test_good_ones(url: str, filename: str, is_wheel: bool) -> None:  # noqa: FBT001
    for digits in (HEX, HEX.upper()):
        found = parse_pinned_url(f"{url}#sha256={digits}")
        assert found == PinnedUrl(url=url, filename=filename, sha256=Digest.from_hex(HEX))
        assert found.is_wheel == is_wheel
        assert found.requirement == f"mlimage-builder @ {url} \\\n    --hash=sha256:{HEX}\n"


@pytest.mark.parametrize(
    ("text", "shown", "said"),
    [
        (WHEEL, WHEEL, ("has no sha256", DIGITS)),
        (f"{WHEEL}#sha256={HEX[1:]}", WHEEL, (f"has `#sha256={HEX[1:]}`, which is not its sha256", DIGITS)),
        (f"{WHEEL}#sha256={HEX}0", WHEEL, (f"has `#sha256={HEX}0`, which is not its sha256", DIGITS)),
        (f"{WHEEL}#sha256:{HEX}", WHEEL, (f"has `#sha256:{HEX}`, which is not its sha256", DIGITS)),
        (f"{WHEEL}#md5={HEX[:32]}", WHEEL, (f"has `#md5={HEX[:32]}`, which is not its sha256", DIGITS)),
        (
            f"{WHEEL}#egg=x&sha256={HEX}",
            WHEEL,
            (f"has `#egg=x&sha256={HEX}`, which is not its sha256", DIGITS),
        ),
        ("dist/x.whl", "dist/x.whl", UPLOAD),
        ("/dist/x.whl", "/dist/x.whl", UPLOAD),
        (f"file:///dist/x.whl#sha256={HEX}", "/dist/x.whl", UPLOAD),
        ("", "", UPLOAD),
        ("git@example.com:acme/mlimage.git", "git@example.com:acme/mlimage.git", UPLOAD),
        ("git+https://example.com/acme/mlimage@v1", "git+https://example.com/acme/mlimage@v1", NO_FILE),
        ("git+https://u:tok@example.com/a", "git+https://example.com/a", NO_FILE),
        ("ssh://example.com/x.whl", "ssh://example.com/x.whl", NO_FILE),
        (f"s3://bucket/x.zip#sha256={HEX}", "s3://bucket/x.zip", UPLOAD),
        ("https://", "https://", NO_URL),
        ("https:///x.whl", "https:///x.whl", NO_URL),
        (f"https://example.com:99999/x.zip#sha256={HEX}", "https://example.com:99999/x.zip", NO_URL),
        (f"https://[::1/x.zip#sha256={HEX}", "(a URL that cannot be read)", NO_URL),
        *(
            (
                f"https://example.com/{text}/x.zip#sha256={HEX}",
                f"https://example.com/{shown}/x.zip",
                (
                    f"has `{odd}`, which a URL in a requirements file cannot have",
                    f"write it as `{instead}`",
                ),
            )
            for text, shown, odd, instead in (
                ("${TOKEN}", "${TOKEN}", "$", "%24"),  # pip puts the variable's value there
                ("a;b", "a;b", ";", "%3B"),
                ("a b", "a b", " ", "%20"),
                ("it's", "it's", "'", "%27"),
                ("ä", "ä", "ä", "%C3%A4"),
                ("a\nb", "ab", "'\\n'", "%0A"),
                ("a\\b", "a\\b", "\\", "%5C"),
            )
        ),
        (f"https://u:tok@example.com/x.zip#sha256={HEX}", "https://example.com/x.zip", SECRET),
        (f"https://tok@example.com/x.zip#sha256={HEX}", "https://example.com/x.zip", SECRET),
        (f"http://u:tok@example.com/x.zip#sha256={HEX}", "http://example.com/x.zip", SECRET),
        (
            f"http://example.com/x.zip#sha256={HEX}",
            "http://example.com/x.zip",
            ("is not encrypted", "give a URL that begins with `https://`"),
        ),
        (
            f"https://example.com/x.zip?token=a#sha256={HEX}",
            "https://example.com/x.zip",
            (
                "has a query, which would be committed and may hold a token",
                "give a URL of the file without one",
            ),
        ),
        *(
            (
                f"https://example.com/{name}#sha256={HEX}",
                f"https://example.com/{name}",
                (
                    "is neither a wheel nor a source archive",
                    "its name must end in `.whl`, `.tar.gz`, `.zip`",
                ),
            )
            for name in ("", "x.deb", "x.tar.xz", "download")
        ),
        *(
            (
                f"https://example.com/{name}#sha256={HEX}",
                f"https://example.com/{name}",
                ("is not a wheel of `mlimage-builder`", GIVE),
            )
            for name in ("mlimage-0.2.3-py3-none-any.whl", "x.whl", "mlimage_builder.whl")
        ),
    ],
)
def test_bad_ones(text: str, shown: str, said: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_pinned_url(text)
    assert (caught.value.message, caught.value.hint) == (f"--mlimage-from: `{shown}` {said[0]}", said[1])
    assert "tok@" not in str(caught.value)


@given(path=st.text(st.sampled_from("ab0/.-_~%+,=@:&;'$ \\{[(!*\"<é"), max_size=6))
def test_what_is_taken_is_what_pip_reads(path: str) -> None:
    """By pip's own reader of requirements files; what cannot be one requirement there is refused."""
    with suppress(UsageError):
        found = parse_pinned_url(f"https://example.com/{path}/x.zip#sha256={HEX}")
        with TemporaryDirectory() as folder:
            file = Path(folder) / "requirements.txt"
            file.write_text(found.requirement, encoding="utf-8")
            [line] = parse_requirements(str(file), PipSession())
        read = install_req_from_parsed_requirement(line)
        assert (read.name, read.markers, read.extras) == ("mlimage-builder", None, set())
        assert read.link is not None
        assert (read.link.url, read.link.filename) == (found.url, found.filename)
        assert read.hash_options == {"sha256": [HEX]}
