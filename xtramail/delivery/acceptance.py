"""Acceptance: the one commit behind a 250, with everything that one message leaves in the store.

Owns that either all of it is durable or nothing was accepted. The rows are ``accepted_rows``'s; whether a message is
accepted is decided before, in ``policy``, ``intake`` and ``submission``.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from xtramail.delivery import accepted_rows as rows
from xtramail.delivery import trace
from xtramail.delivery.arrival import AcceptanceLog, Accepted, Arrival
from xtramail.delivery.forwarding import home_of
from xtramail.delivery.policy import STORE_FAULT, STORE_FULL, Policy, Route
from xtramail.delivery.rates import TOO_MANY_AT_ONCE, OverRate
from xtramail.delivery.sent_back import sent_entry, sent_event, wanted
from xtramail.delivery.spool import Spooled
from xtramail.model.bucket import Bucket
from xtramail.model.envelope import BodyType
from xtramail.model.errors import StoreFull, XtramailError
from xtramail.model.ids import IdSource, id_text
from xtramail.model.outcome import Fate, Reply
from xtramail.store import keys
from xtramail.store.engine import Engine
from xtramail.store.records import Account, QueueEntry, QueueRecipient
from xtramail.telemetry.crashpoint import reach


class Receipts(Protocol):
    """Reports of success (``notices``)."""

    def parts(
        self, entry: QueueEntry, settled: Sequence[QueueRecipient], now: float
    ) -> Coroutine[Any, Any, list[rows.Part]]:
        """The writes of a report to ``entry``'s sender; empty where none may be sent."""


class Acceptance:
    """Commits messages."""

    def __init__(
        self,
        *,
        engine: Engine,
        policy: Policy,
        ids: IdSource,
        log: AcceptanceLog,
        hold_seconds: float,
        receipts: Receipts,
    ) -> None:
        """``hold_seconds``: how long a message may wait in the queue before its sender is told."""
        self._engine = engine
        self._policy = policy
        self._ids = ids
        self._log = log
        self._hold_seconds = hold_seconds
        self._receipts = receipts

    async def commit(self, arrival: Arrival, text: Spooled, *, sent: Spooled | None, now: float) -> Reply:
        """250 once everything is durable; 452 or 451 when it could not be made so. ``sent``: the sender's own copy."""
        copies = [copy for copy in rows.copies(arrival) if self._domain_takes(arrival, copy, text.summary.size)]
        try:
            return await self._commit(arrival, text, sent, copies, now)
        except rows.MirrorFailed:
            for copy in copies:
                if copy.mirror:
                    self._log.copy_skipped(arrival, copy.account.address)
            own = [copy for copy in copies if not copy.mirror]
            return await self._commit(arrival, text, sent, own, now)

    async def _commit(
        self, arrival: Arrival, text: Spooled, sent: Spooled | None, copies: list[rows.Copy], now: float
    ) -> Reply:
        places = rows.Places()
        parts = rows.deliveries(arrival, text, copies, self._policy, now, places)
        if sent is not None:
            parts.extend(rows.filing(arrival, account, sent, now, places) for account in arrival.sent_for)
        parts.extend(rows.bodies_written(arrival, text, sent, copies))
        queued, others = [], []
        for entry, bucket, kept_senders in self._entries(arrival, text):
            queued.append((entry, bucket))
            parts.extend(kept_senders)
        home = "" if sent is None else wanted(self._engine, arrival)
        if sent is not None and home:
            back = self._sent_back(arrival, sent, home)
            queued.append((back, arrival.home))
            others.append(sent_event(back, arrival.message_id, sent.summary.subject, now))
        parts.append((keys.QUEUE, rows.queued(arrival, queued)))
        parts.append((keys.LOG, rows.tracked(arrival, text, now, places, others)))
        if arrival.counted is not None:
            parts.append(arrival.counted(text.summary.size, now))
        reach("intake.before-commit")
        try:
            results = await self._engine.transact_all(parts)
        except rows.MirrorFailed:
            raise
        except XtramailError as error:
            return self.refuse(arrival, unavailable(error), type(error).__name__)
        reach("intake.after-commit")
        skipped = tuple(copy.account.address for copy, kept in zip(copies, results, strict=False) if not kept)
        for address in skipped:
            self._log.copy_skipped(arrival, address)
        self._log.accepted(
            Accepted(
                arrival=arrival,
                size=text.summary.size,
                header_message_id=text.summary.message_id,
                mailboxes=len(copies) - len(skipped),
                skipped=skipped,
                signed=text.signed.by,
            )
        )
        await self._tell_delivered(arrival, text, now)
        return Reply.of(250, "2.0.0", f"Ok: queued as {id_text(arrival.message_id)}")

    async def _tell_delivered(self, arrival: Arrival, text: Spooled, now: float) -> None:
        """A report to who asked for one, where the mailbox is the end of the way (RFC 3461 §5.2.2)."""
        at_home = [one for one in arrival.routes if not one.relay and one.accounts and "SUCCESS" in one.path.notify]
        if not at_home:
            return
        entry = self._entry(arrival, text, at_home)
        # The mailbox has it: no queue entry is kept, this one only says what the report is about.
        here = {"fate": Fate.DELIVERED.value, "reply": rows.AT_HOME}
        delivered = [msgspec.structs.replace(recipient, **here) for recipient in entry.recipients]
        try:
            await self._engine.transact_all(await self._receipts.parts(entry, delivered, now))
        except XtramailError as error:
            # The message is accepted all the same: that it arrived is worth more than the report of it.
            self._log.report_lost(arrival, type(error).__name__)

    def _domain_takes(self, arrival: Arrival, copy: rows.Copy, size: int) -> bool:
        """Whether a copy of mail that goes to a primary, too, is kept as far as its domain's quota is concerned."""
        fits = not copy.limited or copy.mirror or self._policy.domain_fits(copy.account, size)
        if not fits:
            self._log.domain_full(arrival, copy.account.address)
        return fits

    def no_room(self, arrival: Arrival, accounts: Sequence[Account]) -> None:
        """An alarm for each of ``accounts``: it is over so many quotas that a copy is left out."""
        for account in accounts:
            self._log.copy_skipped(arrival, account.address)

    def refuse(self, arrival: Arrival, reply: Reply, cause: str) -> Reply:
        """``reply``, once it is in the log with its ``cause``."""
        self._log.refused(arrival, reply, cause)
        return reply

    def _entries(
        self, arrival: Arrival, text: Spooled
    ) -> Iterator[tuple[QueueEntry, Bucket, Sequence[rows.Part]]]:
        """Each with its message's bucket, and what its commit needs beside."""
        for _, routes in rows.by_destination(arrival.routes):
            for some in rows.lots(routes):
                entry, first = self._entry(arrival, text, some), some[0]
                if not first.forwarder:
                    yield entry, arrival.bucket(first), ()
                    continue
                sender = self._policy.forwarding.outgoing_sender(arrival.reverse_path, first, arrival.at)
                entry = msgspec.structs.replace(
                    entry,
                    signature=trace.delivered_to(first.forwarder) + entry.signature,
                    forwarder=home_of(first),
                    smtputf8=entry.smtputf8 or not all(one.address.isascii() for one in entry.recipients),
                    sender="" if sender is None else sender.address,
                )
                yield entry, arrival.bucket(first), () if sender is None else sender.parts

    def _sent_back(self, arrival: Arrival, sent: Spooled, destination: str) -> QueueEntry:
        # A message's id is below those of its entries: whoever looks for these begins there.
        message_id = self._ids.next()
        return sent_entry(
            arrival,
            sent,
            destination=destination,
            entry_id=self._ids.next(),
            message_id=message_id,
            hold_seconds=self._hold_seconds,
        )

    def _entry(self, arrival: Arrival, text: Spooled, routes: Sequence[Route]) -> QueueEntry:
        """The entry for recipients of one destination."""
        path, first = arrival.reverse_path, routes[0]
        return QueueEntry(
            id=self._ids.next(),
            message_id=arrival.message_id,
            destination=first.destination,
            kind="outside" if first.domain is None else "primary",
            body=text.ref(arrival.bucket(first)),
            reverse_path="" if path.address is None else str(path.address),
            arrival=arrival.at,
            due=arrival.at,
            expires=arrival.at + self._hold_seconds,
            recipients=tuple(rows.recipient(route, arrival.at) for route in routes),
            origin=arrival.origin,
            ret=path.ret or "",
            envid=path.envid or "",
            smtputf8=path.smtputf8,
            eightbit=path.body is BodyType.EIGHT_BIT,
            header_message_id=text.summary.message_id,
            account_id=0 if arrival.sender is None else arrival.sender.id,
            signature=text.signed.fields,
        )


def unavailable(error: XtramailError) -> Reply:
    """The answer when the store, for any reason, did not take a message."""
    if isinstance(error, OverRate):
        return TOO_MANY_AT_ONCE
    return STORE_FULL if isinstance(error, StoreFull) else STORE_FAULT
