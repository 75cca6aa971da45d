"""ENVELOPE (RFC 9051 §7.5.2) and the parsed facts of one message header.

Owns which fields an envelope takes and how they default. Strings go in raw: unfolded, encoded words as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.wire.mime import limits
from xtramail.wire.mime.address_list import EnvelopeAddress, parse_addresses
from xtramail.wire.mime.imap_string import nstring, string

Fields = dict[bytes, list[bytes]]


@dataclass(slots=True)
class AddressRoom:
    """How many more addresses of this message are read; shared by all its headers."""

    left: int

    def parse(self, fields: Fields, name: bytes) -> list[EnvelopeAddress]:
        """All fields of that name as one list: senders repeat To and Cc against RFC 5322 §3.6."""
        found = fields.get(name)
        if found is None or self.left <= 0:
            return []
        value = found[0] if len(found) == 1 else b", ".join(found)
        addresses = parse_addresses(value, most=self.left)
        # Junk that yields no address is not free either.
        self.left -= max(len(addresses), len(value) // limits.ADDRESS_OCTETS)
        return addresses


def render_address(address: EnvelopeAddress) -> bytes:
    name, route, mailbox, host = address
    if name is None and route is None and mailbox is not None and host is not None:
        return b"(NIL NIL %b %b)" % (string(mailbox), string(host))
    return b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(mailbox), nstring(host))


def render_addresses(addresses: list[EnvelopeAddress]) -> bytes:
    return b"(%b)" % b"".join(map(render_address, addresses)) if addresses else b"NIL"


def render_envelope(fields: Fields, room: AddressRoom, sender_addresses: list[EnvelopeAddress] | None = None) -> bytes:
    """ENVELOPE of a message header. ``sender_addresses``: From already parsed, if the caller has it.

    A missing or empty Sender or Reply-To is From (RFC 9051 §7.5.2); a missing field is NIL, an empty one ``""``.
    """
    from_addresses = room.parse(fields, b"from") if sender_addresses is None else sender_addresses
    author = render_addresses(from_addresses)
    sender = room.parse(fields, b"sender") if b"sender" in fields else []
    reply_to = room.parse(fields, b"reply-to") if b"reply-to" in fields else []
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _text(fields, b"date"),
        _text(fields, b"subject"),
        author,
        render_addresses(sender) if sender else author,
        render_addresses(reply_to) if reply_to else author,
        render_addresses(room.parse(fields, b"to")),
        render_addresses(room.parse(fields, b"cc")),
        render_addresses(room.parse(fields, b"bcc")),
        _text(fields, b"in-reply-to"),
        _text(fields, b"message-id"),
    )


def _text(fields: Fields, name: bytes) -> bytes:
    found = fields.get(name)
    return b"NIL" if found is None else string(found[0])
