"""Senders of mail that is forwarded, rewritten and found again: the scheme (``srs``) with the store behind it.

Owns where a sender is kept that is too long. Which mail is forwarded, and what comes of a report, is ``delivery``'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.keyring import Keyring
from xtramail.directory.srs import DAYS, Srs, is_rewritten
from xtramail.model.address import Address
from xtramail.model.clock import Clock, day_of
from xtramail.model.errors import BadInput
from xtramail.store import keys, rewritten
from xtramail.store.engine import Engine, Txn, TxnFunction


@dataclass(frozen=True, slots=True)
class Rewritten:
    """``parts`` belong into the commit of what goes out under ``address``."""

    address: str
    parts: tuple[tuple[bytes, TxnFunction[None]], ...] = ()


class Rewriting:
    def __init__(self, *, engine: Engine, keyring: Keyring, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._srs = Srs(keyring)

    def rewrite(self, sender: Address, domain: str, at: float) -> Rewritten:
        """``sender`` as an address of ``domain`` (a domain key); ``at``: when its message came, seconds since 1970."""
        day = day_of(at)
        local = self._srs.rewritten(sender, day)
        if local is not None:
            return Rewritten(address=f"{local}@{domain}")
        local, held = self._srs.held(sender, day)
        forget = day_of(self._clock.now()) - DAYS - 1

        def keep(txn: Txn) -> None:
            rewritten.put_sender(txn, held.day, held.mark, str(sender), forget_before=forget)

        return Rewritten(address=f"{local}@{domain}", parts=((keys.domain_scope(domain), keep),))

    def has_form(self, address: Address) -> bool:
        """Whether it may be a rewritten sender, ours or another host's."""
        return is_rewritten(address.local)

    def sender(self, address: Address, domain: str) -> Address | None:
        """Whom ``address``, of ``domain`` (a domain key), stands for; None when it is forged or too old."""
        found = self._srs.sender(address.local, day_of(self._clock.now()))
        if found is None or isinstance(found, Address):
            return found
        kept = self._engine.read(
            keys.domain_scope(domain), lambda snap: rewritten.get_sender(snap, found.day, found.mark)
        )
        if kept is None or not self._srs.belongs(found.mark, kept):
            return None
        try:
            return Address.parse(kept)
        except BadInput:
            # As it came on the wire, and goes out again.
            local, _, host = kept.rpartition("@")
            return Address(local=local, domain=host)
