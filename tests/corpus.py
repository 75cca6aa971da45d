"""Realistic messages for tests and benchmarks: shapes that real clients send, sizes log-normal with a mean of 25 KB.

``messages(count, seed)`` gives the same octets on every machine. All have CRLF line ends and a last CRLF.
"""

from __future__ import annotations

import base64
import math
import quopri
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.header import Header

MEAN_OCTETS = 25_000
_SIGMA = 1.2
_LARGEST = 4 * 1024 * 1024

_WORDS = (
    "the of and to a in is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were all her she there would their we him been has when who will no more if out so up said what its about "
    "than into them can only other time new some could these two may first then do any like my now over such our man "
    "invoice meeting Tuesday contract delivery quarter budget server invitation ticket holiday project attached please "
    "regards thanks update review schedule customer price offer order number address report question answer deadline"
).split()
_FOREIGN = "Grüße für die Änderung über Straße naïve café façade señor año übermäßig Köln Zürich smörgåsbord".split()
_PEOPLE = (
    ("Ann Archer", "ann"), ("Bob Baker", "bob"), ("Chloé Dubois", "chloe.dubois"), ("Jürgen Müller", "j.mueller"),
    ("Dr. Eve O'Hara", "eve"), ("Facturación", "facturacion"), ("山田太郎", "yamada"), ("", "noreply"),
    ("Smith, John (Sales)", "john.smith"), ("Support Team", "support+4711"),
)  # fmt: skip
_DOMAINS = ("example.org", "example.com", "mail.example.net", "firm.example", "lists.example.edu")
_AGENTS = (
    "Microsoft Outlook 16.0", "Apple Mail (2.3826.300.87.4.3)", "Mozilla Thunderbird", "K-9 Mail", "Mutt/2.2"
)  # fmt: skip
_TAGS = ("p", "div", "td", "span", "b", "li", "a")


class _Writer:
    """One message being written."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.serial = rng.getrandbits(48)

    def words(self, octets: int, *, foreign: float = 0.0) -> str:
        rng = self.rng
        block = rng.choices(_WORDS, k=max(4, min(octets // 5, 300)))
        if foreign:
            block = [rng.choice(_FOREIGN) if rng.random() < foreign else word for word in block]
        text = " ".join(block)
        repeated = [text] * max(1, octets // (len(text) + 1))
        return ". ".join(repeated)

    def plain(self, octets: int, *, foreign: float = 0.0) -> str:
        text = self.words(octets, foreign=foreign)
        lines, at = [], 0
        while at < len(text):
            cut = text.find(" ", at + 66)
            cut = len(text) if cut < 0 else cut
            lines.append(text[at:cut])
            at = cut + 1
            if len(lines) % 7 == 0:
                lines.append("")
        return "\r\n".join(lines) + "\r\n-- \r\nSent by a person\r\n"

    def html(self, octets: int, *, foreign: float = 0.0) -> str:
        rng = self.rng
        pieces = [
            '<!DOCTYPE html><html><head><meta charset="utf-8"><style>p { margin: 0; color: #333 }</style></head><body>'
        ]
        length = 0
        while length < octets:
            tag = rng.choice(_TAGS)
            style = ' style="font-family: Calibri, sans-serif; font-size: 11pt"' if rng.random() < 0.5 else ""
            piece = f"<{tag}{style}>{self.words(rng.randint(40, 300), foreign=foreign)} &amp; more&nbsp;</{tag}>\r\n"
            pieces.append(piece)
            length += len(piece)
        pieces.append("</body></html>\r\n")
        return "".join(pieces)

    def attachment(self, octets: int) -> bytes:
        return base64.encodebytes(self.rng.randbytes(max(1, octets * 3 // 4))).replace(b"\n", b"\r\n")

    def boundary(self) -> str:
        self.serial += 1
        return self.rng.choice(
            (
                f"----=_NextPart_000_{self.serial & 0xFFFF:04X}_01DC4E{self.serial & 0xFF:02X}.9A5B3C20",
                f"Apple-Mail=_{self.serial:012X}-5D0B-4D8E-9F7A",
                f"------------{self.serial:024x}",
                f"_000_{self.serial:016x}examplecom_",
                f"b1_{self.serial:020x}",
            )
        )

    def address(self) -> str:
        name, local = self.rng.choice(_PEOPLE)
        spec = f"{local}@{self.rng.choice(_DOMAINS)}"
        if not name:
            return spec
        if not name.isascii():
            return f"{Header(name, 'utf-8', maxlinelen=200).encode()} <{spec}>"
        quoted = any(c in ".,()'" for c in name) or self.rng.random() < 0.3
        return f'"{name}" <{spec}>' if quoted else f"{name} <{spec}>"

    def header(self, *content: str) -> bytes:
        rng = self.rng
        sent = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(300 * 86400))
        date = sent.strftime("%a, %d %b %Y %H:%M:%S ") + rng.choice(("+0000", "+0100", "-0700", "+0530 (IST)"))
        message_id = f"<{self.serial:012x}.{rng.getrandbits(32):08x}@{rng.choice(_DOMAINS)}>"
        lines = []
        for hop in range(rng.randint(1, 4)):
            lines.append(
                f"Received: from mail{hop}.example.net (mail{hop}.example.net [192.0.2.{rng.randint(1, 254)}])\r\n"
                f"\tby mx.example.org (Postfix) with ESMTPS id {rng.getrandbits(40):010X}\r\n"
                f"\tfor <ann@example.org>; {date}"
            )
        if rng.random() < 0.7:
            signature = base64.b64encode(rng.randbytes(128)).decode()
            lines.append(
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=k1;\r\n"
                "\th=from:to:subject:date:message-id:mime-version:content-type;\r\n"
                f"\tbh={base64.b64encode(rng.randbytes(32)).decode()};\r\n\tb={signature[:70]}\r\n\t {signature[70:]}"
            )
            lines.append("Authentication-Results: mx.example.org; dkim=pass header.d=example.net; spf=pass")
        subject = self.words(40, foreign=rng.choice((0.0, 0.0, 0.3)))[: rng.randint(10, 90)]
        if not subject.isascii():
            subject = Header(subject, "utf-8", maxlinelen=70, header_name="Subject").encode(linesep="\r\n")
        lines.append(f"From: {self.address()}")
        lines.append("To: " + ",\r\n\t".join(self.address() for _ in range(rng.choice((1, 1, 1, 2, 3, 8)))))
        if rng.random() < 0.3:
            lines.append("Cc: " + ", ".join(self.address() for _ in range(rng.randint(1, 4))))
        lines.append(f"Subject: {rng.choice(('', '', 'Re: ', 'Fwd: '))}{subject}")
        lines.append(f"Date: {date}")
        lines.append(f"Message-ID: {message_id}")
        if rng.random() < 0.5:
            parents = [f"<{rng.getrandbits(64):016x}@{rng.choice(_DOMAINS)}>" for _ in range(rng.randint(1, 6))]
            lines.append(f"In-Reply-To: {parents[-1]}")
            lines.append("References: " + "\r\n ".join(parents))
        lines.append(f"X-Mailer: {rng.choice(_AGENTS)}")
        lines.append("MIME-Version: 1.0")
        lines.extend(content)
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def _entity(fields: str, body: bytes) -> bytes:
    return fields.encode("utf-8") + b"\r\n\r\n" + body


def _multipart(boundary: str, *parts: bytes, preamble: bytes = b"") -> bytes:
    delimiter = b"--" + boundary.encode("ascii")
    return preamble + b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def _quoted_printable(text: str) -> bytes:
    octets = quopri.encodestring(text.replace("\r\n", "\n").encode("utf-8"))
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _text_part(writer: _Writer, octets: int) -> bytes:
    return _entity(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
        _quoted_printable(writer.plain(octets, foreign=0.05)),
    )


def _html_part(writer: _Writer, octets: int) -> bytes:
    return _entity(
        'Content-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable',
        _quoted_printable(writer.html(octets, foreign=0.05)),
    )


def _alternative(writer: _Writer, octets: int) -> tuple[str, bytes]:
    boundary = writer.boundary()
    body = _multipart(boundary, _text_part(writer, octets // 4), _html_part(writer, octets * 2 // 3))
    return f'Content-Type: multipart/alternative;\r\n\tboundary="{boundary}"', body


def plain(writer: _Writer, octets: int) -> bytes:
    return writer.header("Content-Type: text/plain; charset=us-ascii") + writer.plain(octets).encode("ascii")


def plain_8bit(writer: _Writer, octets: int) -> bytes:
    header = writer.header("Content-Type: text/plain; charset=utf-8; format=flowed", "Content-Transfer-Encoding: 8bit")
    return header + writer.plain(octets, foreign=0.1).encode("utf-8")


def plain_base64(writer: _Writer, octets: int) -> bytes:
    header = writer.header('Content-Type: text/plain; charset="iso-8859-1"', "Content-Transfer-Encoding: base64")
    text = writer.plain(octets * 3 // 4, foreign=0.1).encode("latin-1")
    return header + base64.encodebytes(text).replace(b"\n", b"\r\n")


def html_only(writer: _Writer, octets: int) -> bytes:
    header = writer.header('Content-Type: text/html; charset="utf-8"', "Content-Transfer-Encoding: quoted-printable")
    return header + _quoted_printable(writer.html(octets, foreign=0.02))


def alternative(writer: _Writer, octets: int) -> bytes:
    field, body = _alternative(writer, octets)
    return writer.header(field) + body


def mixed(writer: _Writer, octets: int) -> bytes:
    """Text with one to three attachments, names as Outlook, Apple and browsers write them."""
    boundary = writer.boundary()
    field, body = _alternative(writer, min(octets // 4, 12_000))
    parts = [_entity(field, body)]
    count = writer.rng.randint(1, 3)
    for number in range(count):
        name, kind = writer.rng.choice(
            (
                ('filename="Report 2026.pdf"', "application/pdf; name=\"Report 2026.pdf\""),
                ("filename*=utf-8''%C3%9Cbersicht.xlsx", "application/vnd.ms-excel"),
                ('filename="=?utf-8?B?UsOpc3Vtw6kuZG9jeA==?="', "application/msword"),
                ("filename*0*=utf-8''A%20very%20long%20;\r\n filename*1=\"name.zip\"", "application/zip"),
            )
        )
        fields = f"Content-Type: {kind}\r\nContent-Disposition: attachment; {name}\r\nContent-Transfer-Encoding: base64"
        parts.append(_entity(fields, writer.attachment((octets - octets // 4) // count - number)))
    preamble = b"This is a multi-part message in MIME format.\r\n" if writer.rng.random() < 0.5 else b""
    return writer.header(f'Content-Type: multipart/mixed; boundary="{boundary}"') + _multipart(
        boundary, *parts, preamble=preamble
    )


def related(writer: _Writer, octets: int) -> bytes:
    """HTML with inline pictures."""
    outer, inner = writer.boundary(), writer.boundary()
    picture = (
        "Content-Type: image/png; name=image001.png\r\nContent-ID: <image001.png@01DC>\r\n"
        "Content-Transfer-Encoding: base64"
    )
    body = _multipart(inner, _html_part(writer, octets // 4), _entity(picture, writer.attachment(octets // 2)))
    field = f'Content-Type: multipart/related; type="text/html"; boundary="{inner}"'
    parts = (_text_part(writer, octets // 8), _entity(field, body))
    return writer.header(f"Content-Type: multipart/alternative; boundary={outer}") + _multipart(outer, *parts)


def forwarded(writer: _Writer, octets: int) -> bytes:
    boundary = writer.boundary()
    parts = (_text_part(writer, 300), _entity("Content-Type: message/rfc822", alternative(writer, octets)))
    return writer.header(f'Content-Type: multipart/mixed; boundary="{boundary}"') + _multipart(boundary, *parts)


def digest(writer: _Writer, octets: int) -> bytes:
    boundary = writer.boundary()
    parts = [b"\r\n" + plain(writer, octets // 5) for _ in range(4)]
    return writer.header(f'Content-Type: multipart/digest; boundary="{boundary}"') + _multipart(boundary, *parts)


def invitation(writer: _Writer, octets: int) -> bytes:
    boundary = writer.boundary()
    calendar = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    parts = (
        _text_part(writer, octets // 3),
        _html_part(writer, octets // 2),
        _entity("Content-Type: text/calendar; charset=utf-8; method=REQUEST", calendar.encode()),
    )
    return writer.header(f'Content-Type: multipart/alternative; boundary="{boundary}"') + _multipart(boundary, *parts)


def signed(writer: _Writer, octets: int) -> bytes:
    boundary = writer.boundary()
    kind = 'multipart/signed; micalg=sha-256; protocol="application/pkcs7-signature"'
    field = f'Content-Type: {kind};\r\n boundary="{boundary}"'
    signature = (
        "Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename=smime.p7s"
    )
    inner, body = _alternative(writer, octets - 4000)
    parts = (_entity(inner, body), _entity(signature, writer.attachment(4000)))
    return writer.header(field) + _multipart(boundary, *parts)


def report(writer: _Writer, octets: int) -> bytes:
    boundary = writer.boundary()
    status = "Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; bob@example.com\r\nStatus: 5.1.1\r\n"
    parts = (
        _entity("Content-Type: text/plain; charset=us-ascii", b"The mail system could not deliver your message.\r\n"),
        _entity("Content-Type: message/delivery-status", status.encode()),
        _entity("Content-Type: text/rfc822-headers", writer.header()),
    )
    field = f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"'
    return writer.header(field) + _multipart(boundary, *parts)


SHAPES: tuple[tuple[Callable[[_Writer, int], bytes], int], ...] = (
    (plain, 14), (plain_8bit, 8), (plain_base64, 3), (html_only, 12), (alternative, 30), (mixed, 14), (related, 7),
    (forwarded, 3), (digest, 1), (invitation, 3), (signed, 3), (report, 2),
)  # fmt: skip


def messages(count: int, seed: int = 1) -> Iterator[bytes]:
    """``count`` messages, the same for the same seed, each different."""
    rng = random.Random(seed)
    shapes = [shape for shape, _ in SHAPES]
    weights = [weight for _, weight in SHAPES]
    mu = math.log(MEAN_OCTETS) - _SIGMA**2 / 2
    for _ in range(count):
        shape = rng.choices(shapes, weights)[0]
        octets = int(min(rng.lognormvariate(mu, _SIGMA), _LARGEST))
        yield shape(_Writer(rng), max(octets - 1500, 100))


def message(octets: int, seed: int = 1, shape: Callable[[_Writer, int], bytes] = mixed) -> bytes:
    """One message of about ``octets`` octets and the given shape."""
    return shape(_Writer(random.Random(seed)), octets)
