"""The relay: takes a queue entry on lease, has it carried, and writes down what became of each recipient.

Each attempt is three commits: the lease; the attempt row, before the final dot; the outcome, in which ledger, queue
entry and notices change together. A crash between any two leaves a lease that expires: a message may be sent twice (and
the ledger shows why), never lost.

Owns neither when an entry is due (``dispatch``), nor connections (``courier``), nor the text of notices (``notices``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from xtramail.delivery.backoff import Timetable
from xtramail.delivery.courier import Body, Carried, Courier
from xtramail.delivery.routing import Routing
from xtramail.model.address import Address
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_at
from xtramail.model.clock import Clock
from xtramail.model.envelope import BodyType, Envelope, ForwardPath, ReversePath
from xtramail.model.errors import Refused, StoreFault, Unavailable
from xtramail.model.ids import id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.model.pending import Pending
from xtramail.store import bodies, keys, outbound, tracking
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import LedgerRow, LogEvent, QueueEntry, QueueRecipient
from xtramail.telemetry.crashpoint import reach
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

Part = tuple[bytes, Callable[[Txn], Any]]


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """``owner`` names this run of the server; ``lease`` in seconds is longer than any attempt can take."""

    owner: str
    timetable: Timetable
    lease: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt came to, for the log: ``entry`` as it is now, ``changed`` the recipients that were tried."""

    entry: QueueEntry
    changed: tuple[QueueRecipient, ...]
    host: str
    tls: str
    reached: bool
    """The host answered and took up the message, whatever it then said."""


class Notices(Protocol):
    """Tells a sender what did not arrive (RFC 3464)."""

    def parts(
        self, entry: QueueEntry, failed: Sequence[QueueRecipient], now: float
    ) -> Coroutine[Any, Any, list[Part]]:
        """The writes of a notice to ``entry``'s sender, empty where none may be sent. They join the failing commit."""


class Relay:
    """``deliver`` is one attempt for one entry."""

    def __init__(
        self,
        *,
        engine: Engine,
        courier: Courier,
        routing: Routing,
        notices: Notices,
        clock: Clock,
        settings: RelaySettings,
        log: Callable[[Attempt], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine = engine
        self._courier = courier
        self._routing = routing
        self._notices = notices
        self._clock = clock
        self.settings = settings
        self._log = log
        self._chance = chance

    async def deliver(self, entry_id: int) -> Attempt | None:
        """Try an entry once; None when another attempt has it or it is gone.

        StoreFull and StoreFault when the outcome could not be written: the lease then runs out and it is tried again.
        """
        settings = self.settings
        entry = await self._engine.transact(
            keys.QUEUE, lambda txn: outbound.lease(txn, entry_id, self._clock.now(), settings.lease, settings.owner)
        )
        if entry is None:
            return None
        reach("relay.leased")
        try:
            carried = await self._carry(entry)
        except Refused as refused:
            return await self._settle(entry, _everybody(entry, Verdict.REFUSED), refused.text, host="", tls="")
        except Unavailable as fault:
            return await self._settle(entry, _everybody(entry, Verdict.DEFERRED), fault.text, host="", tls="")
        # The attempt row changed it, and so may have whoever saved its body from a day that expires.
        current = self._engine.read(keys.QUEUE, lambda snap: outbound.entry(snap, entry.id)) or entry
        current = msgspec.structs.replace(current, recipients=_as_leased(entry, current))
        return await self._settle(current, carried.outcomes, carried.fault, host=carried.host, tls=carried.tls)

    async def bounce(self, entry_id: int, reason: str) -> Attempt | None:
        """Give an entry up now: its open recipients are bounced with ``reason`` and its sender is told."""
        entry = await self._engine.transact(
            keys.QUEUE,
            lambda txn: outbound.lease(txn, entry_id, self._clock.now(), self.settings.lease, self.settings.owner),
        )
        if entry is None:
            return None
        return await self._settle(entry, _everybody(entry, Verdict.REFUSED), reason, host="", tls="")

    async def _carry(self, entry: QueueEntry) -> Carried:
        hops = await self._routing.hops(entry)
        carried = Carried(outcomes=_everybody(entry, Verdict.DEFERRED), host="", fault="no host to hand it to")
        envelope = _envelope(entry)
        body = Body(
            size=entry.body.size - entry.body.return_path_length,
            chunks=lambda: self._octets(entry),
        )
        for hop in hops:
            carried = await self._courier.carry(
                hop,
                envelope,
                body,
                message=id_text(entry.message_id),
                before_dot=lambda accepted: self._attempted(entry, accepted),
            )
            if _took_it_up(carried):
                break
        return carried

    def _octets(self, entry: QueueEntry) -> Iterator[bytes]:
        ref = entry.body
        return bodies.chunks(self._engine, ref, ref.return_path_length, ref.size - ref.return_path_length)

    def _attempted(self, entry: QueueEntry, accepted: tuple[int, ...]) -> Pending[None]:
        """Write the attempt row: from here on a crash leaves a possible duplicate, and the ledger says so."""
        reach("relay.before-attempt")
        tried = [_open_recipients(entry)[index].address for index in accepted]
        now = self._clock.now()

        def write(txn: Txn) -> None:
            current = outbound.entry(txn, entry.id)
            if current is None or current.lease_owner != self.settings.owner:
                raise StoreFault("the lease of this entry was lost")
            recipients = tuple(
                msgspec.structs.replace(r, fate=Fate.ATTEMPTED, changed=now, attempts=r.attempts + 1)
                if r.address in tried and r.fate in OPEN_FATES
                else r
                for r in current.recipients
            )
            changed = msgspec.structs.replace(current, recipients=recipients)
            outbound.update(txn, changed)
            for recipient in recipients:
                if recipient.address in tried:
                    _write_fate(txn, current, recipient, now)

        pending = self._engine.transact(keys.QUEUE, write)
        pending.when_done(lambda _: reach("relay.after-attempt"))
        return pending

    async def _settle(
        self, entry: QueueEntry, outcomes: tuple[RecipientOutcome, ...], fault: str, *, host: str, tls: str
    ) -> Attempt:
        now = self._clock.now()
        tried = {
            recipient.address: _judged(recipient, outcome, entry, fault, now)
            for recipient, outcome in zip(_open_recipients(entry), outcomes, strict=True)
        }
        recipients = tuple(
            tried.get(r.address, r) if r.fate in OPEN_FATES else r for r in entry.recipients
        )
        if now >= entry.expires:
            recipients = tuple(_expired(r, entry, now) if r.fate in OPEN_FATES else r for r in recipients)
        attempts = entry.attempts + 1
        changed = msgspec.structs.replace(
            entry,
            recipients=recipients,
            attempts=attempts,
            due=self.settings.timetable.next_attempt(attempts=attempts, now=now, chance=self._chance()),
            lease_until=0.0,
            lease_owner="",
            last_reply=next((r.reply for r in tried.values() if r.fate in OPEN_FATES), "") or fault or entry.last_reply,
        )
        failed = [
            r for r, before in zip(recipients, entry.recipients, strict=True)
            if r.fate == Fate.BOUNCED and before.fate != Fate.BOUNCED
        ]
        notices = await self._notices.parts(changed, failed, now) if failed else []
        reach("relay.before-outcome")
        event = _event(changed, tuple(tried.values()), host, tls, now)
        await self._engine.transact_all(
            [
                (keys.QUEUE, lambda txn: _write_outcome(txn, entry, changed, now)),
                (keys.LOG, lambda txn: tracking.record(txn, bucket_at(now, CLASS_LOG), event)),
                *notices,
            ]
        )
        reach("relay.after-outcome")
        attempt = Attempt(
            entry=changed,
            changed=tuple(r for r in recipients if r.address in tried),
            host=host,
            tls=tls,
            reached=any(o.reply is not None and o.stage not in _SERVER_STAGES for o in outcomes),
        )
        self._log(attempt)
        return attempt


_SERVER_STAGES = frozenset({Stage.CONNECT, Stage.HELLO, Stage.STARTTLS, Stage.AUTH})


def _took_it_up(carried: Carried) -> bool:
    """Whether this host, not the next, decides: it answered to the message itself, or may have it."""
    return any(
        outcome.verdict in (Verdict.DELIVERED, Verdict.UNCONFIRMED, Verdict.REFUSED)
        or (outcome.reply is not None and outcome.stage not in _SERVER_STAGES)
        for outcome in carried.outcomes
    )


def _open_recipients(entry: QueueEntry) -> list[QueueRecipient]:
    return [recipient for recipient in entry.recipients if recipient.fate in OPEN_FATES]


def _everybody(entry: QueueEntry, verdict: Verdict) -> tuple[RecipientOutcome, ...]:
    return tuple(RecipientOutcome(verdict=verdict, stage=Stage.LOCAL, reply=None) for _ in _open_recipients(entry))


def _envelope(entry: QueueEntry) -> Envelope:
    return Envelope(
        reverse_path=ReversePath(
            address=Address.parse(entry.reverse_path) if entry.reverse_path else None,
            body=BodyType.EIGHT_BIT if entry.eightbit else BodyType.SEVEN_BIT,
            smtputf8=entry.smtputf8,
            ret=entry.ret or None,
            envid=entry.envid or None,
        ),
        forward_paths=tuple(
            ForwardPath(
                address=Address.parse(recipient.address),
                notify=tuple(word for word in recipient.notify.split(",") if word),
                orcpt=recipient.orcpt or None,
            )
            for recipient in _open_recipients(entry)
        ),
    )


def _as_leased(leased: QueueEntry, current: QueueEntry) -> tuple[QueueRecipient, ...]:
    """Recipients with the attempts of now and the fate of before: only the outcome tells what this attempt came to.

    One that was *attempted* when it was leased was being handed over when the server died: it may have arrived.
    """
    before = {recipient.address: recipient.fate for recipient in leased.recipients}
    return tuple(
        msgspec.structs.replace(r, fate=_doubt(before.get(r.address, r.fate))) if r.fate in OPEN_FATES else r
        for r in current.recipients
    )


def _doubt(fate: str) -> str:
    return Fate.UNCONFIRMED if fate == Fate.ATTEMPTED else fate


def _judged(
    recipient: QueueRecipient, outcome: RecipientOutcome, entry: QueueEntry, fault: str, now: float
) -> QueueRecipient:
    """The recipient after the outcome."""
    reply = outcome.reply.text if outcome.reply is not None else fault
    if outcome.verdict is Verdict.DELIVERED:
        fate = Fate.DELIVERED
    elif outcome.verdict is Verdict.REFUSED and not _is_server_state(outcome, entry):
        fate = Fate.BOUNCED
    elif outcome.verdict is Verdict.UNCONFIRMED or recipient.fate == Fate.UNCONFIRMED:
        # What may have been delivered once stays so marked until the host says otherwise.
        fate = Fate.UNCONFIRMED
    else:
        fate = Fate.HELD
    code = outcome.reply.code if outcome.reply is not None else 0
    return msgspec.structs.replace(recipient, fate=fate, reply=reply, code=code, changed=now)


def _is_server_state(outcome: RecipientOutcome, entry: QueueEntry) -> bool:
    """A 5xx of a primary at connect, EHLO or MAIL is its own trouble, not the message's: a continuity server waits.

    A message that is too big (552, 5.3.4) will never pass. Hosts of the outside world are believed at MAIL.
    """
    if outcome.stage in _SERVER_STAGES:
        return True
    if outcome.stage is not Stage.MAIL or entry.kind != "primary" or outcome.reply is None:
        return False
    return outcome.reply.code != 552 and outcome.reply.enhanced != "5.3.4"


def _expired(recipient: QueueRecipient, entry: QueueEntry, now: float) -> QueueRecipient:
    days = max(int((entry.expires - entry.arrival) // 86_400), 0)
    waited = f"{days} days" if days else "its time"
    reply = f"given up after {waited}; last answer: {recipient.reply or 'none'}"
    return msgspec.structs.replace(recipient, fate=Fate.BOUNCED, reply=reply, changed=now)


def _write_outcome(txn: Txn, before: QueueEntry, changed: QueueEntry, now: float) -> None:
    was = {recipient.address: recipient for recipient in before.recipients}
    # Its body may have moved while the host was talking (a day that expires saves it): the ledger is where the body is.
    current = outbound.entry(txn, before.id) or before
    for recipient in changed.recipients:
        if was.get(recipient.address) != recipient:
            _write_fate(txn, current, recipient, now)
    if any(recipient.fate in OPEN_FATES for recipient in changed.recipients):
        outbound.update(txn, changed)
    else:
        outbound.complete(txn, changed.id)


def _event(
    entry: QueueEntry, tried: Sequence[QueueRecipient], host: str, tls: str, now: float
) -> LogEvent:
    """One attempt in the message log: who answered what."""
    fates = sorted({recipient.fate for recipient in tried})
    word = "deferred" if fates == [Fate.HELD.value] else ", ".join(fates)
    answers = list(dict.fromkeys(recipient.reply for recipient in tried if recipient.reply))
    return LogEvent(
        at=now,
        message_id=entry.message_id,
        kind="attempt",
        sender=entry.reverse_path,
        recipients=tuple(recipient.address for recipient in tried),
        text=f"{word}: {'; '.join(answers)[:1000] or 'no answer'}",
        fields={
            "host": host,
            "tls": tls,
            "attempt": str(entry.attempts),
            "destination": entry.destination,
            "fate": word,
            "next": "" if not outbound.is_open(entry) else f"{entry.due:.0f}",
        },
    )


def _write_fate(txn: Txn, entry: QueueEntry, recipient: QueueRecipient, now: float) -> None:
    row = LedgerRow(
        fate=recipient.fate, at=now, reply=recipient.reply, attempts=recipient.attempts, destination=entry.destination
    )
    outbound.ledger_put(txn, Bucket(entry.body.bucket), entry.message_id, recipient.address, row)
