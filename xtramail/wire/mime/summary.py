"""From the scanned entity to ``model.message.Summary``.

Owns which field of the header becomes which fact. Rendering is ``envelope``'s and ``structure``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xtramail.model.message import Summary
from xtramail.wire.mime import limits
from xtramail.wire.mime.address_list import parse_addresses
from xtramail.wire.mime.charset import decode_unlabelled
from xtramail.wire.mime.dates import parse_date
from xtramail.wire.mime.entity import Entity
from xtramail.wire.mime.envelope import AddressRoom, render_envelope
from xtramail.wire.mime.structure import part_table, render_structures
from xtramail.wire.mime.text import TextCollector
from xtramail.wire.mime.words import decode_value, decode_words

_WITH_ADDRESSES = frozenset({b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"})
# RFC 5322 §3.6.4: msg-id = "<" id-left "@" id-right ">"; senders leave the @ out.
_message_ids = re.compile(rb"<[^<>]{1,998}>").finditer


def build_summary(root: Entity, text: TextCollector, *, size: int, opaque: bool) -> Summary:
    """All facts of the message ``root``, whose parts are closed and whose text is collected."""
    fields = root.fields
    room = AddressRoom(left=limits.ADDRESSES)
    authors = room.parse(fields, b"from")
    envelope = render_envelope(fields, room, authors)
    bodystructure, body = render_structures(root, room)
    parts = part_table(root)
    message_ids = _ids(fields.get(b"message-id"))
    date = fields.get(b"date")
    subject = fields.get(b"subject")
    return Summary(
        size=size,
        header_length=root.body_at,
        envelope=envelope,
        bodystructure=bodystructure,
        body=body,
        preview=text.preview(),
        message_id=message_ids[0] if message_ids else "",
        in_reply_to=_ids(fields.get(b"in-reply-to")),
        references=_ids(fields.get(b"references")),
        subject=decode_value(subject[0]) if subject else "",
        from_addresses=tuple(address.address for address in authors if address.host is not None),
        from_count=len(fields.get(b"from", ())),
        sent_at=parse_date(decode_unlabelled(date[0])) if date else None,
        has_date=date is not None,
        has_bcc=b"bcc" in fields,
        received_count=len(fields.get(b"received", ())),
        parts=parts,
        header_text=header_text(root.unfolded),
        search_text=text.search_text(),
        opaque=opaque,
        filenames=tuple(part.filename for part in parts[1:] if part.filename),
        field_count=len(root.unfolded),
    )


def header_text(unfolded: list[bytes]) -> str:
    """Decoded ``Name: value`` lines of an unfolded header.

    An address that comments or white space take apart follows once more in one piece: it is what the envelope says, and
    what SEARCH FROM has to find (RFC 3501 §6.4.4).
    """
    octets = b"\n".join(unfolded)
    if _is_apart(octets):
        unfolded = [*unfolded, *_in_one_piece(unfolded)]
        octets = b"\n".join(unfolded)
    if octets.isascii():
        text = octets.decode("ascii")
    else:
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError:
            text = "\n".join(map(decode_unlabelled, unfolded))
    if "=?" not in text:
        return text
    return "\n".join(decode_words(line) if "=?" in line else line for line in text.split("\n"))


def _is_apart(octets: bytes) -> bool:
    # A pattern would look at each octet on its own.
    return (
        b" @" in octets
        or b"@ " in octets
        or b")@" in octets
        or b"@(" in octets
        or b"\t@" in octets
        or b"@\t" in octets
    )


def _in_one_piece(unfolded: list[bytes]) -> Iterator[bytes]:
    for line in unfolded:
        name, _, value = line.partition(b":")
        if not _is_apart(value) or name.rstrip().lower() not in _WITH_ADDRESSES:
            continue
        for address in parse_addresses(value):
            if address.mailbox and address.host:
                yield b"%b: %b@%b" % (name, address.mailbox, address.host)


def _ids(values: list[bytes] | None) -> tuple[str, ...]:
    """The identifiers in a field, angle brackets kept; a bare word counts as one where brackets are missing."""
    if not values or not values[0]:
        return ()
    value = values[0]
    found: list[str] = []
    for match in _message_ids(value):
        found.append(decode_unlabelled(match[0]))
        if len(found) == limits.MESSAGE_IDS:
            break
    if not found and b"<" not in value:
        return (decode_unlabelled(value.split()[0][:998]),)
    return tuple(found)
