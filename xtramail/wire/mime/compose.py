"""The few messages and header lines we write ourselves: delivery reports, what submission adds, what must not leave.

Owns multipart/report (RFC 3462, RFC 3464) and edits on the octets of a header. Who gets a report, and when, is
``delivery/dsn``'s; clock and randomness are passed in as finished texts.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from email.header import Header
from typing import Final, Literal

from xtramail.wire.mime.dates import format_date
from xtramail.wire.mime.header import fields, header_end

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]

_REPORTED_HEADER_OCTETS: Final = 64 * 1024
"""A report quotes no more of the original header than this."""
_SEVEN_BIT: Final = bytes(octet if octet in (9, 10) or 32 <= octet < 127 else 63 for octet in range(256))
"""All other octets become question marks."""
_MOST_LINE: Final = 900
"""Characters of what others said in one line of ours: hosts refuse lines of more than 998 octets (RFC 5322 §2.1.1)."""
_BCC: Final = frozenset((b"bcc", b"resent-bcc"))


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """One per-recipient block of message/delivery-status (RFC 3464 §2.3)."""

    final_recipient: str
    action: Action
    status: str
    """Enhanced code such as ``5.1.1`` (RFC 3463)."""
    diagnostic: str = ""
    """What the remote host said, code included; goes out as ``smtp; ...``."""
    remote_mta: str = ""
    original_recipient: str = ""
    """ORCPT as the sender gave it, type included: ``rfc822;ann@example.org`` (RFC 3461 §4.2)."""
    last_attempt_at: float | None = None
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery status notification to be written."""

    reporting_mta: str
    """Host name of this server."""
    sender_address: str
    """Who the report is from, for people: ``postmaster@host``; its envelope's reverse-path is null all the same."""
    to: str
    subject: str
    text: str
    """What a person reads, without markup."""
    date: str
    """RFC 5322 date-time, see ``dates.format_date``."""
    message_id: str
    """``<...>``"""
    boundary: str
    recipients: Sequence[RecipientStatus]
    original_header: bytes
    """Header of the message reported on; returned as text/rfc822-headers (RFC 3462 §2)."""
    arrived_at: float | None = None
    envelope_id: str = ""
    """ENVID, already decoded (RFC 3461 §4.4)."""
    in_reply_to: str = ""
    """Message-ID of the message reported on."""


@dataclass(frozen=True, slots=True)
class Note:
    """A plain message of the server to people."""

    sender_address: str
    to: str
    subject: str
    text: str
    date: str
    """RFC 5322 date-time, see ``dates.format_date``."""
    message_id: str
    """``<...>``"""


def note(note: Note) -> bytes:
    """The whole message with CRLF line ends, 7-bit but for an address beyond ASCII; Auto-Submitted: auto-generated."""
    header = [
        f"From: xtramail <{_line(note.sender_address)}>",
        f"To: {_line(note.to)}",
        f"Subject: {_subject(note.subject)}",
        f"Date: {_line(note.date)}",
        f"Message-ID: {_line(note.message_id)}",
        # RFC 3834 §5: no vacation program answers it.
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ]
    return ("\n".join(header).encode("utf-8") + b"\n" + _text_part(note.text)).replace(b"\n", b"\r\n")


def delivery_report(report: Report) -> bytes:
    """The whole report with CRLF line ends, 7-bit: multipart/report of text, message/delivery-status and headers only.

    Auto-Submitted: auto-replied (RFC 3834 §5) keeps other machines from answering it. Line breaks in any field become
    spaces, so nothing the peer said can add a field.
    """
    boundary = _token(report.boundary)
    header = [
        f"From: Mail Delivery System <{_line(report.sender_address)}>",
        f"To: {_line(report.to)}",
        f"Subject: {_subject(report.subject)}",
        f"Date: {_line(report.date)}",
        f"Message-ID: {_line(report.message_id)}",
    ]
    # Half of a Message-ID would be another one.
    if 0 < len(report.in_reply_to) <= _MOST_LINE:
        header += [f"In-Reply-To: {_line(report.in_reply_to)}", f"References: {_line(report.in_reply_to)}"]
    header += [
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="{boundary}"',
    ]
    parts = [
        _text_part(report.text),
        b"Content-Type: message/delivery-status\n\n" + _status_text(report).encode("ascii", "replace"),
        b"Content-Type: text/rfc822-headers\n\n" + _quoted_header(report.original_header),
    ]
    delimiter = b"\n--" + boundary.encode("ascii")
    body = b"".join(delimiter + b"\n" + part for part in parts)
    # RFC 6532: the only field that can hold more than ASCII is the address of somebody who receives UTF-8.
    return ("\n".join(header).encode("utf-8") + b"\n" + body + delimiter + b"--\n").replace(b"\n", b"\r\n")


def _subject(text: str) -> str:
    text = _line(text)
    return text if text.isascii() else Header(text, "utf-8", header_name="Subject").encode(linesep="\n")


def _text_part(text: str) -> bytes:
    """The text in UTF-8, quoted-printable if it needs that to be 7-bit and of short lines (RFC 2045 §6.7)."""
    octets = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").rstrip(b"\n") + b"\n"
    octets = octets.replace(b"\0", b"")
    if octets.isascii() and max(map(len, octets.split(b"\n"))) <= 998:
        return b"Content-Type: text/plain; charset=us-ascii\n\n" + octets
    return (
        b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
        + binascii.b2a_qp(octets, istext=True)
    )


def _status_text(report: Report) -> str:
    blocks = [[f"Reporting-MTA: dns; {_line(report.reporting_mta)}"]]
    if report.envelope_id:
        blocks[0].insert(0, f"Original-Envelope-Id: {_line(report.envelope_id)}")
    if report.arrived_at is not None:
        blocks[0].append(f"Arrival-Date: {format_date(report.arrived_at)}")
    for recipient in report.recipients:
        block = []
        if recipient.original_recipient:
            block.append(f"Original-Recipient: {_seven_bit(_line(recipient.original_recipient))}")
        # RFC 6533 §3: an address beyond ASCII has a type of its own; in 7-bit text it is written with \x{...}.
        address = _line(recipient.final_recipient)
        kind = "rfc822" if address.isascii() else "utf-8"
        block.append(f"Final-Recipient: {kind}; {_seven_bit(address)}")
        block.append(f"Action: {recipient.action}")
        block.append(f"Status: {_line(recipient.status)}")
        if recipient.remote_mta:
            block.append(f"Remote-MTA: dns; {_line(recipient.remote_mta)}")
        if recipient.diagnostic:
            block.append(f"Diagnostic-Code: smtp; {_line(recipient.diagnostic)}")
        if recipient.last_attempt_at is not None:
            block.append(f"Last-Attempt-Date: {format_date(recipient.last_attempt_at)}")
        blocks.append(block)
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _seven_bit(address: str) -> str:
    return "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in address)[:_MOST_LINE]


def _quoted_header(header: bytes) -> bytes:
    """The original header, one line end, ASCII only: a report must pass hosts without 8BITMIME."""
    header = header[: header_end(header)][:_REPORTED_HEADER_OCTETS].replace(b"\r\n", b"\n").replace(b"\r", b"")
    lines = [line[:_MOST_LINE] for line in header.rstrip(b"\n").split(b"\n")]
    return b"\n".join(lines).translate(_SEVEN_BIT) + b"\n"


def _line(text: str) -> str:
    """One line, and no endless one: control characters become spaces."""
    return "".join(c if c.isprintable() else " " for c in text[: 2 * _MOST_LINE]).strip()[:_MOST_LINE]


def _token(text: str) -> str:
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in "=_.-"))[:70]


def add_missing(header: bytes, *, date: str, message_id: str) -> bytes:
    """Lines to put before ``header``: Date and Message-ID where it has none (RFC 6409 §8.1, §8.2), else nothing.

    ``date`` is an RFC 5322 date-time, ``message_id`` is ``<...>``. An empty field counts as present.
    """
    present = {field.name for field in fields(header, most=len(header) + 1)}
    lines = b""
    if b"date" not in present:
        lines += b"Date: %b\r\n" % date.encode("ascii")
    if b"message-id" not in present:
        lines += b"Message-ID: %b\r\n" % message_id.encode("ascii")
    return lines


def without_bcc(header: bytes) -> bytes:
    """``header`` without its Bcc and Resent-Bcc fields (RFC 5322 §3.6.3), every other octet as it was."""
    kept: list[bytes] = []
    end = 0
    for field in fields(header, most=len(header) + 1):
        if field.start > end:
            kept.append(header[end : field.start])
        if field.name not in _BCC:
            kept.append(header[field.start : field.end])
        end = field.end
    kept.append(header[end:])
    return b"".join(kept)
