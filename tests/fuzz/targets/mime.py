"""Messages of any octets: what is derived of them, and what must pass through octet for octet."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from random import Random

from tests.corpus import messages
from tests.fuzz.running_clock import RunningClock
from tests.fuzz.target import Target, pieces
from tests.imap_grammar import check
from tests.imap_world import World
from tests.pop3_world import Pop3World
from tests.wire.imap.dialogue import EVERYTHING
from xtramail.wire.dkim.canonical import BodyHash
from xtramail.wire.dkim.signature import covered, signed_octets
from xtramail.wire.mime import limits
from xtramail.wire.mime.address_list import parse_addresses, read_addresses
from xtramail.wire.mime.binary_parts import BinaryParts
from xtramail.wire.mime.charset import decode, decode_unlabelled
from xtramail.wire.mime.compose import add_missing, without_bcc
from xtramail.wire.mime.dates import parse_date
from xtramail.wire.mime.header import _select_slowly, fields, header_end, select_fields, unfold
from xtramail.wire.mime.html_text import html_to_text
from xtramail.wire.mime.journal_report import JournalReader
from xtramail.wire.mime.parameters import (
    parse_content_type,
    parse_disposition,
    raw_parameter,
    text_parameter,
    without_comments,
)
from xtramail.wire.mime.quoted_printable import decode_quoted_printable
from xtramail.wire.mime.scanner import Scanner, summarise
from xtramail.wire.mime.text import decode_transfer
from xtramail.wire.mime.words import decode_value, decode_words

_HEADER = (
    b"Received: from a by b; Thu, 5 Nov 2026 10:00:00 +0100\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@b\xc3\xbc.example>\r\n"
    b'To: "A, B" <a@b.example>, team: c@d.example, e@f;, <@r1,@r2:g@h> (com(ment))\r\nSubject: '
    b"=?iso-8859-1?B?5PY=?=\r\n"
    b" =?utf-8?q?_x?= folded\r\n\tagain\r\nDate: Thu, 5 Nov 2026 10:00:00 +0100 (CET)\r\nMessage-ID: <m@b.example>\r\n"
    b"References: <r1@x> <r2@x>\r\nIn-Reply-To: <r2@x>\r\nCc: ann@example.org (Ann)\r\nBcc: x@y\r\n"
    b"MIME-Version: 1.0\r\n"
)
_SEEDS = (
    _HEADER + b'Content-Type: multipart/mixed; boundary="b b"\r\n\r\n'
    b"pre\r\n--b b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n\xc3\x9fe\r\n--b b\r\nContent-Type: "
    b"multipart/alternative; "
    b"boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>a &amp; b<!-- x "
    b"--><script>y</script>&#xe4;\r\n"
    b"--b--\r\n--b b\r\nContent-Type: application/pdf; name*0*=utf-8'en'%C3%A4; name*1=x.pdf\r\n"
    b"Content-Disposition: attachment;"
    b' filename="=?utf-8?q?=C3=A4?=.pdf"\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <c@x>\r\n'
    b"Content-Language: de, en\r\n"
    b"\r\nAAAA\r\nBBB=\r\n--b b--\r\nepilogue\r\n",
    _HEADER
    + b"Content-Type: message/rfc822\r\n\r\n"
    + _HEADER
    + b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n"
    b"From: x@y\r\n\r\nbody\r\n--d\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
    b"\r\nAAAA\r\n--d--\r\n",
    _HEADER
    + b"Content-Type: text/html; charset=windows-1252\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+eDwvYj4=\r\n",
    _HEADER.replace(b"\r\n", b"\n") + b"\nplain\n.\n\n--b\n",
    _HEADER
    + b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\r\n\n\r\xff",
    _HEADER + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00--x\r\n--x--",
)
_WORDS = (
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n--b\r\n",
    b"\r\n--b--\r\n",
    b"--b b",
    b"Content-Type: multipart/mixed; boundary=",
    b"boundary=b",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: message/global\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: binary\r\n",
    b"=?utf-8?q?",
    b"?=",
    b"=?utf-8?b?",
    b"=?x-unknown?q?a?=",
    b"=?utf-7?q?+AOQ-?=",
    b"=?hz?b?fn4=?=",
    b"=?idna?q?xn--?=",
    b"=?punycode?q?a-?=",
    b"=?unicode_escape?q?=5Cud800?=",
    b"=?utf-16?b?AA==?=",
    b"charset=utf-7",
    b"charset=iso-2022-jp",
    b"charset=raw_unicode_escape",
    b"charset=zlib_codec",
    b'charset=""',
    b"name*0*=",
    b"name*=utf-8''%",
    b"*1=",
    b"((((",
    b"))))",
    b"\\",
    b'"',
    b"<",
    b">",
    b"@",
    b":",
    b";",
    b",",
    b"&#",
    b"&#x110000;",
    b"&#99999999;",
    b"&amp",
    b"<!--",
    b"-->",
    b"<script>",
    b"</",
    b"=\r\n",
    b"=C3",
    b"=",
    b"From ",
    b"Date: Thu, 99 Xxx 0000 99:99",
    b"Content-Type: multipart/digest; boundary=d\r\n",
    b"Content-Disposition: attachment; filename*=",
    b"Content-Language: ",
    b"To: ",
    b"Subject: ",
    b"References: ",
    b"Message-ID: ",
    b"Received: ",
    b": \r\n",
    b"\x1b$B",
    b"\xef\xbb\xbf",
    b"=?",
    b"_?=",
)


def _message(octets: bytes, rng: Random) -> Iterator[None]:
    """What is derived does not depend on cuts, has the form of answers, and lies within the message."""
    whole = summarise(octets)
    yield
    scanner = Scanner()
    for piece in pieces(octets, rng):
        scanner.feed(piece)
    assert scanner.finish() == whole
    check(b"* 1 FETCH (ENVELOPE %b BODYSTRUCTURE %b BODY %b)\r\n" % (whole.envelope, whole.bodystructure, whole.body))
    assert whole.size == len(octets)
    for part in whole.parts:
        assert 0 <= part.mime_at and 0 <= part.body_at <= part.body_at + part.body_length <= len(octets)
        assert part.mime_at + part.mime_length <= len(octets) and part.inner_header_length <= part.body_length
    assert len({part.path for part in whole.parts}) == len(whole.parts)
    for text in (whole.preview, whole.subject, whole.search_text, whole.header_text, *whole.filenames):
        text.encode()
    assert len(whole.preview) <= limits.PREVIEW_CHARACTERS
    assert len(whole.search_text.encode()) <= limits.TEXT_OCTETS
    header = octets[: header_end(octets)]
    yield
    for names in ((b"from", b"TO", b"subject"), (b"x",), (b"",)):
        for exclude in (False, True):
            wanted = frozenset(name.lower() for name in names if name)
            selected = select_fields(header, names, exclude=exclude)
            assert selected == _select_slowly(header, wanted, exclude=exclude)
    yield


def _parts(octets: bytes, rng: Random) -> Iterator[None]:
    """Every decoder gives text that can be kept, and headers that are changed stay whole."""
    header = octets[: header_end(octets)]
    lines = unfold(header)
    yield
    for value in [line.partition(b":")[2] for line in lines[:20]] + [octets[:20_000]]:
        _value(value)
        yield
    for encoding in (b"quoted-printable", b"base64", b"x"):
        decode_transfer(octets, encoding)
    assert isinstance(decode_quoted_printable(octets), bytes)
    yield
    charset = octets[:20].decode("latin-1")
    for name in (charset, "utf-7", "iso-2022-jp", "hz", "utf-16", "gb18030", "unicode_escape", "idna"):
        decode(octets, name).encode()
        yield
    text = decode_unlabelled(octets)
    html_to_text(text).encode()
    yield
    assert b"".join([header[one.start : one.end] for one in fields(header, most=len(header) + 1)] or [b""]) in header
    assert len(without_bcc(header)) <= len(header)
    add_missing(header, date="x", message_id="<y>")
    signed_octets(header, covered(header), b"DKIM-Signature: b=")
    yield
    digests = [BodyHash(), BodyHash()]
    digests[0].write(octets)
    for piece in pieces(octets, rng):
        digests[1].write(piece)
    assert digests[0].digest() == digests[1].digest()
    yield


def _value(value: bytes) -> None:
    decode_value(value).encode()
    decode_words(value.decode("latin-1")).encode()
    parse_date(value.decode("latin-1"))
    for one in (*parse_addresses(value), *read_addresses(value)[0]):
        one.address.encode("utf-8", "surrogateescape") if isinstance(one.address, str) else one.address
    without_comments(value)
    content, disposition = parse_content_type(value), parse_disposition(value)
    for parameters in (content[2] if content else [], disposition[1] if disposition else []):
        for name in (b"boundary", b"charset", b"name", b"filename"):
            raw_parameter(parameters, name)
            text_parameter(parameters, name).encode()


def _journal(octets: bytes, rng: Random) -> Iterator[None]:
    """A report is read the same however it is cut; what is none passes octet for octet."""
    whole = JournalReader()
    taken = whole.feed(octets) + whole.finish()
    yield
    cut = JournalReader()
    out = b""
    for piece in pieces(octets, rng):
        out += cut.feed(piece)
        yield
    out += cut.finish()
    assert (whole.envelope, taken) == (cut.envelope, out)
    assert taken in octets if whole.envelope else taken == octets


def _binary(octets: bytes, rng: Random) -> Iterator[None]:
    """It is rewritten the same however it is cut, and without a binary part nothing is."""
    whole = BinaryParts()
    taken = whole.feed(octets) + whole.finish()
    yield
    cut = BinaryParts()
    out = b""
    for piece in pieces(octets, rng):
        out += cut.feed(piece)
        yield
    assert out + cut.finish() == taken
    if b"binary" not in octets.lower():
        assert taken == octets


def _mailbox(octets: bytes, rng: Random) -> Iterator[None]:
    """Whatever was kept is served octet for octet, in every way that a client may ask."""
    world = World(capabilities=EVERYTHING, reactor=RunningClock())
    world.deliver(octets)
    client = world.client()
    client.say("SELECT INBOX")
    for command in _QUESTIONS:
        client.send(f"t {command}\r\n".encode())
        yield
        yield from world.reactor.turns()
        heard = client.heard()
        check(heard.encode("latin-1"))
        assert "SERVERBUG" not in heard, (command, heard)
        yield
    client.send(b"t FETCH 1 (RFC822.SIZE BODY.PEEK[])\r\n")
    assert octets.decode("latin-1") in client.heard()
    client.lose()


_QUESTIONS = (
    "FETCH 1 (ENVELOPE BODYSTRUCTURE BODY PREVIEW)",
    "FETCH 1 (BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME])",
    "FETCH 1 (BODY.PEEK[1.HEADER] BODY.PEEK[1.1.TEXT])",
    "FETCH 1 (BODY.PEEK[HEADER.FIELDS (To Subject)] BODY.PEEK[1.HEADER.FIELDS.NOT (To)] BODY.PEEK[2.1]<3.5>)",
    "FETCH 1 (BINARY.PEEK[1])",
    "FETCH 1 (BINARY.PEEK[2]<1.7> BINARY.SIZE[2])",
    "FETCH 1 BINARY.PEEK[1.1]",
    "SEARCH OR TEXT a BODY b",
    "SEARCH SUBJECT x FROM a HEADER message-id m SENTSINCE 1-Jan-2000",
    "SORT (DATE FROM TO CC SUBJECT SIZE) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "THREAD ORDEREDSUBJECT UTF-8 ALL",
)


def _maildrop(octets: bytes, rng: Random) -> Iterator[None]:
    """RETR ends where its end is, and has as many octets as LIST says."""
    world = Pop3World(reactor=RunningClock())
    world.deliver(octets)
    client = world.pop3()
    size = int(client.say("LIST 1").split()[2])
    yield
    client.send(b"RETR 1\r\n")
    status, _, text = client.heard().partition(b"\r\n")
    assert status.startswith(b"+OK") and b"\r\n.\r\n" not in (b"\r\n" + text)[:-5]
    message = (b"\r\n" + text.removesuffix(b".\r\n")).replace(b"\r\n.", b"\r\n")[2:]
    assert len(message) == size, (len(message), size)
    yield
    for lines in (0, 3):
        client.send(b"TOP 1 %d\r\n" % lines)
        top = client.heard().partition(b"\r\n")[2].removesuffix(b".\r\n")
        assert text.startswith(top)
        yield
    assert not world.bugs
    client.lose()


_REPORT = b64decode(
    b"RnJvbTogcEBjLmV4YW1wbGUNClRvOiBqQGMuZXhhbXBsZQ0KQ29udGVudC1UeXBlOiBtdWx0aXBhcnQvbWl4ZWQ7IGJvdW5kYXJ5PSJCIg0KDQo="
) + (
    b"pre\r\n--B\r\nContent-Type: text/plain\r\n\r\nSender: ann@c.example\r\nTo: bob@c.example, Expanded: "
    b"s@c.example\r\n"
    b"Bcc: d@c.example\r\n\r\n--B\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b\r\nContent-Type: "
    b"multipart/mixed; boundary=B1\r\n"
    b"\r\n--B1\r\n\r\none\r\n--B1--\r\n\r\n--B--\r\n"
)

_LARGE = tuple(message for message in messages(60, seed=5) if len(message) < 5000)[:12]

MIME = (
    Target(name="mime", play=_message, seeds=_SEEDS + _LARGE, words=_WORDS, runs=600),
    Target(name="mime-parts", play=_parts, seeds=_SEEDS + _LARGE[:4], words=_WORDS, runs=400),
    Target(name="mime-mailbox", play=_mailbox, seeds=_SEEDS, words=_WORDS, runs=80),
    Target(name="mime-maildrop", play=_maildrop, seeds=_SEEDS, words=_WORDS, runs=80),
    Target(
        name="journal",
        play=_journal,
        seeds=(_REPORT, *_SEEDS[:2]),
        words=(
            *_WORDS[:10],
            b"Sender: ",
            b"To: <",
            b"Recipient: ",
            b"\r\n--B\r\n",
            b"\r\n--B",
            b"--",
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n",
        ),
        runs=400,
    ),
    Target(name="binary-parts", play=_binary, seeds=_SEEDS, words=_WORDS, runs=400),
)
