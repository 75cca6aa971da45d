"""Any charset gives text; names that are none reach no codec."""

from __future__ import annotations

import encodings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.mime.charset import codec_name, decode


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        ("utf-8", "é".encode(), "é"),
        ("UTF8", "é".encode(), "é"),
        ("us-ascii", "é".encode(), "é"),
        ("us-ascii", b"\xe9", "é"),
        ("iso-8859-1", b"\xe9", "é"),
        ("Windows-1252", b"\x80", "€"),
        ("GB2312", "中文".encode("gb18030"), "中文"),
        ("ks_c_5601-1987", "한국".encode("cp949"), "한국"),
        ("koi8-r", "мир".encode("koi8-r"), "мир"),
        ("shift_jis", "日本".encode("shift_jis"), "日本"),
        ("iso-8859-8-i", "שלום".encode("iso8859-8"), "שלום"),
        ("utf-7", b"+AOk-", "é"),
        ("macintosh", b"\x8e", "é"),
        ("utf-8", b"\xff", "\ufffd"),
        ("nonsense", b"\x81", "\x81"),
    ],
)  # fmt: skip
def test_decoding(charset: str, octets: bytes, text: str) -> None:
    assert decode(octets, charset) == text


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "base64", "zlib", "hex", "rot13", "unicode-escape", "raw_unicode_escape", "undefined", "mbcs",
     "../../etc/passwd", "a" * 1000, "", "aliases"],
)  # fmt: skip
def test_what_is_no_charset_has_no_codec(charset: str) -> None:
    assert codec_name(charset) is None


def test_unknown_names_do_not_grow_memory() -> None:
    # The interpreter keeps every name it was ever asked for.
    before = len(encodings._cache)  # type: ignore[attr-defined]
    for number in range(100):
        decode(b"x", f"x-made-up-{number}")
    assert len(encodings._cache) == before  # type: ignore[attr-defined]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.sampled_from(["utf-7", "utf-16", "hz", "iso-2022-kr", "big5", "utf-8", "us-ascii"]))
def test_any_octets_give_text_that_is_utf_8(octets: bytes, charset: str) -> None:
    decode(octets, charset).encode("utf-8")
