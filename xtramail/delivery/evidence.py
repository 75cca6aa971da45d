"""Evidence of one outage, counted from what is stored: what came, what became of it, who used this server meanwhile.

Counted in slices when an outage ends, and kept with it for a year; before that, and for whoever asks, at any time. The
ledger gives mail for the primary, the log what users sent, the mailboxes what they did. Owns the counting; how it is
shown is the application's, when it is done :class:`EvidenceKeeper`'s.
"""

from __future__ import annotations

from array import array
from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import msgspec

from xtramail.delivery.accepted_rows import ends_here
from xtramail.delivery.ledger_look import LedgerLook
from xtramail.directory.domains import all_domains
from xtramail.directory.users import users_of
from xtramail.model.address import key_of
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_class
from xtramail.model.clock import Clock
from xtramail.model.ids import id_at, id_seconds, id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import keys, log_keys, logins, outages
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.outages import OutageRow
from xtramail.store.records import LedgerRow, LogEvent, decode
from xtramail.store.user_activity import Activity, activity

INTERVALS = 60
"""Of the timeline."""
MOST_USERS = 200
MOST_STEPS = 200
MOST_WRONG = 50
RECOUNT = 60.0
"""Seconds until an outage is counted again that left something open; after that as long again each time."""
_STEP = 500
_FORMER = 14 * 86_400.0
"""Seconds before its begin from which mail may have waited already; mail is given up after 14 days."""
_LARGEST = 48_000
"""Octets of what is kept; a value of the store holds 64 KiB."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    before: str
    after: str
    by: str
    cause: str


class UserUse(msgspec.Struct, frozen=True, kw_only=True):
    """One user in the outage; see ``store.user_activity`` for the numbers of messages."""

    address: str
    received: int
    sent: int
    read: int
    filed: int
    deleted: int
    drafts: int
    logins: dict[str, float]
    """By service: when somebody logged in last, where that was in or after the outage; to the hour. Who was logged in
    all the time shows in what he did."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by interval from ``start`` on, each ``seconds`` long."""

    start: float
    seconds: float
    received: tuple[int, ...]
    sent: tuple[int, ...]
    delivered: tuple[int, ...]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds since 1970 (0: not yet). Mail for the primary is counted by message and recipient."""

    outage: int
    domain: str
    started: float
    answered: float
    ended: float
    counted: float
    cause: str
    steps: tuple[Step, ...]
    received: int
    """Came in the outage."""
    waited: int
    """Waited already when it began."""
    fates: dict[str, int]
    """Of both."""
    balanced: bool
    wrong: tuple[str, ...]
    longest_delay: float
    """Seconds from arrival until the primary took it."""
    longest_message: str
    median_delay: float
    sent: int
    """Messages that users sent in the outage, to anybody."""
    sent_back: dict[str, int]
    """Fates of what they sent on its way into their own mailboxes at the primary."""
    copies: int
    """Came as copies, or before there was a primary: not ours to give back."""
    drafts: int
    active: int
    """Users who did something."""
    users: tuple[UserUse, ...]
    """The most active first, at most 200."""
    timeline: Timeline

    @property
    def has_open(self) -> bool:
        """Something is still on its way, or waits for a person."""
        return any((self.fates.get(fate, 0) or self.sent_back.get(fate, 0)) for fate in OPEN_FATES)


@dataclass(slots=True)
class Counting:
    """One pass: exhaust :meth:`walk`, then take :attr:`result`."""

    engine: Engine
    domain: str
    row: OutageRow
    now: float
    result: Evidence | None = None
    _received: int = 0
    _waited: int = 0
    _copies: int = 0
    _sent: int = 0
    _fates: Counter[str] = field(default_factory=Counter)
    _sent_back: Counter[str] = field(default_factory=Counter)
    _delays: array[float] = field(default_factory=lambda: array("d"))
    _longest: tuple[float, int] = (0.0, 0)
    _came: Counter[int] = field(default_factory=Counter)
    _left: Counter[int] = field(default_factory=Counter)
    _given: Counter[int] = field(default_factory=Counter)
    _by_user: Counter[str] = field(default_factory=Counter)
    _used: list[tuple[int, str, UserUse]] = field(default_factory=list)
    _drafts: int = 0
    _active: int = 0

    @property
    def until(self) -> float:
        return self.row.ended or self.now

    @property
    def _width(self) -> float:
        return max((self.until - self.row.started) / INTERVALS, 1.0)

    def walk(self) -> Iterator[None]:
        """A slice at each step."""
        low, high = int(id_at(self.row.started - _FORMER)), int(id_at(self.until))
        look = LedgerLook(engine=self.engine, domain=self.domain, low=low, high=high, each=self._mail)
        yield from look.walk()
        yield from self._log()
        yield from self._users()
        self.result = self._evidence(look)

    def _mail(self, message_id: int, row: LedgerRow) -> bool:
        """One ledger row; whether it belongs to the outage."""
        arrived = id_seconds(message_id)
        if ends_here(row):
            self._copies += arrived >= self.row.started
            return False
        story = [*((fate, at) for fate, at, _ in row.history), (row.fate, row.at)]
        # What was sent again later has had its fate all the same.
        fate, at = next(((fate, at) for fate, at in story if fate not in OPEN_FATES), (row.fate, row.at))
        decided = fate not in OPEN_FATES
        if arrived < self.row.started and decided and at < self.row.started:
            return False
        if row.kind == "sent":
            self._sent_back[fate] += 1
            return True
        if arrived < self.row.started:
            self._waited += 1
        else:
            self._received += 1
            self._came[self._interval(arrived)] += 1
            self._by_user[key_of(row.recipient)] += 1
        self._fates[fate] += 1
        if fate == Fate.DELIVERED:
            delay = max(at - arrived, 0.0)
            self._delays.append(delay)
            self._longest = max(self._longest, (delay, message_id))
            if at <= self.until:
                self._given[self._interval(at)] += 1
        return True

    def _interval(self, at: float) -> int:
        return min(int((at - self.row.started) / self._width), INTERVALS - 1)

    def _log(self) -> Iterator[None]:
        """What users of the domain sent."""
        last = 0
        for bucket in self.engine.read(keys.LOG, lambda snap: snap.buckets()):
            if bucket_class(bucket) != CLASS_LOG:
                continue
            at: bytes | None = log_keys.event_prefix(int(id_at(self.row.started)))
            while at is not None:
                high = log_keys.event_prefix(int(id_at(self.until)))
                events, at = self.engine.read(keys.LOG, partial(_events, bucket=bucket, low=at, high=high))
                for event in events:
                    # One with many recipients has several.
                    if self._is_theirs(event) and event.message_id != last:
                        last = event.message_id
                        self._sent += 1
                        self._left[self._interval(event.at)] += 1
                yield

    def _is_theirs(self, event: LogEvent) -> bool:
        theirs = key_of(event.fields.get("account", event.sender)).rpartition("@")[2] == self.domain
        return event.kind == "accepted" and theirs and event.fields.get("origin") in ("submission", "outward")

    def _users(self) -> Iterator[None]:
        for account in users_of(self.engine, self.domain):
            done = self.engine.read(
                keys.user_scope(account.id), partial(activity, since=self.row.started, until=self.until)
            )
            known = self.engine.read(keys.LOGINS, partial(logins.last_logins, account_id=account.id))
            used = {service: at for service, at in known.items() if at >= self.row.started}
            self._user(account.address, done, used)
            yield

    def _user(self, address: str, done: Activity, used: dict[str, float]) -> None:
        self._drafts += done.drafts
        if not done and not used:
            return
        self._active += 1
        use = UserUse(
            address=address,
            received=self._by_user[key_of(address)],
            sent=done.sent,
            read=done.read,
            filed=done.filed,
            deleted=done.deleted,
            drafts=done.drafts,
            logins=used,
        )
        rank = done.read + done.filed + done.deleted + 2 * done.sent + done.drafts + len(used)
        insort(self._used, (-rank, address, use), key=lambda one: one[:2])
        del self._used[MOST_USERS:]

    def _evidence(self, look: LedgerLook) -> Evidence:
        scope = keys.domain_scope(self.domain)
        steps = self.engine.read(scope, partial(outages.transitions, since=self.row.started))
        mine = [step for step in reversed(steps) if step.outage == self.row.id]
        fates = {fate.value: self._fates[fate.value] for fate in Fate if fate is not Fate.ATTEMPTED}
        fates[Fate.HELD.value] += self._fates[Fate.ATTEMPTED.value]
        return Evidence(
            outage=self.row.id,
            domain=self.domain,
            started=self.row.started,
            answered=self.row.answered,
            ended=self.row.ended,
            counted=self.now,
            cause=self.row.cause,
            steps=tuple(
                Step(at=one.at, before=one.before, after=one.after, by=one.by, cause=one.cause[:300])
                for one in mine[:MOST_STEPS]
            ),
            received=self._received,
            waited=self._waited,
            fates=fates,
            balanced=look.holds and self._received + self._waited == sum(fates.values()),
            wrong=tuple(look.wrong[:MOST_WRONG]),
            longest_delay=self._longest[0],
            longest_message=id_text(self._longest[1]) if self._longest[1] else "",
            median_delay=median(self._delays) if self._delays else 0.0,
            sent=self._sent,
            sent_back={name: count for name, count in sorted(self._sent_back.items()) if count},
            copies=self._copies,
            drafts=self._drafts,
            active=self._active,
            users=tuple(use for _, _, use in self._used),
            timeline=Timeline(
                start=self.row.started,
                seconds=self._width,
                received=_series(self._came),
                sent=_series(self._left),
                delivered=_series(self._given),
            ),
        )


def _series(counts: Counter[int]) -> tuple[int, ...]:
    return tuple(counts[at] for at in range(INTERVALS))


def _events(snap: Snapshot, bucket: Bucket, low: bytes, high: bytes) -> tuple[list[LogEvent], bytes | None]:
    rows = snap.range(bucket, low, high, limit=_STEP)
    return [decode(value, LogEvent) for _, value in rows], rows[-1][0] + b"\0" if len(rows) == _STEP else None


_NAME = "counted"


def kept(row: OutageRow) -> Evidence | None:
    """What was counted when the outage ended; None when nothing was yet, or in a form of another version."""
    text = row.evidence.get(_NAME)
    try:
        return None if text is None else msgspec.json.decode(text, type=Evidence)
    except msgspec.DecodeError:
        return None


def count(engine: Engine, domain: str, row: OutageRow, now: float) -> Evidence:
    """Everything at once, for the command line."""
    counting = Counting(engine=engine, domain=domain, row=row, now=now)
    for _ in counting.walk():
        pass
    if counting.result is None:
        raise RuntimeError("a walk ends with a result")
    return counting.result


class EvidenceKeeper:
    """Counts each outage when it is over, and again, ever less often, while some of its mail is still on its way.

    ``walk`` is one look at all domains, a slice at each step.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def walk(self) -> Iterator[None]:
        for domain in all_domains(self._engine):
            if not domain.primaries:
                continue
            scope = keys.domain_scope(domain.name)
            for row in self._engine.read(scope, partial(outages.outages, limit=10)):
                if not self._is_due(row):
                    continue
                counting = Counting(engine=self._engine, domain=domain.name, row=row, now=self._clock.now())
                yield from counting.walk()
                if counting.result is not None:
                    self._engine.transact(scope, partial(_keep, outage_id=row.id, evidence=_text(counting.result)))
            yield

    def _is_due(self, row: OutageRow) -> bool:
        known = kept(row)
        if not row.ended or known is None:
            return bool(row.ended)
        return known.has_open and self._clock.now() >= known.counted + max(known.counted - row.ended, RECOUNT)


def _text(evidence: Evidence) -> str:
    """As JSON, with as many users and steps as a value of the store holds."""
    text = msgspec.json.encode(evidence)
    while len(text) > _LARGEST and (evidence.users or evidence.steps):
        evidence = msgspec.structs.replace(
            evidence,
            users=evidence.users[: len(evidence.users) // 2],
            steps=evidence.steps[: max(len(evidence.steps) // 2, 20)] if evidence.users else (),
        )
        text = msgspec.json.encode(evidence)
    return text.decode()


def _keep(txn: Txn, outage_id: int, evidence: str) -> None:
    row = outages.outage(txn, outage_id)
    if row is not None and row.ended:
        outages.put_outage(txn, msgspec.structs.replace(row, evidence={_NAME: evidence}))
