"""The relay: takes a queue entry on lease, has it carried, and writes down what became of each recipient.

Each attempt is three commits: the lease; the attempt row, before the final dot; the outcome, in which ledger, queue
entry and notices change together. One more, after the lease, where something is settled without asking a host. A crash
between any two leaves a lease that expires: a message may be sent twice (and the ledger shows why), never lost. Whoever
lost the lease hands nothing over and decides nothing any more.

Owns neither when an entry is due (``dispatch``), nor connections (``courier``), nor what an answer means
(``judgement``, ``refusal_guard``), nor what is settled before (``review``), nor the rows (``attempt_rows``), nor the
text of notices (``notices``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from xtramail.delivery import attempt_rows as rows
from xtramail.delivery.attempt import Attempt as Attempt
from xtramail.delivery.attempt import LeaseLost, Notices, Part
from xtramail.delivery.backoff import Timetable
from xtramail.delivery.clock_doubt import doubt
from xtramail.delivery.courier import Body, Carried, Courier
from xtramail.delivery.judgement import decides, judge, parked, reached
from xtramail.delivery.outgoing_envelope import open_recipients, outgoing_envelope
from xtramail.delivery.rates import SendingRates
from xtramail.delivery.refusal_guard import Guarded, RefusalGuard
from xtramail.delivery.review import Review
from xtramail.delivery.routing import NoMailHost, Routing
from xtramail.delivery.sent_back import SentBack, marked, topped
from xtramail.delivery.signs import NOTHING, Signs, signs_of
from xtramail.delivery.turn import Turn
from xtramail.directory.blocks import STOPPED
from xtramail.model.clock import Clock
from xtramail.model.errors import Corrupt, NoSuchMessage, XtramailError
from xtramail.model.ids import IdSource, id_text
from xtramail.model.outcome import OPEN_FATES, Fate, Reply
from xtramail.model.pending import Pending
from xtramail.store import bodies, keys, outbound
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import QueueEntry
from xtramail.telemetry.crashpoint import reach
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """``owner`` names this run of the server, as ``retention`` does; ``lease`` in seconds is longer than any wait for
    one answer."""

    owner: str
    timetable: Timetable
    lease: float = 3_600.0


@dataclass(slots=True)
class _Work:
    """One entry on lease, and what its attempt came to."""

    leased: QueueEntry
    carried: Carried
    reached: bool = False
    aside: bool = False
    unreadable: str = ""
    signs: Signs = NOTHING
    guarded: Guarded | None = None
    """Refused recipients about whom a person decides; None: not asked yet."""


class Relay:
    """``deliver`` is one attempt for one entry."""

    def __init__(
        self,
        *,
        engine: Engine,
        courier: Courier,
        routing: Routing,
        notices: Notices,
        turn: Turn,
        guard: RefusalGuard,
        clock: Clock,
        ids: IdSource,
        settings: RelaySettings,
        log: Callable[[Attempt], None],
        chance: Callable[[], float] = random.random,
        sent_back: SentBack | None = None,
        rates: SendingRates | None = None,
    ) -> None:
        self._engine = engine
        self._courier = courier
        self._routing = routing
        self._notices = notices
        self._review = Review(engine=engine, turn=turn, notices=notices, clock=clock, ids=ids, log=log)
        self._guard = guard
        self._clock = clock
        self._ids = ids
        self.settings = settings
        self._log = log
        self._chance = chance
        self._sent_back = sent_back
        self._rates = rates
        self._owed: dict[int, _Work] = {}

    async def deliver(self, entry_id: int) -> Attempt | None:
        """Try an entry once; None when another attempt has it, it is gone, or nothing is left to hand over.

        StoreFull, StoreFault and others when the outcome could not be written: :meth:`owes` then says so, and
        :meth:`write_owed` tries to write it again. If nobody does, the lease runs out and the message is tried again.
        """
        leased = await self._engine.transact(keys.QUEUE, lambda txn: self._lease(txn, entry_id))
        if leased is None:
            return None
        reach("relay.leased")
        if self._rates is not None and self._rates.stops(leased):
            await self._engine.transact(keys.QUEUE, lambda txn: self._stop(txn, entry_id))
            return None
        leased = await self._reviewed(leased, self._review.before)
        if leased is None:
            return None
        work = _Work(leased=leased, carried=_everybody(leased, Verdict.DEFERRED, "no host to hand it to"))
        try:
            await self._carry(work)
        except NoMailHost as refused:
            work.carried = _everybody(leased, Verdict.REFUSED, refused.text, Reply.of(550, "5.1.2", refused.text))
            work.reached = True
        except XtramailError as fault:
            work.carried = _everybody(leased, Verdict.DEFERRED, fault.text)
        except Exception as bug:
            # It is written down as an attempt all the same: a bug must not keep an entry from ever coming to its end.
            work.carried = _bug(leased, bug)
            await self._settle(work)
            raise
        return await self._settle(work)

    async def expire(self, entry_id: int) -> Attempt | None:
        """Give up an entry whose time is over, held or not, without asking its host once more; None when it is gone,
        being handed over, or its users deleted it."""
        leased = await self._engine.transact(keys.QUEUE, lambda txn: self._seize(txn, entry_id))
        reach("relay.seized")
        if leased is not None:
            leased = await self._reviewed(leased, self._review.at_end)
        if leased is None:
            return None
        return await self._settle(_Work(leased=leased, carried=Carried(outcomes=(), host="")))

    async def bounce(self, entry_id: int, reason: str) -> Attempt | None:
        """Give an entry up now, held or not: its open recipients are bounced with ``reason`` and its sender is told.

        None when it is gone, or somebody is just handing it over.
        """
        leased = await self._engine.transact(keys.QUEUE, lambda txn: self._seize(txn, entry_id))
        reach("relay.seized")
        if leased is None:
            return None
        return await self._settle(_Work(leased=leased, carried=_everybody(leased, Verdict.REFUSED, reason)))

    async def withdraw(self, entry_id: int, reason: str) -> None:
        """Take mail of our own back, held or not: its open recipients are suppressed, and nobody is told.

        Nothing is done when it is gone, or somebody is just handing it over.
        """
        leased = await self._engine.transact(keys.QUEUE, lambda txn: self._seize(txn, entry_id))
        reach("relay.seized")
        if leased is not None:
            await self._reviewed(leased, lambda seized: self._review.withdraw(seized, reason))

    def owes(self, entry_id: int) -> bool:
        """Whether what became of an attempt is still to be written."""
        return entry_id in self._owed

    async def write_owed(self, entry_id: int) -> Attempt | None:
        """Write what could not be written before; raises as :meth:`deliver`."""
        work = self._owed.pop(entry_id, None)
        return await self._settle(work) if work is not None else None

    def _lease(self, txn: Txn, entry_id: int) -> QueueEntry | None:
        return outbound.lease(txn, entry_id, self._clock.now(), self.settings.lease, self.settings.owner)

    def _stop(self, txn: Txn, entry_id: int) -> None:
        """Hold an entry on lease until its sender is released."""
        current = outbound.entry(txn, entry_id)
        if current is not None and current.lease_owner == self.settings.owner:
            outbound.update(
                txn,
                msgspec.structs.replace(current, held=True, hold_reason=STOPPED, lease_until=0.0, lease_owner=""),
            )

    def _seize(self, txn: Txn, entry_id: int) -> QueueEntry | None:
        """As a lease, of held entries and closed destinations too."""
        now, current = self._clock.now(), outbound.entry(txn, entry_id)
        if current is None or (current.lease_owner and current.lease_until > now):
            return None
        seized = msgspec.structs.replace(
            current, lease_until=now + self.settings.lease, lease_owner=self.settings.owner
        )
        outbound.update(txn, seized)
        return seized

    async def _reviewed(
        self, leased: QueueEntry, review: Callable[[QueueEntry], Coroutine[Any, Any, QueueEntry | None]]
    ) -> QueueEntry | None:
        try:
            return await review(leased)
        except XtramailError:
            raise
        except Exception as bug:
            await self._settle(_Work(leased=leased, carried=_bug(leased, bug)))
            raise

    async def _carry(self, work: _Work) -> None:
        entry = work.leased
        envelope = outgoing_envelope(entry)
        body = Body(size=entry.body.size - entry.body.return_path_length, chunks=lambda: self._octets(work))
        if entry.kind == "sent":
            filed = None if self._sent_back is None else await self._sent_back.file(
                entry, body, lambda accepted: self._attempted(entry, accepted)
            )
            if filed is not None:
                work.carried, work.aside = filed, True
                return
        if entry.signature:
            body = topped(body, entry.signature)
        if entry.kind == "sent":
            body = marked(body)
        for hop in await self._routing.hops(entry):
            carried = await self._courier.carry(
                hop,
                envelope,
                body,
                message=id_text(entry.message_id),
                before_dot=lambda accepted: self._attempted(entry, accepted),
            )
            answered = reached(carried.outcomes)
            if answered or not work.reached:
                # What a host said is worth more than that the next one was away.
                work.carried, work.reached = carried, answered
                work.signs = NOTHING if work.unreadable else signs_of(open_recipients(entry), carried)
            if decides(entry, carried):
                return

    def _octets(self, work: _Work) -> Iterator[bytes]:
        """The message as it came, without our Return-Path. Its body may be saved from a day that expires meanwhile."""
        ref = work.leased.body
        at = ref.return_path_length
        while at < ref.size:
            try:
                for chunk in bodies.chunks(self._engine, ref, at):
                    at += len(chunk)
                    yield chunk
            except (Corrupt, NoSuchMessage) as error:
                current = self._engine.read(keys.QUEUE, lambda snap: outbound.entry(snap, work.leased.id))
                if current is None or current.body == ref or isinstance(error, Corrupt):
                    work.unreadable = f"its octets cannot be read from {at} on: {type(error).__name__}"
                    raise
                ref = current.body

    def _attempted(self, entry: QueueEntry, accepted: tuple[int, ...]) -> Pending[None]:
        """Write the attempt row: from here on a crash leaves a possible duplicate, and the ledger says so.

        It renews the lease, so that nobody else takes the entry while we wait for the answer to the dot.
        """
        reach("relay.before-attempt")
        open_ones = open_recipients(entry)
        tried = {open_ones[index].address for index in accepted}
        now = self._clock.now()

        def write(txn: Txn) -> None:
            current = outbound.entry(txn, entry.id)
            if current is None or current.lease_owner != self.settings.owner or current.held:
                raise LeaseLost
            recipients = tuple(
                msgspec.structs.replace(r, fate=Fate.ATTEMPTED, changed=now, attempts=r.attempts + 1)
                if r.address in tried and r.fate in OPEN_FATES
                else r
                for r in current.recipients
            )
            until = now + self.settings.lease
            outbound.update(txn, msgspec.structs.replace(current, recipients=recipients, lease_until=until))
            rows.write_fates(txn, current, recipients, now)

        pending = self._engine.transact(keys.QUEUE, write)
        pending.when_done(lambda _: reach("relay.after-attempt"))
        return pending

    async def _settle(self, work: _Work) -> Attempt | None:
        """Write the outcome; None when the lease was lost, and with it the say."""
        now, leased, carried = self._clock.now(), work.leased, work.carried
        tried = open_recipients(leased)
        judged = judge(leased, tried, carried) if carried.outcomes else {}
        if work.guarded is None:
            answers = zip(tried, carried.outcomes, strict=False)
            final = {one.address: outcome for one, outcome in answers if judged[one.address].fate == Fate.BOUNCED}
            # Once, however often it is to be written: it counts.
            work.guarded = self._guard.held(leased, final)
        guarded = work.guarded.reasons
        judged |= {one.address: parked(one, judged[one.address]) for one in tried if one.address in guarded}
        due = self.settings.timetable.next_attempt(attempts=leased.attempts + 1, now=now, chance=self._chance())
        # A clock that jumps must not end what an outage has held: no sender can be told that it was a mistake.
        over = now >= leased.expires and not doubt(self._engine, self._clock, self.settings.owner)
        planned = rows.after(leased, judged, carried.fault, due, now, over=over)
        reported = {Fate.BOUNCED.value} if carried.dsn else {Fate.BOUNCED.value, Fate.DELIVERED.value}
        settled = [
            r for r, before in zip(planned.recipients, leased.recipients, strict=True)
            if r.fate in reported and before.fate != r.fate
        ]

        def write(txn: Txn) -> QueueEntry:
            current = outbound.entry(txn, leased.id)
            if current is None or current.lease_owner != leased.lease_owner:
                raise LeaseLost
            changed = rows.after(current, judged, carried.fault, due, now, over=over)
            rows.write_fates(txn, current, changed.recipients, now)
            rows.put(txn, changed, guarded, fresh)
            return changed

        refused = sum(one.fate == Fate.BOUNCED and one.code >= 500 for one in settled)
        counted = [] if self._rates is None else self._rates.refused(leased, refused, now)
        fresh = self._ids.next()
        events = tuple(rows.events(planned, rows.changed(leased, planned), guarded, now, carried))
        bug: Exception | None = None
        notices: list[Part] = []
        try:
            try:
                notices = await self._notices.parts(planned, settled, now) if settled else []
            except XtramailError:
                raise
            except Exception as error:
                # The outcome counts for more than its report: unwritten, the message would go out again and again.
                bug = error
            reach("relay.before-outcome")
            results = await self._engine.transact_all(
                [
                    (keys.QUEUE, write),
                    (keys.LOG, lambda txn: rows.tell(txn, events, now)),
                    *work.guarded.parts(leased.destination, now),
                    *rows.alarm(rows.REFUSED, planned, guarded, now),
                    *counted,
                    *notices,
                ]
            )
        except LeaseLost:
            facts = tuple(event for event in events if event.fields.get("fate") == Fate.DELIVERED)
            await self._engine.transact_all(
                [
                    (keys.QUEUE, lambda txn: rows.write_deliveries(txn, leased.id, judged, now)),
                    (keys.LOG, lambda txn: rows.tell(txn, facts, now)),
                ]
            )
            return None
        except XtramailError:
            self._owed[leased.id] = work
            raise
        reach("relay.after-outcome")
        changed: QueueEntry = results[0]
        attempt = Attempt(
            entry=changed,
            changed=rows.changed(leased, changed),
            host=carried.host,
            tls=carried.tls,
            policy=carried.policy,
            reached=work.reached,
            aside=work.aside,
            unreadable=work.unreadable,
            signs=work.signs,
            parked=guarded,
        )
        self._log(attempt)
        if counted and self._rates is not None:
            await self._rates.look(leased)
        if bug is not None:
            raise bug
        return attempt


def _bug(entry: QueueEntry, bug: Exception) -> Carried:
    return _everybody(entry, Verdict.DEFERRED, f"internal error: {type(bug).__name__}")


def _everybody(entry: QueueEntry, verdict: Verdict, fault: str, reply: Reply | None = None) -> Carried:
    """Decided here, for all of them alike."""
    outcome = RecipientOutcome(verdict=verdict, stage=Stage.LOCAL, reply=reply)
    return Carried(outcomes=tuple(outcome for _ in open_recipients(entry)), host="", fault=fault)
