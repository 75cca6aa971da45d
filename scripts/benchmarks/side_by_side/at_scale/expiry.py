"""One day in thirty expires: what that costs a message, here as the retention job does it, there by doveadm.

What is written is what the disk was given from one sync to the next, the file system's journal too.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xtramail.delivery.retention import CHUNK
from xtramail.model.bucket import FIRST_DOMAIN_CLASS, bucket_at
from xtramail.model.clock import DAY_SECONDS
from xtramail.model.pending import drive
from xtramail.store import keys, mailboxes, retention, schema
from xtramail.store.accounts import put_account
from xtramail.store.engine import Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.records import Account

from ..client import Client
from ..cost import disk, disk_written, processor_seconds
from ..dovecot import Dovecot
from ..rows import Row, Sample
from .filling import DAYS, Filling, append_month, patterns

PROCESSOR, WRITTEN, LOCK, DISK = "expiry", "expiry, written", "expiry, longest lock", "disk for a message of a mailbox"
ACCOUNTS = 100
NOW = 1_790_000_000.0
USER = "ann@example.test"


@dataclass(slots=True, kw_only=True)
class Expired:
    """What an expiry of ``messages`` took: processor seconds, octets that the disk was given, elapsed seconds."""

    messages: int
    processor: float
    written: int | None
    """None where nobody counts them."""
    elapsed: float

    def rows(self) -> dict[str, Row]:
        count = self.messages
        rows = {PROCESSOR: one(PROCESSOR, "message", self.processor * 1e6 / count, count / self.elapsed)}
        if self.written is not None:
            rows[WRITTEN] = one(WRITTEN, "KiB a message", self.written / 1024 / count)
        return rows


def one(name: str, unit: str, cost: float, rate: float = 0.0) -> Row:
    """A row that was measured once."""
    return Row(name=name, unit=unit, samples=[Sample(cost=cost, rate=rate)])


def ours(folder: Path, messages: int, others: int, kinds: int) -> dict[str, Row]:
    """A store in which ``messages`` are of the day that expires, and ``others`` of each of the other twenty-nine."""
    engine = LmdbEngine(folder / "expiry", create=True)
    schema.open_format(engine)
    for number in range(1, ACCOUNTS + 1):
        engine.transact(keys.user_scope(number), _account(number)).result()
    filling = Filling(engine, patterns(engine, kinds), now=NOW, first_id=1)
    for day in range(DAYS):
        count = messages if day == 0 else others
        for number in range(ACCOUNTS):
            share = (number + 1) * count // ACCOUNTS - number * count // ACCOUNTS
            if share:
                filling.group(number + 1, NOW - (DAYS - 1 - day) * DAY_SECONDS, share)
    bucket = bucket_at(NOW - (DAYS - 1) * DAY_SECONDS, FIRST_DOMAIN_CLASS)
    filled = engine.used_bytes() / (messages + (DAYS - 1) * others)
    engine.figures.longest_hold = 0.0
    before, spent, began = _given(folder), time.process_time(), time.perf_counter()
    # As RetentionJob does, without its clock and its quarter of an hour between the drop and the rest.
    drive(retention.move_open_bodies(engine, bucket, NOW))
    engine.drop_bucket(bucket, int(NOW * 1e6)).result()
    while engine.sweep_bucket(bucket, CHUNK).result():
        pass
    processor, elapsed = time.process_time() - spent, time.perf_counter() - began
    found = Expired(messages=messages, processor=processor, written=_since(before, folder), elapsed=elapsed)
    longest = engine.figures.longest_hold
    engine.close()
    rows = found.rows()
    rows[LOCK] = one(LOCK, "elapsed", longest * 1e6)
    rows[DISK] = one(DISK, "KiB", filled / 1024)
    return rows


def _account(number: int) -> Callable[[Txn], None]:
    account = Account(
        id=number,
        address=f"user{number}@example.test",
        password="",
        quota=0,
        status="active",
        kind="user",
        created=NOW,
        password_changed=NOW,
    )

    def write(txn: Txn) -> None:
        put_account(txn, account)
        mailboxes.ensure_special(txn, NOW)

    return write


def theirs(server: Dovecot, corpus: Sequence[bytes], messages: int) -> dict[str, Row]:
    """A mailbox of ``messages``, every thirtieth old enough; its server runs, empty."""
    now = time.time()
    before_loading = disk(server.mail)
    append_month(server, USER, corpus, messages)
    loaded = disk(server.mail) - before_loading
    old = sum(number * DAYS // messages == 0 for number in range(messages))
    # The day of the second oldest: BEFORE looks at days alone, whatever the time of day is now (RFC 9051 §6.4.4).
    limit = time.strftime("%Y-%m-%d", time.gmtime(now - (DAYS - 2) * DAY_SECONDS))
    before = _given(server.mail)
    own, children = processor_seconds(server.pid), resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    server.administer("expunge", "-u", USER, "mailbox", "INBOX", "before", limit)
    server.administer("purge", "-u", USER)
    elapsed = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    processor = spent + processor_seconds(server.pid) - own
    found = Expired(messages=old, processor=processor, written=_since(before, server.mail), elapsed=elapsed)
    client = Client(server.port, server.context)
    client.login(USER)
    left = int(client.command(b"STATUS INBOX (MESSAGES)").partition(b"MESSAGES ")[2].partition(b")")[0])
    client.logout()
    if left != messages - old:
        raise RuntimeError(f"{server.name}: {left} messages are left of {messages}, of which {old} were to go")
    return {**found.rows(), DISK: one(DISK, "KiB", loaded / messages / 1024)}


def _given(folder: Path) -> int | None:
    """To the disk below ``folder``, all that was written before among it."""
    os.sync()
    return disk_written(folder)


def _since(before: int | None, folder: Path) -> int | None:
    after = _given(folder)
    return None if before is None or after is None else after - before
