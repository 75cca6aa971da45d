"""The whole story of one message: what the log has, when its primary was away meanwhile, and how it ended or stands.

The log has what happened to the message itself. That a queue was closed is written once for its domain, not ten
thousand times for what waits there, so it is joined here. The end is the ledger's, which changes with the queue: a
story never ends in *deferred* once the message is delivered. Where the ledger has gone with the mail (its days may be
fewer than the log's), the log itself has the last word of each recipient. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from xtramail.model.clock import utc_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.model.primary import CLOSED
from xtramail.store import keys, outages, outbound, tracking
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.outages import Transition
from xtramail.store.records import Destination, LedgerRow, LogEvent, QueueEntry

STATE = "state"
"""Kind of the events that end a story."""
AWAY = "held"
"""Kind of the event that the queue a message waits in was closed."""
BACK = "let go"
_FIRST = ("refused", "accepted", AWAY)
_STEP = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A queue entry of the message, and how it stands with its destination."""

    entry: QueueEntry
    destination: Destination | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """``events`` in order; the last ones, of kind STATE, say what became of each recipient or what is waited for."""

    message_id: int
    events: tuple[LogEvent, ...]
    fates: Mapping[str, LedgerRow]
    """By recipient, as far as the ledger still has them."""
    waiting: tuple[Waiting, ...]

    def held(self, recipient: str) -> str:
        """Why continuity keeps the mail of a recipient, in the form of a reply; empty when it does not."""
        one = _of(self.waiting, recipient)
        return "" if one is None else held_reply(one.entry, one.destination)


def redirect(reason: str) -> str:
    """What is shown in place of a host's reply for mail that continuity holds, and readers have here."""
    return f"444 Redirect because: {reason}"


def held_reply(entry: QueueEntry, destination: Destination | None) -> str:
    """The same for an entry of the queue; empty while it simply goes. ``destination`` None: that is open."""
    if entry.held:
        return redirect(entry.hold_reason)
    return redirect(destination.reason) if destination is not None and destination.state in CLOSED else ""


def let_go(entry: QueueEntry, *, by: str, now: float) -> LogEvent:
    """That a person let an entry go, due at once."""
    return LogEvent(
        at=now,
        message_id=entry.message_id,
        kind="released",
        sender=entry.reverse_path,
        recipients=tuple(one.address for one in entry.recipients if one.fate in OPEN_FATES),
        text=f"due again, by {by}",
    )


class Stories:
    """Tells stories; what several of them share (the history of a primary) is read once."""

    def __init__(self, engine: Engine, now: float) -> None:
        """``now`` in seconds since 1970: what is open is told as of then."""
        self._engine = engine
        self._now = now
        self._steps: dict[str, list[Transition]] = {}

    def of(self, message_id: int) -> Story:
        """Without events when nothing is known of it."""
        logged = self._engine.read(keys.LOG, lambda snap: tracking.events_of(snap, message_id))
        fates = self._engine.read(keys.QUEUE, partial(_fates, message_id=message_id))
        open_ones = frozenset(recipient for recipient, row in fates.items() if row.fate in OPEN_FATES)
        waiting = self._engine.read(keys.QUEUE, partial(_waiting, message_id=message_id, wanted=open_ones))
        closed = [
            event
            for destination, recipients in _by_destination(fates).items()
            for event in self._absences(message_id, logged, destination, recipients, fates)
        ]
        middle = sorted([*logged, *closed], key=_place)
        ends = _ends(message_id, middle, fates, waiting, self._now)
        return Story(message_id=message_id, events=(*middle, *ends), fates=fates, waiting=waiting)

    def _absences(
        self,
        message_id: int,
        logged: Sequence[LogEvent],
        destination: str,
        recipients: Sequence[str],
        fates: Mapping[str, LedgerRow],
    ) -> Iterator[LogEvent]:
        """When the queue of a destination was closed and opened while a message waited in it."""
        since = min((event.at for event in logged if event.kind in ("accepted", "released")), default=None)
        if since is None:
            return
        ended = [fates[one].at for one in recipients if fates[one].fate not in OPEN_FATES]
        until = max(ended) if len(ended) == len(recipients) else self._now
        sender = next((event.sender for event in logged), "")
        for step in self._steps_of(destination, since, until):
            away = step.after in CLOSED
            yield LogEvent(
                at=max(step.at, since),
                message_id=message_id,
                kind=AWAY if away else BACK,
                sender=sender,
                recipients=tuple(recipients),
                text=redirect(step.cause) if away else f"{destination}: {step.cause}",
                fields={"destination": destination, "primary": step.after, "by": step.by},
            )

    def _steps_of(self, destination: str, since: float, until: float) -> list[Transition]:
        """Those that closed or opened it, the oldest first, with the one that holds at ``since`` where it is closed."""
        if destination not in self._steps:
            # Hosts of a single address have no outages of their own that are kept.
            apart = "@" in destination
            found = [] if apart else self._engine.read(keys.domain_scope(destination), outages.transitions)
            self._steps[destination] = [
                step for step in reversed(found) if step.before in CLOSED or step.after in CLOSED
            ]
        steps = self._steps[destination]
        before = [step for step in steps if step.at <= since][-1:]
        return [
            *(step for step in before if step.after in CLOSED),
            *(step for step in steps if since < step.at <= until),
        ]


def _place(event: LogEvent) -> tuple[float, int]:
    """Of what happened in one moment, coming in is first."""
    return event.at, _FIRST.index(event.kind) if event.kind in _FIRST else len(_FIRST)


def _fates(snap: Snapshot, message_id: int) -> dict[str, LedgerRow]:
    return {
        recipient: row
        for bucket in snap.buckets()
        for recipient, row in outbound.ledger_of(snap, bucket, message_id).items()
    }


def _waiting(snap: Snapshot, message_id: int, wanted: frozenset[str]) -> tuple[Waiting, ...]:
    """The entries in which ``wanted`` are open. Their ids are above their message's, most of them right behind it."""
    found: list[Waiting] = []
    last, left = message_id, set(wanted)
    while left and (step := outbound.entries_after(snap, last, _STEP)):
        for entry in step:
            if entry.message_id == message_id:
                found.append(Waiting(entry=entry, destination=outbound.destination(snap, entry.destination)))
                left -= {one.address for one in entry.recipients if one.fate in OPEN_FATES}
        last = step[-1].id
    return tuple(found)


def _of(waiting: Iterable[Waiting], recipient: str) -> Waiting | None:
    return next(
        (
            one
            for one in waiting
            if any(other.address == recipient and other.fate in OPEN_FATES for other in one.entry.recipients)
        ),
        None,
    )


def _by_destination(fates: Mapping[str, LedgerRow]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for recipient, row in fates.items():
        # Without an attempt or an open fate it never was in a queue: the mailbox is where it ended.
        if row.destination and (row.fate in OPEN_FATES or row.history):
            found.setdefault(row.destination, []).append(recipient)
    return found


def _ends(
    message_id: int,
    logged: Sequence[LogEvent],
    fates: Mapping[str, LedgerRow],
    waiting: Sequence[Waiting],
    now: float,
) -> list[LogEvent]:
    """One event for each thing that became of some recipients; what is open comes last."""
    sender = next((event.sender for event in logged), "")
    groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for recipient, row in fates.items():
        text, at = f"{row.fate}: {row.reply}" if row.reply else row.fate, row.at
        if row.fate in OPEN_FATES:
            text, at = f"{row.fate}: {_waits(_of(waiting, recipient), row, now)}", now
        groups.setdefault((row.fate, text), []).append((recipient, at))
    for recipient, fate, text, at in _last_words(logged, fates):
        groups.setdefault((fate, text), []).append((recipient, at))
    events = [
        LogEvent(
            at=max(at for _, at in some),
            message_id=message_id,
            kind=STATE,
            sender=sender,
            recipients=tuple(recipient for recipient, _ in some),
            text=text,
            fields={"fate": fate},
        )
        for (fate, text), some in groups.items()
    ]
    return sorted(events, key=lambda event: (event.fields["fate"] in OPEN_FATES, event.at))


def _waits(one: Waiting | None, row: LedgerRow, now: float) -> str:
    """What an open recipient waits for, in words."""
    if one is None:
        return row.reply
    entry, destination = one.entry, one.destination
    if held := held_reply(entry, destination):
        return held
    if entry.lease_until > now:
        return "being handed over now"
    if destination is not None:
        return f"in its turn, {destination.name} is given back what waited"
    last = f"; last answer: {entry.last_reply}" if entry.last_reply else ""
    return (f"due now{last}") if entry.due <= now else f"next attempt at {utc_text(entry.due)}{last}"


def _last_words(
    logged: Sequence[LogEvent], known: Collection[str]
) -> Iterator[tuple[str, str, str, float]]:
    """Recipient, fate, text and time, by what the log says of each who was accepted and is not ``known`` otherwise.

    One of whom nothing was said after that had his way's end in his mailbox: every other end is told.
    """
    fates = frozenset(Fate)
    for event in logged:
        if event.kind != "accepted" and "of" not in event.fields:
            continue
        for recipient in event.recipients:
            if recipient in known:
                continue
            mine = [one for one in logged if recipient in one.recipients and one.fields.get("fate") in fates]
            if mine:
                yield recipient, mine[-1].fields["fate"], mine[-1].text, mine[-1].at
            else:
                yield recipient, Fate.DELIVERED.value, "delivered to the mailbox", event.at
