"""Reads fields back out of a stored ENVELOPE (RFC 3501 §7.4.2): what SORT and THREAD order by, without the header.

Owns finding values in syntax that ``wire/mime`` wrote; it is never a client's, so it is believed to be well-formed.
"""

from __future__ import annotations

import re

DATE, SUBJECT, FROM, TO, CC = 0, 1, 2, 5, 6
"""Positions in an envelope."""

_MAILBOX = 2
"""Position in an address: name, route, mailbox, host."""

_QUOTED = re.compile(rb'"([^"\\]*)"')
_RUN = re.compile(rb'[^"\\]*')
_LITERAL = re.compile(rb"\{([0-9]{1,10})\}\r\n")


def envelope_text(envelope: bytes, field: int) -> bytes:
    """The octets of a text field; empty when it is NIL."""
    at = _field_at(envelope, field)
    return _string(envelope, at)[0] if at else b""


def first_mailbox(envelope: bytes, field: int) -> bytes:
    """addr-mailbox of the first address of a field; empty when there is none."""
    at = _field_at(envelope, field)
    if not envelope.startswith(b"((", at):
        return b""
    at += 2
    for _ in range(_MAILBOX):
        at = _string(envelope, at)[1] + 1
    return _string(envelope, at)[0]


def _field_at(envelope: bytes, field: int) -> int:
    """Where the field begins; 0 when the envelope is cut short."""
    at = 1
    for _ in range(field):
        at = _value_end(envelope, at) + 1
    return at if at < len(envelope) else 0


def _value_end(envelope: bytes, at: int) -> int:
    """Behind a string, NIL or a list."""
    depth = 0
    end = len(envelope)
    while at < end:
        octet = envelope[at : at + 1]
        if octet == b"(":
            depth += 1
            at += 1
        elif octet == b")":
            depth -= 1
            at += 1
        elif octet == b" ":
            at += 1
            continue
        else:
            at = _string(envelope, at)[1]
        if depth <= 0:
            return at
    return end


def _string(envelope: bytes, at: int) -> tuple[bytes, int]:
    """A string or NIL (empty), and where it ends."""
    plain = _QUOTED.match(envelope, at)
    if plain is not None:
        return plain[1], plain.end()
    literal = _LITERAL.match(envelope, at)
    if literal is not None:
        end = literal.end() + int(literal[1])
        return envelope[literal.end() : end], end
    if not envelope.startswith(b'"', at):
        return b"", at + 3
    pieces: list[bytes] = []
    at += 1
    while at < len(envelope):
        run = _RUN.match(envelope, at)
        if run is not None:
            pieces.append(run.group())
            at = run.end()
        if not envelope.startswith(b"\\", at):
            break
        pieces.append(envelope[at + 1 : at + 2])
        at += 2
    return b"".join(pieces), at + 1
