"""Journal reports: the envelope out of the text, the message inside octet for octet, in whatever pieces it comes."""

from __future__ import annotations

import time
from base64 import encodebytes

import pytest

from xtramail.wire.mime.journal_report import MOST_TEXT, JournalEnvelope, JournalReader

INNER = (
    b"From: Ann <ann@corp.example>\r\nTo: staff@corp.example\r\nMessage-ID: <j1@corp.example>\r\n"
    b'Content-Type: multipart/mixed; boundary="B1"\r\n\r\n--B1\r\n\r\none\r\n--B1--\r\n\r\nepilogue'
)
TEXT = (
    b"Sender: ann@corp.example\r\nSubject: Plans: To: nobody@x.example\r\nMessage-Id: <j1@corp.example>\r\n"
    b"To: bob@corp.example, Expanded: staff@corp.example\r\nCc: carl@corp.example\r\n"
    b"Bcc: dora@corp.example\r\nRecipient: eve@far.example, Forwarded: bob@corp.example\r\n"
)
ENVELOPE = JournalEnvelope(
    sender="ann@corp.example",
    recipients=("bob@corp.example", "carl@corp.example", "dora@corp.example", "eve@far.example"),
)


def report(
    *,
    text: bytes = TEXT,
    inner: bytes = INNER,
    boundary: bytes = b"B",
    first: bytes = b'Content-Type: text/plain; charset="us-ascii"\r\n\r\n',
    second: bytes = b"Content-Type: message/rfc822\r\n\r\n",
    end: bytes = b"--\r\n",
) -> bytes:
    return (
        b"From: postmaster@corp.example\r\nTo: journal@corp.example\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed;\r\n\tboundary="' + boundary + b'"\r\n\r\npreamble\r\n--' + boundary
        + b"\r\n" + first + text + b"\r\n--" + boundary + b"\r\n" + second + inner + b"\r\n--" + boundary + end
    )  # fmt: skip


def read(message: bytes, step: int) -> tuple[JournalEnvelope | None, bytes]:
    reader = JournalReader()
    pieces = [reader.feed(message[at : at + step]) for at in range(0, len(message), step)]
    pieces.append(reader.finish())
    assert reader.decided
    return reader.envelope, b"".join(pieces)


@pytest.mark.parametrize("step", [1, 2, 7, 64, 100_000])
def test_a_report_is_unwrapped(step: int) -> None:
    assert read(report(), step) == (ENVELOPE, INNER)


@pytest.mark.parametrize("step", [1, 13, 100_000])
def test_the_boundary_inside_may_begin_like_the_one_outside(step: int) -> None:
    assert read(report(boundary=b"B", inner=INNER + b"\r\n--B2\r\nx"), step)[1] == INNER + b"\r\n--B2\r\nx"


def test_a_report_that_is_cut_gives_what_there_is() -> None:
    whole = report()
    cut = whole[: whole.index(b"one")]
    assert read(cut, 5) == (ENVELOPE, INNER[: INNER.index(b"one")])


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        (b"quoted-printable", TEXT.replace(b"@corp", b"=40corp").replace(b", Expanded", b",=\r\n Expanded")),
        (b"base64", encodebytes(TEXT).replace(b"\n", b"\r\n")),
    ],
)
def test_the_text_may_be_encoded(encoding: bytes, text: bytes) -> None:
    first = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
    assert read(report(text=text, first=first), 50)[0] == ENVELOPE


def test_the_text_needs_no_header() -> None:
    assert read(report(first=b"\r\n"), 50) == (ENVELOPE, INNER)


def test_the_null_sender() -> None:
    found = read(report(text=TEXT.replace(b"ann@corp.example", b"<>", 1)), 50)[0]
    assert found is not None and found.sender == ""


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"no header at all",
        INNER,
        b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
        report(text=b"To: bob@corp.example\r\n"),
        report(text=b"Sender: ann@corp.example\r\n"),
        report(first=b"Content-Type: text/html\r\n\r\n"),
        report(second=b"Content-Type: text/plain\r\n\r\n"),
        report(second=b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
        report(text=TEXT + b"x" * MOST_TEXT),
    ],
)
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_what_is_no_report_is_passed_on_whole(message: bytes, step: int) -> None:
    assert read(message, step) == (None, message)


def test_a_large_report_is_passed_on_as_it_comes() -> None:
    reader = JournalReader()
    head, inner = report(inner=b"Subject: large\r\n\r\n"), b"y" * 100_000
    given = len(reader.feed(head[: head.index(b"Subject: large")]))
    for _ in range(20):
        given += len(reader.feed(inner))
    assert given > 19 * len(inner), "little is held back"


def test_a_report_in_single_octets_costs_what_its_length_does() -> None:
    def cost(octets: int) -> float:
        began = time.process_time()
        assert read(b"Subject: " + b"x" * octets, 1)[0] is None
        return time.process_time() - began

    few, many = (min(cost(octets) for _ in range(5)) for octets in (20_000, 160_000))
    assert many < 24 * few
