"""scripts/bench store: what the store does in a second, on this disk.

Durable deliveries at several group sizes, a mailbox of 10,000 messages over 30 buckets, and the expiry of one day
beside the same rows in SQLite. Everything is written to a temporary folder on the disk of --folder.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from side_by_side.cost import disk_written

from xtramail.delivery.retention import CHUNK
from xtramail.model.bucket import CLASS_LOG, PERMANENT, Bucket, bucket_of
from xtramail.model.clock import day_start
from xtramail.model.outcome import Fate
from xtramail.model.pending import Pending
from xtramail.store import bodies, keys, mailboxes, messages, outbound, schema, search_texts, tracking
from xtramail.store.accounts import put_account
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.message_row import BodyRef, MessageRow
from xtramail.store.messages import NewMessage
from xtramail.store.records import Account, LedgerRow, LogEvent, QueueEntry, QueueRecipient

BODY_OCTETS = 25_000
FIRST_DAY = 2_500
DAYS = 30
STEP = 500
CLASS = 16

HEADER = b"Subject: a message\r\nFrom: ann@example.net\r\nTo: ben@example.org\r\n\r\n"
ENVELOPE = (
    b'("Sat, 21 Nov 2026 09:00:00 +0000" "a message of ordinary length" (("Ann Example" NIL "ann" "example.net")) '
    b'(("Ann Example" NIL "ann" "example.net")) (("Ann Example" NIL "ann" "example.net")) '
    b'(("Ben Example" NIL "ben" "example.org")) NIL NIL NIL "<0123456789abcdef@example.net>")'
)
STRUCTURE = b'(("TEXT" "PLAIN" ("CHARSET" "UTF-8") NIL NIL "8BIT" 24000 400 NIL NIL NIL NIL) "ALTERNATIVE" NIL NIL NIL)'


def day_bucket(day: int) -> Bucket:
    return bucket_of(FIRST_DAY + day, CLASS)


class Reader:
    """The reader's thread, in place of a reactor: runs what the writer delivers."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def deliver(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def run_one(self) -> None:
        self._calls.get(timeout=60)()


# Made once: parsing, compressing and rendering are not the store's.
SEARCH_TEXT = "ordinary words of an ordinary message " * 60


def chunks() -> list[tuple[int, bytes]]:
    return [(0, bodies.encode_chunk(HEADER)), (1, b"\0" + os.urandom(BODY_OCTETS - len(HEADER)))]


def new_row(number: int, bucket: Bucket) -> MessageRow:
    return MessageRow(
        size=BODY_OCTETS,
        internaldate=1_790_000_000 + number,
        body=BodyRef(bucket=bucket, id=number, size=BODY_OCTETS, header_length=len(HEADER)),
        object_id=number,
        header_length=len(HEADER),
        envelope=ENVELOPE,
        bodystructure=STRUCTURE,
        body_structure_plain=STRUCTURE,
        preview="first words of the text, as many as a preview has, which is two hundred characters at the most",
        message_id=f"<{number}@example.net>",
        subject="a message of ordinary length",
    )


def add_account(engine: LmdbEngine, number: int, now: float, wait: Callable[[Pending[Any]], Any]) -> None:
    account = Account(
        id=number,
        address=f"user{number}@example.org",
        password="",
        quota=0,
        status="active",
        kind="user",
        created=now,
        password_changed=now,
    )

    def begin(txn: Txn) -> None:
        put_account(txn, account)
        mailboxes.ensure_special(txn, now)

    wait(engine.transact(keys.user_scope(number), begin))


def settle(pending: Pending[Any]) -> Any:
    return pending.result()


class Delivery:
    """One delivery with every record that a real one has, or with its body and two rows only."""

    def __init__(self, engine: LmdbEngine, users: int, *, whole: bool) -> None:
        self._engine = engine
        self._users = users
        self._whole = whole
        self._body = chunks()
        self._bucket = day_bucket(0)
        self._now = float(day_start(FIRST_DAY))

    def __call__(self, number: int) -> Pending[Any]:
        user = keys.user_scope(1 + number % self._users)
        parts: list[tuple[bytes, Callable[[Txn], Any]]] = [(keys.BODY, partial(self._put_body, number))]
        if self._whole:
            row = new_row(number, self._bucket)
            parts.append((user, partial(self._put_mail, row)))
            parts.append((keys.QUEUE, partial(self._put_queue, number, row.body)))
            parts.append((keys.LOG, partial(self._put_log, number)))
        else:
            parts.append((user, partial(self._put_two, new_row(number, self._bucket), number)))
        return self._engine.transact_all(parts)

    def _put_body(self, number: int, txn: Txn) -> None:
        bodies.put_chunks(txn, self._bucket, number, self._body)
        if self._whole:
            search_texts.put_search_text(txn, self._bucket, number, search_texts.prepare(SEARCH_TEXT), [1])

    def _put_two(self, row: MessageRow, number: int, txn: Txn) -> None:
        txn.put(self._bucket, keys.message(1, number), row.encoded)
        txn.put(self._bucket, keys.flags(1, number), b"\0" * 13)

    def _put_mail(self, row: MessageRow, txn: Txn) -> None:
        mailboxes.ensure_special(txn, self._now)
        inbox = mailboxes.mailbox_by_name(txn, "INBOX")
        assert inbox is not None
        messages.add(txn, inbox.id, self._bucket, NewMessage(row=row), self._now)

    def _put_queue(self, number: int, ref: BodyRef, txn: Txn) -> None:
        entry = QueueEntry(
            id=number,
            message_id=number,
            destination="example.org",
            kind="primary",
            body=ref,
            reverse_path="ann@example.net",
            arrival=self._now + number,
            due=self._now + number,
            expires=self._now + 1e6,
            recipients=(QueueRecipient(address="ben@example.org"),),
        )
        outbound.enqueue(txn, entry)
        row = LedgerRow(fate=Fate.HELD, at=self._now, destination="example.org")
        outbound.ledger_put(txn, self._bucket, number, "ben@example.org", row)

    def _put_log(self, number: int, txn: Txn) -> None:
        event = LogEvent(
            at=self._now,
            message_id=number,
            kind="accepted",
            sender="ann@example.net",
            recipients=("ben@example.org",),
            fields={tracking.MESSAGE_ID_FIELD: f"<{number}@example.net>"},
        )
        tracking.record(txn, bucket_of(FIRST_DAY, CLASS_LOG), event)


def use_pages(engine: LmdbEngine, octets: int, wait: Callable[[Pending[Any]], Any]) -> None:
    """Fill and empty a day, so that what is written next goes into pages that a day's expiry left: the steady state."""
    bucket = day_bucket(-1)
    piece = [b"\0" + os.urandom(60_000)] * 16
    for number in range(octets // 960_000):
        wait(engine.append_body(bucket, number, 0, piece))
    wait(engine.drop_bucket(bucket, 1))
    while wait(engine.sweep_bucket(bucket, CHUNK)):
        pass


def deliveries(folder: Path, group: int, seconds: float, *, whole: bool, steady: bool) -> tuple[float, float]:
    """Durable deliveries a second with ``group`` under way at once, and messages in one commit.

    ``steady``: into pages that expiry left, as on a server older than its retention; else the file grows all the time.
    """
    reader = Reader()
    engine = LmdbEngine(folder, create=True, deliver=reader.deliver)

    def wait(pending: Pending[Any]) -> Any:
        while not pending.done:
            reader.run_one()
        return pending.result()

    schema.open_format(engine)
    users = 200
    for number in range(1, users + 1):
        add_account(engine, number, float(day_start(FIRST_DAY)), wait)
    if steady:
        use_pages(engine, int(seconds * 8_000 * 30_000), wait)
    deliver = Delivery(engine, users, whole=whole)
    under_way, number, done = 0, 1, 0
    groups = engine.figures.groups
    began = time.perf_counter()
    end = began + seconds

    def settled(pending: Pending[Any]) -> None:
        nonlocal under_way, done
        pending.result()
        under_way -= 1
        done += 1

    while time.perf_counter() < end or under_way:
        while under_way < group and time.perf_counter() < end:
            under_way += 1
            deliver(number).when_done(settled)
            number += 1
        reader.run_one()
    took = time.perf_counter() - began
    per_commit = done / max(engine.figures.groups - groups, 1)
    engine.close()
    return done / took, per_commit


def median_of(function: Callable[[], Any], rounds: int) -> float:
    """Median seconds of one call."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def mailbox(folder: Path, count: int) -> list[tuple[str, str]]:
    """Times of looking at one mailbox of ``count`` messages over 30 buckets."""
    engine = LmdbEngine(folder, create=True)
    schema.open_format(engine)
    now = float(day_start(FIRST_DAY))
    add_account(engine, 1, now, settle)
    scope = keys.user_scope(1)

    def fill(numbers: range, txn: Txn) -> None:
        for number in numbers:
            bucket = day_bucket(number * DAYS // count)
            messages.add(txn, 1, bucket, NewMessage(row=new_row(number + 1, bucket)), now + number)

    for first in range(0, count, STEP):
        engine.transact(scope, partial(fill, range(first, min(first + STEP, count)))).result()

    def listing(snap: Snapshot) -> int:
        inbox = messages.require(snap, 1)
        return sum(len(messages.bucket_look(snap, 1, bucket).rows) for bucket, _, _ in inbox.buckets)

    def summaries(snap: Snapshot) -> int:
        inbox = messages.require(snap, 1)
        octets = 0
        for bucket, low, high in inbox.buckets:
            for _, row in messages.message_rows(snap, 1, bucket, low, high):
                octets += len(row.envelope) + row.size + row.internaldate
        return octets

    def unchanged(snap: Snapshot) -> int:
        return len(messages.counters(snap, messages.require(snap, 1)))

    rows = []
    for text, function, rounds in (
        ("list UIDs and flags", listing, 20),
        ("fetch summaries", summaries, 20),
        ("look, nothing changed", unchanged, 200),
    ):
        seconds = median_of(partial(engine.read, scope, function), rounds)
        rows.append((f"{text}, {count} messages, {DAYS} buckets", times(seconds, count)))
    engine.close()
    return rows


def times(seconds: float, count: int) -> str:
    return f"{seconds * 1e3:.2f} ms ({seconds / count * 1e6:.2f} us a message)"


@dataclass(frozen=True)
class Written:
    """Octets written: as the kernel charges this process, and as the whole disk has taken them.

    Kernels with large folios (6.16 on) charge a whole folio for each page written over, so that small writes count
    many times; the disk's own counter is right, but has everybody's writes in it.
    """

    charged: int
    disk: int

    @classmethod
    def now(cls, folder: Path) -> Written:
        lines = Path("/proc/self/io").read_text().splitlines()
        charged = next((int(line.split()[1]) for line in lines if line.startswith("write_bytes")), 0)
        return cls(charged=charged, disk=disk_written(folder) or 0)

    def since(self, before: Written) -> str:
        charged, disk = self.charged - before.charged, self.disk - before.disk
        return f"{charged / 1e6:.1f} MB written ({disk / 1e6:.1f} MB to the disk)"


def expiry_rows(day: int, count: int, body: bytes) -> Iterator[tuple[Bucket, bytes, bytes, bytes]]:
    """What a day's messages leave in a bucket: body, message row, flags, look-up by Message-ID."""
    bucket = day_bucket(day)
    for number in range(count):
        user = keys.user_scope(1 + number % 200)
        row = new_row(day * 1_000_000 + number, bucket)
        yield bucket, keys.BODY, keys.body_chunk(row.object_id, 1), body
        yield bucket, user, keys.message(1, row.object_id), row.encoded
        yield bucket, user, keys.flags(1, row.object_id), b"\0" * 13
        yield bucket, user, keys.message_id(row.message_id, 1, row.object_id), b"\0" * 16


def batches(rows: Iterator[tuple[Bucket, bytes, bytes, bytes]]) -> Iterator[list[tuple[Bucket, bytes, bytes, bytes]]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == 2_000:
            yield batch
            batch = []
    if batch:
        yield batch


def expire_lmdb(folder: Path, count: int, others: int) -> tuple[float, float, str]:
    """Seconds, longest hold of the write lock, and what was written, for one day of ``count`` messages."""
    engine = LmdbEngine(folder, create=True)
    body = os.urandom(BODY_OCTETS)

    def put(batch: list[tuple[Bucket, bytes, bytes, bytes]]) -> None:
        by_scope: dict[bytes, list[tuple[Bucket, bytes, bytes]]] = {}
        for bucket, scope, key, value in batch:
            by_scope.setdefault(scope, []).append((bucket, key, value))

        def part(rows: list[tuple[Bucket, bytes, bytes]], txn: Txn) -> None:
            for bucket, key, value in rows:
                txn.put(bucket, key, value)

        engine.transact_all([(scope, partial(part, rows)) for scope, rows in by_scope.items()]).result()

    for day in range(DAYS):
        for batch in batches(expiry_rows(day, count if day == 0 else others, body)):
            put(batch)
    engine.figures.longest_hold = 0.0
    os.sync()
    before, began = Written.now(folder), time.perf_counter()
    engine.drop_bucket(day_bucket(0), 1).result()
    while engine.sweep_bucket(day_bucket(0), CHUNK).result():
        pass
    took = time.perf_counter() - began
    octets = Written.now(folder).since(before)
    longest = engine.figures.longest_hold
    engine.close()
    return took, longest, octets


def expire_sqlite(folder: Path, count: int, others: int) -> tuple[float, float, str]:
    """The same in SQLite: WAL, synchronous=FULL, one table clustered by the same key."""
    folder.mkdir()
    base = sqlite3.connect(folder / "mail.sqlite", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute(
        "CREATE TABLE mail (bucket INTEGER, scope BLOB, key BLOB, value BLOB, PRIMARY KEY (bucket, scope, key)) "
        "WITHOUT ROWID"
    )
    body = os.urandom(BODY_OCTETS)
    for day in range(DAYS):
        for batch in batches(expiry_rows(day, count if day == 0 else others, body)):
            base.execute("BEGIN IMMEDIATE")
            base.executemany("INSERT INTO mail VALUES (?, ?, ?, ?)", batch)
            base.execute("COMMIT")
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    bucket = day_bucket(0)
    longest = 0.0
    os.sync()
    before, began = Written.now(folder), time.perf_counter()
    while True:
        start = time.perf_counter()
        base.execute("BEGIN IMMEDIATE")
        edge = base.execute(
            "SELECT scope, key FROM mail WHERE bucket = ? ORDER BY scope, key LIMIT 1 OFFSET ?", (bucket, CHUNK - 1)
        ).fetchone()
        if edge is None:
            base.execute("DELETE FROM mail WHERE bucket = ?", (bucket,))
        else:
            base.execute("DELETE FROM mail WHERE bucket = ? AND (scope, key) <= (?, ?)", (bucket, *edge))
        base.execute("COMMIT")
        longest = max(longest, time.perf_counter() - start)
        if edge is None:
            break
    # Without the checkpoint the pages would only be in the log.
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    took = time.perf_counter() - began
    octets = Written.now(folder).since(before)
    base.close()
    return took, longest, octets


def drop_cost(folder: Path, accounts: int) -> float:
    """Seconds with the write lock held for one drop mark, which looks at every account's clock."""
    engine = LmdbEngine(folder, create=True)
    for first in range(1, accounts + 1, 1_000):
        engine.transact_all(
            [
                (keys.user_scope(number), lambda txn: txn.put(PERMANENT, keys.CLOCK, b"\0" * 20))
                for number in range(first, first + 1_000)
            ]
        ).result()
    engine.figures.longest_hold = 0.0
    engine.drop_bucket(day_bucket(0), 1).result()
    longest = engine.figures.longest_hold
    engine.close()
    return longest


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench store", description=__doc__)
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each delivery round")
    parser.add_argument("--expire", type=int, default=20_000, help="messages of the day that expires")
    parser.add_argument("--others", type=int, default=500, help="messages of each of the other 29 days")
    parser.add_argument("--messages", type=int, default=10_000, help="messages of the mailbox")
    parser.add_argument("--accounts", type=int, default=10_000, help="accounts of the store that drops a day")
    options = parser.parse_args()
    table = Table("what", "result", box=None)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="xtramail-bench-") as name:
        folder = Path(name)
        for whole, text in ((True, "every record"), (False, "body and two rows")):
            for group in (1, 8, 64):
                rates = []
                for steady in (True, False):
                    place = folder / f"deliver-{whole}-{group}-{steady}"
                    rate, size = deliveries(place, group, options.seconds, whole=whole, steady=steady)
                    rates.append(rate)
                    shutil.rmtree(place)
                table.add_row(
                    f"durable 25 KB deliveries, {text}, {group} at once",
                    f"{rates[0]:.0f} /s ({size:.1f} a commit); {rates[1]:.0f} /s while the file grows",
                )
        for what, result in mailbox(folder / "mailbox", options.messages):
            table.add_row(what, result)
        held = drop_cost(folder / "drop", options.accounts)
        table.add_row(f"drop mark with {options.accounts} accounts, lock held", f"{held * 1e3:.1f} ms")
        for what, expire in (("LMDB", expire_lmdb), ("SQLite, WAL, synchronous=FULL", expire_sqlite)):
            took, longest, octets = expire(folder / f"expire-{what[:4]}", options.expire, options.others)
            table.add_row(
                f"expire {options.expire} of {options.expire + 29 * options.others} messages, {what}",
                f"{took * 1e3:.0f} ms, longest lock {longest * 1e3:.1f} ms, {octets}",
            )
    # Never narrower than its longest line, also when it is piped into a file.
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
