"""Parts marked binary become base64, and nothing else of a message changes."""

from __future__ import annotations

from base64 import b64decode, encodebytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.mime import limits, summarise
from xtramail.wire.mime.binary_parts import BinaryParts

OCTETS = b"\0\r\n\n--c\r\n" + bytes(range(256)) * 3 + b"\r\n"
TEXT = b"Content-Type: text/plain\r\n\r\n--bb\r\nhello\r\n"
BINARY = b"Content-Type: image/png\r\nContent-Transfer-Encoding: BINARY\r\nX-A: b\r\n\r\n"
BASE64 = BINARY.replace(b" BINARY", b" base64")


def rewritten(message: bytes, cuts: list[int] | None = None) -> bytes:
    parts, start, given = BinaryParts(), 0, b""
    for cut in sorted({min(cut, len(message)) for cut in cuts or []}):
        given += parts.feed(message[start:cut])
        start = cut
    return given + parts.feed(message[start:]) + parts.finish()


def multipart(*parts: bytes, boundary: bytes = b"b", encoding: bytes = b"8bit", kind: bytes = b"mixed") -> bytes:
    head = b"Content-Transfer-Encoding: " + encoding + b"\r\nContent-Type: multipart/" + kind
    inside = b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts)
    return head + b"; boundary=" + boundary + b"\r\n\r\npreamble" + inside + b"\r\n--" + boundary + b"--\r\nepilogue\0"


def encoded(octets: bytes) -> bytes:
    return encodebytes(octets).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


def test_a_message_of_one_binary_part() -> None:
    assert rewritten(BINARY + OCTETS) == BASE64 + encoded(OCTETS) + b"\r\n"


def test_parts_of_a_multipart_and_what_is_around_them() -> None:
    before = multipart(TEXT, BINARY + OCTETS, TEXT, encoding=b"binary")
    after = multipart(TEXT, BASE64 + encoded(OCTETS), TEXT)
    assert rewritten(before) == after


def test_parts_within_parts_and_messages_within_messages() -> None:
    def nested(part: bytes, encoding: bytes) -> bytes:
        message = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\nFrom: a\r\n"
        inner = message + multipart(part, TEXT, boundary=b"bb", encoding=encoding)
        return multipart(inner, part, encoding=encoding)

    assert rewritten(nested(BINARY + OCTETS, b"binary")) == nested(BASE64 + encoded(OCTETS), b"8bit")


def test_a_digest_holds_messages_though_none_says_so() -> None:
    before = multipart(b"\r\n" + BINARY + OCTETS, kind=b"digest")
    assert rewritten(before) == multipart(b"\r\n" + BASE64 + encoded(OCTETS), kind=b"digest")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"Subject: x",
        b"Subject: x\r\n\r\n",
        TEXT + b"\0",
        BINARY,
        multipart(TEXT, TEXT, kind=b"alternative"),
        multipart(TEXT, b"Content-Type: text/plain\r\nno end of the header"),
        b"X: " + b"x" * limits.HEADER_OCTETS + b"\r\n" + BINARY + OCTETS,
    ],
)
def test_nothing_else_changes(message: bytes) -> None:
    kept = message.replace(b"BINARY", b"base64") if message == BINARY else message
    assert rewritten(message) == kept


def test_a_header_that_never_ends_swallows_no_sibling() -> None:
    before = multipart(b"Content-Transfer-Encoding: binary", BINARY + OCTETS)
    assert rewritten(before) == multipart(b"Content-Transfer-Encoding: base64", BASE64 + encoded(OCTETS))


_PIECE = st.sampled_from(
    [b"--b", b"--b--", b"--bb", b"--bb--", b"\r\n", b"\n", b"\r", b"-", b"\0", b" ", b"text", BINARY, TEXT, b"x" * 1030]
    + [b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", b"Content-Type: multipart/digest; boundary=bb\r\n\r\n"]
    + [b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n", b"\r\n--b\r\n", b"\r\n--bb\r\n"]
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(_PIECE, max_size=14), st.lists(st.integers(0, 3000), max_size=12))
def test_however_the_octets_are_cut(pieces: list[bytes], cuts: list[int]) -> None:
    message = b"".join(pieces)
    assert rewritten(message, cuts) == rewritten(message) == rewritten(message, list(range(len(message))))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(_PIECE, max_size=14))
def test_the_parts_are_those_that_were_there_and_hold_the_same_octets(pieces: list[bytes]) -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(pieces)
    stored = rewritten(message)
    before, after = summarise(message), summarise(stored)
    assert [part.path for part in before.parts] == [part.path for part in after.parts]
    for old, new in zip(before.parts, after.parts, strict=True):
        inside = stored[new.body_at : new.body_at + new.body_length]
        if old.encoding == "binary" and new.encoding == "base64":
            assert b64decode(inside) == message[old.body_at : old.body_at + old.body_length]
        else:
            assert new.encoding == ("8bit" if old.encoding == "binary" else old.encoding)
