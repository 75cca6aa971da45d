"""Copies handed over by LMTP (RFC 2033): a local MTA keeps its MX and gives us a second of each message.

Owns who may hand them over, and an answer for each recipient. A copy is stored in mailboxes and nowhere else: nothing
is queued for the primary, which has the message, and no report is made of it.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from xtramail.delivery.acceptance import Acceptance, unavailable
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.intake import SENDER_OK, begin_spool
from xtramail.delivery.mirroring import mirroring
from xtramail.delivery.policy import NO_SUCH_USER, OVER_QUOTA, RELAY_DENIED, Policy, Questions, Route
from xtramail.delivery.spool import Spool
from xtramail.delivery.transaction import AnswersEach
from xtramail.directory.relay_clients import RelayClients
from xtramail.model.clock import Clock
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import XtramailError
from xtramail.model.ids import IdSource, MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store.engine import Engine

NOT_TRUSTED = Reply.of(550, "5.7.1", "No copies are taken from this address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lmtp:
    """What every transaction of one server shares."""

    engine: Engine
    policy: Policy
    acceptance: Acceptance
    clients: RelayClients
    clock: Clock
    ids: IdSource

    def begin(self, peer: Peer) -> LmtpTransaction:
        """From this machine for every domain; from elsewhere for those that ``peer`` may send for."""
        return LmtpTransaction(self, peer, None if _is_here(peer) else self.clients.domains_of(peer))


class LmtpTransaction(AnswersEach):
    """See ``transaction.MailTransaction``."""

    def __init__(self, lmtp: Lmtp, peer: Peer, domains: frozenset[str] | None) -> None:
        """``domains`` whose mail it may hand over; None: all."""
        self._lmtp = lmtp
        self._peer = peer
        self._domains = domains
        self._message_id = lmtp.ids.next()
        self._path = ReversePath(address=None)
        self._questions = Questions()
        self._taken: list[Route] = []
        """One for each RCPT that was taken, in their order; the same address may be there twice."""
        self._arrival: Arrival | None = None
        self._spool: Spool | None = None

    @property
    def message_id(self) -> MessageId:
        return self._message_id

    def mail_from(self, path: ReversePath) -> Reply:
        if self._domains is not None and not self._domains:
            return NOT_TRUSTED
        full = self._lmtp.policy.space()
        if full is not None:
            return full
        self._path = path
        return SENDER_OK

    def rcpt_to(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        # Whoever asked for a report gets it from the host that delivers; this is a copy.
        quiet = replace(path, notify=("NEVER",))
        verdict = self._lmtp.policy.recipient(
            quiet, size=self._path.size or 0, questions=self._questions, outside=False
        )
        return self._take(verdict) if isinstance(verdict, Route | Reply) else self._take_later(verdict)

    async def _take_later(self, verdict: Coroutine[Any, Any, Route | Reply]) -> Reply:
        return self._take(await verdict)

    def _take(self, verdict: Route | Reply) -> Reply:
        if isinstance(verdict, Reply):
            return verdict
        if self._domains is not None and (verdict.domain is None or verdict.domain.name not in self._domains):
            return RELAY_DENIED
        if not verdict.accounts:
            return NO_SUCH_USER
        self._taken.append(verdict)
        return Reply.of(250, "2.1.5", f"<{verdict.path.address}> ok")

    def chunk(self, octets: bytes) -> Pending[None] | None:
        _, spool = self._begun()
        return spool.write(octets)

    async def commit(self) -> Reply:
        arrival, spool = self._begun()
        lmtp = self._lmtp
        try:
            text = await spool.finish()
        except XtramailError as error:
            return self._all(lmtp.acceptance.refuse(arrival, unavailable(error), type(error).__name__))
        size = text.summary.size
        fitting = {route.path.address for route in self._taken if lmtp.policy.room(route, size)}
        if not fitting:
            return self._all(lmtp.acceptance.refuse(arrival, OVER_QUOTA, "quota"))
        kept = replace(arrival, routes=tuple(one for one in arrival.routes if one.path.address in fitting))
        reply = await lmtp.acceptance.commit(kept, text, sent=None, now=lmtp.clock.now())
        self.answers = tuple(reply if one.path.address in fitting else OVER_QUOTA for one in self._taken)
        return reply

    def abort(self) -> None:
        self._spool = None

    def _all(self, reply: Reply) -> Reply:
        self.answers = (reply,) * len(self._taken)
        return reply

    def _begun(self) -> tuple[Arrival, Spool]:
        """At the first octet the buckets are chosen, once: midnight may pass before the last one."""
        if self._arrival is None or self._spool is None:
            lmtp = self._lmtp
            by_address = {route.path.address: replace(route, relay=False, forwards=()) for route in self._taken}
            arrival = Arrival(
                message_id=self._message_id,
                at=lmtp.clock.now(),
                peer=self._peer,
                reverse_path=self._path,
                routes=tuple(by_address.values()),
                origin="lmtp",
            )
            self._arrival = mirroring(lmtp.policy.beside, arrival)
            self._spool = begin_spool(lmtp.engine, lmtp.clock, self._arrival, lmtp.policy.settings.hostname)
        return self._arrival, self._spool


def _is_here(peer: Peer) -> bool:
    """A Unix socket, which its folder's rights guard, or loopback."""
    try:
        return not peer.address or ip_address(peer.address).is_loopback
    except ValueError:
        return False
