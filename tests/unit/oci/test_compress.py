import gzip
import random
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.errors import BuildError
from mlimage.oci.compress import ZSTANDARD, Compressor, check_answer, codec_of, compress, known_input
from mlimage.oci.tar import CHUNK
from mlimage.plan.model import Compression

CONTENT = known_input()
DECOMPRESS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.decompress,
    Compression.ZSTD: lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
    Compression.NONE: bytes,
}


def test_the_gzip_header_has_no_time_no_name_and_no_system() -> None:
    assert compress(b"", codec_of(Compression.GZIP))[:10] == bytes.fromhex("1f8b08000000000000ff")


@pytest.mark.parametrize("compression", Compression)
@given(seed=st.integers(), longest=st.sampled_from([300, 70_000, CHUNK, 3 * CHUNK]))
@settings(max_examples=15, deadline=None)
def test_the_bytes_do_not_depend_on_the_pieces(compression: Compression, seed: int, longest: int) -> None:
    content = CONTENT[: 2 * CHUNK + 12345] if longest > 300 else CONTENT[:20_000]
    choose = random.Random(seed)  # noqa: S311 - no secret
    compressor = Compressor(codec_of(compression))
    result = b""
    start = 0
    while start < len(content):
        stop = start + choose.randint(0, longest)
        result += compressor.write(content[start:stop])
        start = stop
    result += compressor.finish()
    assert result == compress(content, codec_of(compression))
    assert DECOMPRESS[compression](result) == content


@pytest.mark.parametrize(
    ("compression", "name", "suffix"),
    [
        (Compression.GZIP, "igzip-2", "+gzip"),
        (Compression.ZSTD, "zstd-3", "+zstd"),
        (Compression.NONE, "none", ""),
    ],
)
def test_ids_and_media_types(compression: Compression, name: str, suffix: str) -> None:
    codec = codec_of(compression)
    assert (codec.id, codec.media_type) == (name, f"application/vnd.oci.image.layer.v1.tar{suffix}")


def test_a_compressor_that_makes_other_bytes_is_an_error() -> None:
    with pytest.raises(BuildError) as caught:
        check_answer(replace(codec_of(Compression.GZIP), answer="0" * 64))
    assert str(caught.value) == (
        "compressor `igzip-2` makes other bytes here than everywhere else: "
        "its known answer is 000000000000…, and it gave 2b6d5b8d5745…"
    )


def test_zstd_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    codec_of.cache_clear()
    with pytest.raises(BuildError) as caught:
        codec_of(Compression.ZSTD)
    assert str(caught.value) == "layers in zstd need the python package `zstandard`"
    assert caught.value.hint == f"type `pip install {ZSTANDARD}`"
