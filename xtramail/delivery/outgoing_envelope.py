"""The envelope with which a queue entry goes out: the recipients whose fate is open, in their order."""

from __future__ import annotations

from xtramail.model.address import Address
from xtramail.model.envelope import BodyType, Envelope, ForwardPath, ReversePath
from xtramail.model.errors import BadInput
from xtramail.model.outcome import OPEN_FATES
from xtramail.store.records import QueueEntry, QueueRecipient


def open_recipients(entry: QueueEntry) -> list[QueueRecipient]:
    """Those that the next attempt is about."""
    return [recipient for recipient in entry.recipients if recipient.fate in OPEN_FATES]


def to_primary(entry: QueueEntry) -> bool:
    """Whether it is given back: its host is the primary of a domain served here."""
    return entry.kind in ("primary", "sent")


def outgoing_envelope(entry: QueueEntry) -> Envelope:
    """One forward-path for each of :func:`open_recipients`; the sender as it was rewritten where it is forwarded."""
    sender = entry.sender or entry.reverse_path
    return Envelope(
        reverse_path=ReversePath(
            address=_address(sender) if sender else None,
            body=BodyType.EIGHT_BIT if entry.eightbit else BodyType.SEVEN_BIT,
            smtputf8=entry.smtputf8,
            ret=entry.ret or None,
            envid=entry.envid or None,
        ),
        forward_paths=tuple(
            ForwardPath(
                address=_address(recipient.address),
                notify=tuple(word for word in recipient.notify.split(",") if word),
                orcpt=recipient.orcpt or None,
            )
            for recipient in open_recipients(entry)
        ),
    )


def _address(text: str) -> Address:
    """What was accepted goes out again, also where people may not write it so (a local part of over 64 octets)."""
    try:
        return Address.parse(text)
    except BadInput:
        local, _, domain = text.rpartition("@")
        return Address(local=local, domain=domain)
