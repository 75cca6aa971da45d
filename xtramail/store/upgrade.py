"""A store from one format to the next: a step rewrites rows, batch by batch, and knows after any death where it was.

Owns walking the rows, what a step may do, and the row that says how far it is. Which steps there are is
``upgrade_steps``'s, the backup before them ``app/upgrade``'s.

The number of the new format is written first, with the row of how far it is: from then on no version opens the store,
the old one because it is newer, the new one because it is not finished. A batch and the place behind it are one commit,
so no row is changed twice. Nobody else may use the store meanwhile (``server_lock``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import Corrupt, FormatMismatch, StoreFault
from xtramail.store import checksum, keys, schema
from xtramail.store.drops import NOTHING_DROPPED, DropMap, read_drops
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.records import Record, decode, encode, encode_number
from xtramail.store.rows import Rows, WriteRows, physical, split
from xtramail.store.snapshot import check_length
from xtramail.telemetry.crashpoint import reach

BATCH_ROWS = 2_000
BATCH_OCTETS = 4 << 20
"""Of one commit; bounds memory, and what is done again after a death."""


class Place(NamedTuple):
    """Where a row is; ``key`` as ``keys`` makes it."""

    bucket: Bucket
    scope: bytes
    key: bytes


Row = tuple[Place, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From format ``before`` to the next one."""

    before: int
    title: str
    """What is another afterwards, for people."""
    scopes: tuple[bytes, ...]
    """What names of scopes begin with whose rows it looks at (``keys.USER_PREFIX``); others cost a seek."""
    takes: Callable[[Place], bool]
    """Which of their rows it changes, by their place alone."""
    change: Callable[[Place, bytes], Sequence[Row] | None]
    """The rows in the place of one: none takes it away, None leaves it as it is. It depends on nothing else.

    A row that it would take itself may only be written where the walk has passed, at or before the place given.
    """


class Upgrading(Record, frozen=True):
    """How far a step is."""

    before: int
    after: bytes = b""
    """Physical key: rows up to it are done."""
    looked: int = 0
    changed: int = 0
    damaged: int = 0
    backup: str = ""
    """Folder of the backup that was made first."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """What came of a step, or would come."""

    before: int
    title: str
    looked: int
    changed: int
    damaged: int
    """Rows that do not match their checksum: left as they are."""


Progress = Callable[[StepDone], None]


def unfinished(snap: Snapshot) -> Upgrading | None:
    """The step that was begun and has not ended."""
    value = snap.get(PERMANENT, keys.UPGRADE)
    return decode(value, Upgrading) if value is not None else None


def path(
    found: int | None, begun: Upgrading | None, steps: Sequence[Step], *, to: int, without: Mapping[int, str]
) -> list[Step]:
    """The steps that lead from what a store has to format ``to``; none when it has that.

    FormatMismatch for a newer one, and where a step is missing; ``without`` says of a format what to do instead.
    """
    if found is None:
        return []
    if found > to:
        schema.check_format(found)
    first = begun.before if begun is not None else found
    by_format = {step.before: step for step in steps}
    for number in range(first, to):
        if number not in by_format:
            advice = without.get(
                number, "install the versions between the one that wrote it and this one, and run each one's upgrade"
            )
            raise FormatMismatch(
                f"the store has format {first}, and this version knows no way from format {number} to {number + 1}; "
                f"nothing was changed. {advice}"
            )
    return [by_format[number] for number in range(first, to)]


def run(
    engine: LmdbEngine, steps: Sequence[Step], *, backup: str = "", progress: Progress = lambda done: None
) -> list[StepDone]:
    """Carry ``steps`` out, going on where one was left. StoreFull and StoreFault leave it to be run again."""
    if steps and engine.read(keys.STORE, unfinished) is None:
        first = Upgrading(before=steps[0].before, backup=backup)
        engine.transact(keys.STORE, lambda txn: _begin(txn, first)).result()
    return [_carry_out(engine, step, step is not steps[-1], progress) for step in steps]


def _carry_out(engine: LmdbEngine, step: Step, followed: bool, progress: Progress) -> StepDone:
    reach("upgrade.begun")
    state = engine.read(keys.STORE, unfinished)
    if state is None or state.before != step.before:
        raise StoreFault("The store is not where its upgrade has left it: somebody else writes into it.")
    more = True
    while more:
        state, more = _advance(engine, step, state)
        progress(_done(step, state))
        reach("upgrade.after-batch")
    reach("upgrade.before-end")
    # The next step begins in the same commit: what was backed up is the store before the first of them.
    follows = Upgrading(before=step.before + 1, backup=state.backup) if followed else None
    engine.transact(keys.STORE, lambda txn: _begin(txn, follows) if follows is not None else _end(txn)).result()
    reach("upgrade.after-end")
    return _done(step, state)


def _begin(txn: Txn, state: Upgrading) -> None:
    txn.put(PERMANENT, keys.FORMAT_NUMBER, encode_number(state.before + 1))
    txn.put(PERMANENT, keys.UPGRADE, encode(state))


def _end(txn: Txn) -> None:
    txn.delete(PERMANENT, keys.UPGRADE)


def _done(step: Step, state: Upgrading) -> StepDone:
    return StepDone(step.before, step.title, state.looked, state.changed, state.damaged)


def _advance(engine: LmdbEngine, step: Step, state: Upgrading) -> tuple[Upgrading, bool]:
    """One commit; where it is now, and whether there is more."""

    def work(rows: WriteRows, drops: Callable[[], DropMap]) -> tuple[Upgrading, bool]:
        # Read before anything is written: no cursor stands among rows that change.
        batch = _batch(rows, state.after + b"\0" if state.after else b"", step.scopes, drops())
        changed = damaged = 0
        for key, sealed in batch:
            place = Place(*split(key))
            if not step.takes(place):
                continue
            try:
                after = step.change(place, checksum.unseal(key, sealed))
            except Corrupt:
                damaged += 1
                continue
            if after is not None:
                changed += 1
                _replace(rows, step, key, after)
        now = replace(
            state,
            after=batch[-1][0] if batch else state.after,
            looked=state.looked + len(batch),
            changed=state.changed + changed,
            damaged=state.damaged + damaged,
        )
        _put(rows, physical(PERMANENT, keys.STORE, keys.UPGRADE), encode(now))
        reach("upgrade.before-commit")
        return now, bool(batch)

    found: tuple[Upgrading, bool] = engine.submit(work, None).result()
    return found


def _replace(rows: WriteRows, step: Step, key: bytes, after: Sequence[Row]) -> None:
    written = set()
    for place, value in after:
        new = physical(*place)
        if new > key and step.takes(place):
            raise ValueError(f"the step from format {step.before} writes a row that it would take again: {new.hex()}")
        _put(rows, new, value)
        written.add(new)
    if key not in written:
        rows.delete(key)


def _put(rows: WriteRows, key: bytes, value: bytes) -> None:
    check_length(len(key), len(value))
    rows.put(key, checksum.seal(key, value))


def _batch(rows: Rows, low: bytes, scopes: tuple[bytes, ...], drops: DropMap) -> list[tuple[bytes, bytes]]:
    """The next rows of ``scopes`` from ``low`` on, in order; none: there are no more."""
    found: list[tuple[bytes, bytes]] = []
    octets = 0
    for key, sealed in _wanted(rows, low, scopes, drops):
        found.append((key, sealed))
        octets += len(sealed)
        if len(found) == BATCH_ROWS or octets > BATCH_OCTETS:
            break
    return found


def _wanted(rows: Rows, low: bytes, scopes: tuple[bytes, ...], drops: DropMap) -> Iterator[tuple[bytes, bytes]]:
    at: bytes | None = low
    while at is not None and (key := rows.seek(at)) is not None:
        if key < at:
            raise StoreFault("The store cannot be read: its keys are out of order.")
        bucket, scope, _ = split(key)
        if bucket in drops.stamps:
            # Nobody sees them any more, and they are about to be swept.
            at = (bucket + 1).to_bytes(4, "big") if bucket < 0xFFFF_FFFF else None
            continue
        prefix = physical(bucket, scope, b"")
        at = prefix[:-1] + b"\1"
        if scope.startswith(scopes):
            for row in rows.ascending(key):
                if not row[0].startswith(prefix):
                    break
                yield row


def rehearse(
    engine: LmdbEngine, steps: Sequence[Step], begun: Upgrading | None, progress: Progress = lambda done: None
) -> list[StepDone]:
    """What :func:`run` would come to; changes nothing, and shows what a step would raise."""
    looked, changed, damaged = ([0] * len(steps) for _ in range(3))
    scopes = tuple({scope for step in steps for scope in step.scopes})
    low, passed = b"", begun.after if begun is not None else b""

    def through(rows: Iterable[Row], number: int) -> None:
        for place, value in rows:
            step = steps[number]
            after: Sequence[Row] | None = None
            if place.scope.startswith(step.scopes):
                looked[number] += 1
                after = step.change(place, value) if step.takes(place) else None
            changed[number] += after is not None
            if number + 1 < len(steps):
                through([(place, value)] if after is None else after, number + 1)

    def look(rows: Rows) -> bytes | None:
        batch = _batch(rows, low, scopes, read_drops(rows, NOTHING_DROPPED))
        for key, sealed in batch:
            # What the step that was begun has passed is in the form of the next one already.
            first = 1 if key <= passed else 0
            try:
                value = checksum.unseal(key, sealed)
            except Corrupt:
                damaged[0] += any(step.takes(Place(*split(key))) for step in steps)
                continue
            if first < len(steps):
                through([(Place(*split(key)), value)], first)
        return batch[-1][0] + b"\0" if batch else None

    def told() -> list[StepDone]:
        counts = zip(steps, looked, changed, damaged, strict=True)
        return [StepDone(step.before, step.title, *numbers) for step, *numbers in counts]

    while steps and (after := engine.look(look)) is not None:
        low = after
        progress(told()[0])
    return told()
