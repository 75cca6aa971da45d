"""Trace lines: what we write on top of each message, and what earlier hops wrote that makes a loop.

Owns Return-Path and Received (RFC 5321 §4.4). Does not own the message below them: its octets are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from xtramail.model.address import Address, key_of
from xtramail.model.envelope import ReversePath
from xtramail.model.ids import MessageId, id_text
from xtramail.model.message import Summary
from xtramail.model.peer import Peer

MAX_HOPS = 100
"""RFC 5321 §6.3 wants at least 100."""
MAX_OWN_HOPS = 3
"""A message may come through us more than once (in for one domain, forwarded by its primary to another)."""
SIGNATURE = "(xtramail)"
DELIVERED_TO = "delivered-to"
# What a peer says of itself must not close a comment or begin a field.
_unsafe = re.compile(r"[^A-Za-z0-9\-.:\[\] _]").sub


def return_path(reverse_path: ReversePath) -> bytes:
    """The one Return-Path line of a stored message (RFC 5321 §4.4), CRLF included."""
    address = "" if reverse_path.address is None else str(reverse_path.address)
    return f"Return-Path: <{address}>\r\n".encode()


def protocol(peer: Peer, *, authenticated: bool, smtputf8: bool, lmtp: bool = False) -> str:
    """The ``with`` keyword (RFC 3848; RFC 6531 §4.3 for the UTF8 forms)."""
    if not peer.esmtp:
        return "SMTP"
    if lmtp:
        name = "UTF8LMTP" if smtputf8 else "LMTP"
    else:
        name = "UTF8SMTP" if smtputf8 else "ESMTP"
    return name + ("S" if peer.tls else "") + ("A" if authenticated else "")


def received(
    *,
    peer: Peer,
    hostname: str,
    message_id: MessageId,
    at: float,
    recipients: Collection[Address],
    authenticated: bool,
    smtputf8: bool,
    lmtp: bool = False,
) -> bytes:
    """Our Received field (RFC 5321 §4.4), folded, CRLF included; ``at`` in seconds since 1970.

    ``for`` is left out with several recipients: it would tell each of them of the others (RFC 5321 §7.2).
    """
    keyword = protocol(peer, authenticated=authenticated, smtputf8=smtputf8, lmtp=lmtp)
    by = f"\tby {hostname} {SIGNATURE} with {keyword}"
    lines = [f"Received: from {_helo(peer)} ({_literal(peer)})", by]
    if peer.tls:
        lines.append(f"\t({_safe(peer.tls)})")
    lines.append(f"\tid {id_text(message_id)}")
    if len(recipients) == 1:
        lines.append(f"\tfor <{next(iter(recipients))}>")
    lines[-1] += ";"
    lines.append("\t" + date_time(at))
    return "".join(line + "\r\n" for line in lines).encode()


def date_time(at: float) -> str:
    """RFC 5322 §3.3 date-time in UTC."""
    return _second(int(at))


@lru_cache(maxsize=16)
def _second(at: int) -> str:
    # Mail comes many to the second: without this 1 % of a message.
    return format_datetime(datetime.fromtimestamp(at, tz=UTC))


def own_hops(received_fields: Collection[str], hostname: str, recipients: Collection[Address]) -> int:
    """How often we wrote one of these Received fields for one of these recipients (or did not say for whom)."""
    names = list(_own(received_fields, hostname))
    ours = {key_of(str(recipient)) for recipient in recipients} if names else set()
    return sum(name is None or name in ours for name in names)


def _own(received_fields: Collection[str], hostname: str) -> Iterator[str | None]:
    """For whom (as a key) each of these Received fields is that we wrote; None where it does not say so."""
    signature, mark = SIGNATURE.lower(), f"by {hostname} {SIGNATURE} with ".lower()
    for value in received_fields:
        # Nearly all were written by others; white space within them is put right only where it may be ours.
        if signature not in value.lower():
            continue
        text = " ".join(value.split())
        if mark in text.lower():
            _, named, rest = text.partition(" for <")
            # A quoted local part may hold a bracket; the date behind it holds none.
            yield key_of(rest.rpartition(">")[0]) if named else None


def looped(
    summary: Summary,
    hostname: str,
    recipients: Collection[Address],
    *,
    forwarded: Collection[str] = (),
    most: int,
) -> bool:
    """Whether a message is going in circles (RFC 5321 §6.3): ``most`` Received fields, or ours too often.

    ``summary`` with our own Received on top, which does not count. ``forwarded``: addresses whose mail we send on; what
    bears the mark of one has been sent on already, and comes back.
    """
    if summary.received_count - 1 > most:
        return True
    marks = {key_of(one) for one in set(forwarded)}
    if marks and any(key_of(value) in marks for value in _values(summary, DELIVERED_TO)):
        return True
    return _own_hops_below(summary, hostname, recipients) >= MAX_OWN_HOPS


def passed_before(summary: Summary, hostname: str, recipients: Collection[Address]) -> bool:
    """Whether we wrote a Received field for one of these recipients before; ``summary`` as for :func:`looped`."""
    return bool(recipients) and _own_hops_below(summary, hostname, recipients) > 0


def _own_hops_below(summary: Summary, hostname: str, recipients: Collection[Address]) -> int:
    """:func:`own_hops` below our own Received on top."""
    if summary.header_text.lower().count(SIGNATURE) < 2:
        # Nearly every message of the world ends here.
        return 0
    return own_hops(_values(summary, "received")[1:], hostname, recipients)


def delivered_to(forwarder: str) -> bytes:
    """The mark on top of what is sent on for an address, CRLF included: by it what comes back is known."""
    return f"Delivered-To: {forwarder}\r\n".encode()


def _values(summary: Summary, field: str) -> list[str]:
    """Of every field of that name; our own Received comes first."""
    return [
        value for line in summary.header_text.split("\n")
        for name, _, value in (line.partition(":"),) if name.strip().lower() == field
    ]  # fmt: skip


def _helo(peer: Peer) -> str:
    return _safe(peer.helo) or "unknown"


def _literal(peer: Peer) -> str:
    # RFC 5321 §4.1.3
    if not peer.address:
        return "local socket"
    return f"[IPv6:{peer.address}]" if ":" in peer.address else f"[{peer.address}]"


def _safe(text: str) -> str:
    return _unsafe("?", text[:255])
