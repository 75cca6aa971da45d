"""Mail of a user or a domain whose fate is open: it keeps them from being removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from xtramail.directory.places import destinations_of, domain_of
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
    return lambda snap: OpenMail(snap).refuse(domain, address_key)


class OpenMail:
    """The whole queue looked through once, for who removes many."""

    def __init__(self, snap: Snapshot) -> None:
        self._waiting: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        """Messages by domain, and by ``Address.key``."""
        for entry in outbound.entries(snap):
            open_for = {_key(one.address) for one in entry.recipients if one.fate in OPEN_FATES}
            if open_for:
                self._waiting.update({*open_for, domain_of(entry.destination)})
            if entry.reverse_path:
                sender = _key(entry.reverse_path)
                self._sent.update((sender, sender.rpartition("@")[2]))

    def refuse(self, domain: str, address_key: str = "") -> None:
        """NotPermitted while mail of a domain, or of one address in it, has an open fate."""
        who = f"user {address_key}" if address_key else f"domain {domain}"
        waiting = self._waiting[address_key or domain]
        if waiting:
            raise NotPermitted(
                f"{who}: {waiting} messages still wait for the primary; "
                f"see: xtramail queue list, then deliver, bounce or wait"
            )
        # A sender must be there to be told what became of his mail, and his domain's smarthost to carry it.
        sent = self._sent[address_key or domain]
        if sent:
            raise NotPermitted(
                f"{who}: {sent} messages from it still wait to be handed on; "
                f"see: xtramail queue list, then retry, bounce or wait"
            )


def _waiting(snap: Snapshot, domain: str, address_key: str) -> int:
    return sum(
        any(
            recipient.fate in OPEN_FATES and address_key in ("", _key(recipient.address))
            for recipient in entry.recipients
        )
        for destination in destinations_of(snap, domain)
        for entry in outbound.entries(snap, destination)
    )


def _key(address: str) -> str:
    try:
        return Address.parse(address).key
    except BadInput:
        # Accepted from the wire, but nothing that a user could be called.
        return address
