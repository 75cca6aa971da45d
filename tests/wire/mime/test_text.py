"""Text parts are decoded, in order, to the limit and no further."""

from __future__ import annotations

import base64
import email
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import corpus
from xtramail.wire.mime import limits, summarise
from xtramail.wire.mime.text import TextCollector, decode_transfer


@pytest.mark.parametrize(
    ("encoded", "encoding", "octets"),
    [
        (b"aGVsbG8=", b"base64", b"hello"),
        (b"aGVs\r\nbG8=\r\n", b"base64", b"hello"),
        (b"aGVsbG8", b"base64", b"hello"),
        (b"aGVsbG8gd29ybGQ", b"base64", b"hello world"),
        (b"aGVsb!!G8=", b"base64", b"hello"),
        (b"a", b"base64", b""),
        (b"", b"base64", b""),
        (b"h=C3=A9 =\r\nx=3D", b"quoted-printable", "hé x=".encode()),
        (b"bad =ZZ =", b"quoted-printable", b"bad =ZZ "),
        (b"as it is", b"7bit", b"as it is"),
        (b"as it is", b"x-uuencode", b"as it is"),
    ],
)  # fmt: skip
def test_transfer_encoding(encoded: bytes, encoding: bytes, octets: bytes) -> None:
    assert decode_transfer(encoded, encoding) == octets


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=120), st.integers(0, 200))
def test_base64_cut_anywhere_gives_a_beginning(octets: bytes, cut: int) -> None:
    decoded = decode_transfer(base64.encodebytes(octets)[:cut], b"base64")
    assert octets.startswith(decoded) and len(decoded) >= min(len(octets), cut * 3 // 4 - 5)


def test_text_of_real_messages_is_that_of_the_standard_library() -> None:
    for message in corpus.messages(60, seed=7):
        found = summarise(message).search_text
        for part in email.message_from_bytes(message).walk():
            if part.get_content_type() == "text/plain" and not part.is_multipart():
                octets = part.get_payload(decode=True)
                assert isinstance(octets, bytes)
                # The decoder of quoted-printable that the library uses keeps LF where we keep CRLF.
                text = octets.decode(part.get_content_charset("utf-8")).replace("\r\n", "\n").strip()
                assert text[:100_000] in found.replace("\r\n", "\n")


def test_file_names_and_headers_of_forwards_are_searched_too() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: =?utf-8?q?caf=C3=A9?=\r\nFrom: eve@example.org\r\n\r\ninner\r\n--b\r\n"
        b"Content-Type: image/png\r\nContent-Disposition: attachment; filename=cat.png\r\n\r\nxx\r\n--b--\r\n"
    )
    text = summarise(message).search_text
    for word in ("café", "eve@example.org", "inner", "cat.png"):
        assert word in text
    assert "xx" not in text


def test_text_ends_at_the_limit_in_octets_not_in_a_character() -> None:
    message = b"Content-Type: text/plain; charset=utf-8\r\n\r\nx" + "é".encode() * limits.TEXT_OCTETS
    text = summarise(message).search_text
    assert limits.TEXT_OCTETS - 2 <= len(text.encode()) <= limits.TEXT_OCTETS
    assert text.strip("é") == "x"


def test_many_parts_together_end_at_the_limit() -> None:
    collector = TextCollector()
    for _ in range(10):
        collector.hold(b"x" * 50_000)
        collector.end_part(encoding=b"7bit", charset="us-ascii", subtype=b"plain", is_attachment=False)
    assert len(collector.search_text()) <= limits.TEXT_OCTETS
    assert not collector.wants_more


@pytest.mark.parametrize(
    ("body", "preview"),
    [
        (b"Content-Type: text/plain\r\n\r\n  Hello,\r\n\r\n  world \r\n", "Hello, world"),
        (b"Content-Type: text/html\r\n\r\n<p>Hello <b>you</b></p>", "Hello you"),
        (b"Content-Type: image/png\r\n\r\nxx", ""),
        (b"Content-Type: text/plain\r\n\r\n" + b"word " * 1000, ("word " * 40).strip()),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\nfile\r\n"
         b"--b\r\nContent-Type: text/html\r\n\r\n<p>seen\r\n--b--", "seen"),
    ],
)  # fmt: skip
def test_preview(body: bytes, preview: str) -> None:
    assert summarise(body).preview == preview


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00="), max_size=60))
def test_quoted_printable_is_read_as_written(text: str) -> None:
    encoded = quopri.encodestring(text.encode())
    assert decode_transfer(encoded, b"quoted-printable") == quopri.decodestring(encoded)
