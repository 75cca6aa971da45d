"""What a part's header says about it, and what stands in where it says nothing."""

from __future__ import annotations

import pytest

from xtramail.wire.mime.entity import Entity, Kind


def entity(header: bytes, *, in_digest: bool = False) -> Entity:
    found = Entity(header_at=0, is_message=False, in_digest=in_digest)
    found.read_header(header)
    return found


@pytest.mark.parametrize(
    ("header", "content_type", "charset", "encoding"),
    [
        (b"", "text/plain", "us-ascii", b"7bit"),
        (b"Content-Type: text/html; charset=UTF-8\r\n", "text/html", "utf-8", b"7bit"),
        (b"Content-Type: image/png\r\nContent-Transfer-Encoding: BASE64\r\n", "image/png", "", b"base64"),
        (b"Content-Type: nonsense; charset=utf-8\r\n", "text/plain", "us-ascii", b"7bit"),
        (b"Content-Transfer-Encoding: \r\n", "text/plain", "us-ascii", b"7bit"),
        (b"Content-Type: multipart/mixed\r\n", "text/plain", "us-ascii", b"7bit"),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n", "text/plain", "us-ascii", b"7bit"),
    ],
)
def test_type_charset_and_encoding(header: bytes, content_type: str, charset: str, encoding: bytes) -> None:
    found = entity(header)
    assert (found.content_type, found.charset, found.encoding) == (content_type, charset, encoding)


def test_the_default_in_a_digest_is_a_message_only_where_nothing_is_said() -> None:
    assert entity(b"", in_digest=True).kind is Kind.MESSAGE
    assert entity(b"Content-Type: broken\r\n", in_digest=True).kind is Kind.LEAF


def test_a_boundary_loses_the_spaces_behind_it() -> None:
    assert entity(b'Content-Type: multipart/mixed; boundary="b  "\r\n').boundary == b"b"


def test_a_boundary_without_end_is_none() -> None:
    assert entity(b"Content-Type: multipart/mixed; boundary=" + b"b" * 5000 + b"\r\n").kind is Kind.LEAF


def test_the_name_of_the_disposition_comes_first() -> None:
    both = b"Content-Type: a/b; name=type.txt\r\nContent-Disposition: attachment; filename=disposition.txt\r\n"
    assert entity(both).filename == "disposition.txt"
    assert entity(b"Content-Type: a/b; name=type.txt\r\n").filename == "type.txt"


def test_a_file_name_is_one_line_of_bounded_length() -> None:
    header = b"Content-Disposition: attachment; filename*=utf-8''a%0D%0Ab%00" + b"c" * 1000 + b"\r\n"
    assert entity(header).filename == ("ab" + "c" * 1000)[:255]
