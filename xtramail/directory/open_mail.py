"""Mail of a user or a domain whose fate is open: it keeps them from being removed."""

from __future__ import annotations

from collections.abc import Callable

from xtramail.model.address import Address
from xtramail.model.errors import BadInput, NotPermitted
from xtramail.model.outcome import OPEN_FATES
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine, Snapshot


def open_mail(engine: Engine, domain: str, address_key: str = "") -> int:
    """Messages whose fate is open for a domain, or for one address in it."""
    return engine.read(keys.QUEUE, lambda snap: _waiting(snap, domain, address_key))


def refuse_while_open(domain: str, address_key: str = "") -> Callable[[Snapshot], None]:
    """For the transaction (scope QUEUE) that removes them: NotPermitted while mail has an open fate.

    Asked there, because mail goes on arriving while an administrator decides.
    """
    who = f"user {address_key}" if address_key else f"domain {domain}"

    def refuse(snap: Snapshot) -> None:
        waiting = _waiting(snap, domain, address_key)
        if waiting:
            raise NotPermitted(
                f"{who}: {waiting} messages still wait for the primary; "
                f"see: xtramail queue list, then deliver, bounce or wait"
            )
        # A sender must be there to be told what became of his mail, and his domain's smarthost to carry it.
        sent = _sent(snap, domain, address_key)
        if sent:
            raise NotPermitted(
                f"{who}: {sent} messages from it still wait to be handed on; "
                f"see: xtramail queue list, then retry, bounce or wait"
            )

    return refuse


def _waiting(snap: Snapshot, domain: str, address_key: str) -> int:
    return sum(
        any(
            recipient.fate in OPEN_FATES and address_key in ("", _key(recipient.address))
            for recipient in entry.recipients
        )
        for destination in (domain, *_apart(snap, domain))
        for entry in outbound.entries(snap, destination)
    )


def _apart(snap: Snapshot, domain: str) -> list[str]:
    """Under which mail for single addresses of a domain waits."""
    return [one for one in outbound.destinations(snap) if one.endswith(f"@{domain}")]


def _sent(snap: Snapshot, domain: str, address_key: str) -> int:
    senders = (_key(entry.reverse_path) for entry in outbound.entries(snap) if entry.reverse_path)
    if address_key:
        return sum(sender == address_key for sender in senders)
    return sum(sender.rpartition("@")[2] == domain for sender in senders)


def _key(address: str) -> str:
    try:
        return Address.parse(address).key
    except BadInput:
        # Accepted from the wire, but nothing that a user could be called.
        return address
