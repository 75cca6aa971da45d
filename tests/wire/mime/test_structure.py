"""BODYSTRUCTURE and BODY octet for octet, for the shapes that clients look at."""

from __future__ import annotations

import pytest

from tests import corpus
from tests.wire.mime.imap_reader import check_body, read_imap
from xtramail.wire.mime import summarise


def structure(text: str) -> bytes:
    return summarise(text.replace("\n", "\r\n").encode()).bodystructure


GOLDEN = {
    "no header at all": ("\nhello\n", b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 1 NIL NIL NIL NIL)'),
    "invalid type": (
        "Content-Type: text\n\nx\n", b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1 NIL NIL NIL NIL)',
    ),
    "charset missing": (
        "Content-Type: text/html; format=x\n\nx",
        b'("text" "html" ("charset" "us-ascii" "format" "x") NIL NIL "7bit" 1 1 NIL NIL NIL NIL)',
    ),
    "everything": (
        'Content-Type: TEXT/X-Thing; charset="UTF-8"\nContent-Transfer-Encoding: 8BIT\nContent-ID: <a@b>\n'
        "Content-Description: A thing\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n"
        'Content-Disposition: Inline; filename="a \\"b\\".txt"; size=5\nContent-Language: en, de\n'
        "Content-Location: http://x.test/\n\nx\n",
        b'("text" "x-thing" ("charset" "UTF-8") "<a@b>" "A thing" "8bit" 3 1 "Q2hlY2sgSW50ZWdyaXR5IQ==" '
        b'("inline" ("filename" "a \\"b\\".txt" "size" "5")) ("en" "de") "http://x.test/")',
    ),
    "no lines for pictures": (
        "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n",
        b'("image" "png" NIL NIL NIL "base64" 6 NIL NIL NIL NIL)',
    ),
    "alternative": (
        'Content-Type: multipart/alternative; boundary="b"\n\n--b\n\none\n--b\nContent-Type: text/html\n\n<p>\n--b--\n',
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1 NIL NIL NIL NIL)'
        b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 3 1 NIL NIL NIL NIL) '
        b'"alternative" ("boundary" "b") NIL NIL NIL)',
    ),
    "attachment with an extended name": (
        "Content-Type: application/pdf; name*0*=utf-8''%C3%A9; name*1=x.pdf\nContent-Disposition: attachment;\n"
        " filename*=utf-8''%C3%A9x.pdf\n\nAA",
        b'("application" "pdf" ("name*" "utf-8\'\'%C3%A9x.pdf") NIL NIL "7bit" 2 NIL '
        b'("attachment" ("filename*" "utf-8\'\'%C3%A9x.pdf")) NIL NIL)',
    ),
    "forward": (
        "Content-Type: message/rfc822\n\nSubject: in\nFrom: a@x\n\nhello\n",
        b'("message" "rfc822" NIL NIL NIL "7bit" 33 (NIL "in" ((NIL NIL "a" "x")) ((NIL NIL "a" "x")) '
        b'((NIL NIL "a" "x")) NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 1 '
        b"NIL NIL NIL NIL) 4 NIL NIL NIL NIL)",
    ),
    "digest": (
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nx\n--b--\n",
        b'(("message" "rfc822" NIL NIL NIL "7bit" 16 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) '
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) '
        b'"digest" ("boundary" "b") NIL NIL NIL)',
    ),
    "invitation": (
        "Content-Type: text/calendar; method=REQUEST; charset=utf-8\n\nBEGIN:VCALENDAR\n",
        b'("text" "calendar" ("method" "REQUEST" "charset" "utf-8") NIL NIL "7bit" 17 1 NIL NIL NIL NIL)',
    ),
    "8-bit name": (
        "Content-Type: image/png; name=\"é.png\"\n\nx",
        b'("image" "png" ("name" {6}\r\n\xc3\xa9.png) NIL NIL "7bit" 1 NIL NIL NIL NIL)',
    ),
    "no delimiter": (
        "Content-Type: multipart/mixed; boundary=b\n\nx\n",
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") '
        b"NIL NIL NIL)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_bodystructure(name: str) -> None:
    message, expected = GOLDEN[name]
    assert structure(message) == expected
    check_body(read_imap(expected), extended=True)


def test_body_is_the_same_without_extension() -> None:
    message = GOLDEN["alternative"][0].replace("\n", "\r\n").encode()
    assert summarise(message).body == (
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1)'
        b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 3 1) "alternative")'
    )


def test_real_messages_give_valid_structures() -> None:
    for message in corpus.messages(80, seed=11):
        summary = summarise(message)
        check_body(read_imap(summary.bodystructure), extended=True)
        check_body(read_imap(summary.body), extended=False)


def test_the_part_table_gives_each_part_its_own_header_and_body() -> None:
    message = GOLDEN["alternative"][0].replace("\n", "\r\n").encode()
    second = summarise(message).parts[2]
    assert second.path == (2,)
    assert message[second.mime_at :][: second.mime_length] == b"Content-Type: text/html\r\n\r\n"
    assert message[second.body_at :][: second.body_length] == b"<p>"


def test_part_1_of_a_forwarded_plain_message_has_the_inner_header() -> None:
    message = GOLDEN["forward"][0].replace("\n", "\r\n").encode()
    whole, forward, inner = summarise(message).parts
    assert [part.path for part in (whole, forward, inner)] == [(), (1,), (1, 1)]
    assert forward.body_at == inner.mime_at and forward.inner_header_length == inner.mime_length
    assert message[inner.body_at :] == b"hello\r\n"


@pytest.mark.parametrize(
    ("kind", "encoding"), [(b"rfc822", b"base64"), (b"global", b"base64"), (b"global", b"quoted-printable")]
)
def test_an_encoded_message_is_one_part_with_an_empty_envelope(kind: bytes, encoding: bytes) -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/" + kind
        + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\nU3ViamVjdDog\r\neA0KDQo=\r\n--b--\r\n"
    )  # fmt: skip
    summary = summarise(message)
    check_body(read_imap(summary.bodystructure), extended=True)
    assert summary.body.startswith(
        b'(("message" "' + kind + b'" NIL NIL NIL "' + encoding + b'" 22 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) '
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 2)'
    )
    assert [part.path for part in summary.parts] == [(), (1,)]


def test_a_message_called_quoted_printable_is_looked_into() -> None:
    head = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    message = head + b"Subject: x\r\n\r\nhi\r\n"
    assert [part.path for part in summarise(message).parts] == [(), (1,), (1, 1)]
