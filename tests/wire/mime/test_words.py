"""Encoded words become text, and nothing that only looks like one is harmed."""

from __future__ import annotations

from email.header import Header, decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.mime import limits
from xtramail.wire.mime.words import decode_value, decode_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 2047 §8
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
        # RFC 2231 §5
        (b"=?US-ASCII*EN?Q?Keith_Moore?= <m@x>", "Keith Moore <m@x>"),
        # A character cut in two by the sender
        (b"=?utf-8?Q?=C3?= =?utf-8?Q?=A9t=C3=A9?=", "été"),
        (b"=?utf-8?b?w6k?=", "é"),
        (b"=?utf-8?q?with space inside?=", "with space inside"),
        (b"=?iso-2022-jp?b?GyRCOzNFRBsoQg==?=", "山田"),
        (b"=?windows-1252?q?=80_=93x=94?=", "€ “x”"),
        (b"=?x-unknown?q?=C3=A9?=", "é"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        ("raw Ünïcode".encode(), "raw Ünïcode"),
        ("latin é".encode("latin-1"), "latin é"),
        (b"a =?= b ?= c", "a =?= b ?= c"),
        (b"=?utf-8?q?trailing_?=", "trailing "),
    ],
)  # fmt: skip
def test_value(value: bytes, text: str) -> None:
    assert decode_value(value) == text


def test_words_beyond_the_limit_stay() -> None:
    word = "=?a?q?x?="
    decoded = decode_words(word * (limits.ENCODED_WORDS + 1))
    assert decoded == "x" * limits.ENCODED_WORDS + word


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=60),
    st.sampled_from(["utf-8", "iso-8859-1", "iso-2022-jp", "koi8-r"]),
)
def test_what_the_standard_library_encodes_is_read_back(text: str, charset: str) -> None:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        charset = "utf-8"
    encoded = Header(text, charset).encode(linesep="").replace("\n", "")
    assert decode_words(encoded) == str(make_header(decode_header(encoded)))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["=?", "?=", "utf-8", "?q?", "?b?", "=C3", "=A9", " ", "é", "==="]), max_size=20))
def test_anything_gives_text_that_is_utf_8(pieces: list[str]) -> None:
    decode_value("".join(pieces).encode()).encode("utf-8")
