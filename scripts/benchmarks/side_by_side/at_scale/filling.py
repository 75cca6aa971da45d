"""Filling mailboxes quickly: ours with the rows that deliveries leave, in large groups; those of others by APPEND.

Or, where there are very many, with the files that a delivery agent leaves in a Maildir before anybody has looked.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tests.corpus import messages as realistic
from xtramail.model.bucket import FIRST_DOMAIN_CLASS, PERMANENT, Bucket, bucket_at
from xtramail.model.clock import DAY_SECONDS
from xtramail.model.message import Summary
from xtramail.store import bodies, keys, mailboxes, search_texts, tallies
from xtramail.store.engine import Engine, Txn
from xtramail.store.mailbox_rows import touched, with_uids
from xtramail.store.message_row import BodyRef, MessageRow
from xtramail.store.new_message import new_message
from xtramail.store.records import FlagRow, MailboxRow, encode_flags, encode_message_id
from xtramail.store.uids import take_uids
from xtramail.store.user_clock import next_modseq
from xtramail.wire.mime import Scanner

from ..client import Client
from ..dovecot import Dovecot
from ..servers import Server

DAYS = 30
STEP = 2_000
"""Messages in a commit."""
SMALLEST, LARGEST = 1_500, 6_000
_SEED = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A message, taken apart once and written many times."""

    octets: bytes
    summary: Summary
    body: BodyRef
    chunks: bodies.Tail
    searched: search_texts.Prepared


def patterns(engine: Engine, count: int) -> list[Pattern]:
    """``count`` different ones of SMALLEST to LARGEST octets; the same on every machine. Nothing is written."""
    fitting = (message for message in realistic(20 * count, _SEED) if SMALLEST <= len(message) <= LARGEST)
    return [_pattern(engine, message) for message in itertools.islice(fitting, count)]


def _pattern(engine: Engine, octets: bytes) -> Pattern:
    scanner, writer = Scanner(clock=time.monotonic), bodies.BodyWriter(engine, PERMANENT, 1)
    scanner.feed(octets)
    writer.write(octets)
    summary = scanner.finish()
    body, chunks = writer.finish()
    searched = search_texts.prepare(summary.search_text, summary.header_text)
    return Pattern(octets=octets, summary=summary, body=body, chunks=chunks, searched=searched)


class Filling:
    """Messages for INBOXes, spread evenly over the ``DAYS`` before ``now``."""

    def __init__(self, engine: Engine, kinds: Sequence[Pattern], *, now: float, first_id: int) -> None:
        """``first_id`` and all behind it are free for bodies."""
        self._engine = engine
        self._kinds = kinds
        self._now = now
        self._ids = itertools.count(first_id)

    def inbox(self, account: int, count: int, *, days: int = DAYS) -> None:
        """``count`` messages for one account, the oldest first, the last of them of today."""
        for day in range(days):
            at = self._now - (days - 1 - day) * DAY_SECONDS
            for group in _steps(day * count // days, (day + 1) * count // days):
                self.group(account, at, len(group))

    def group(self, account: int, at: float, count: int) -> None:
        """So many of one moment, in one commit."""
        bucket = bucket_at(at, FIRST_DOMAIN_CLASS)
        some = [(number, self._kinds[number % len(self._kinds)]) for number in itertools.islice(self._ids, count)]
        self._engine.transact_all(
            [(keys.BODY, _bodies(some, bucket, account)), (keys.user_scope(account), _rows(some, bucket, at))]
        ).result()


def append_month(server: Server, user: str, corpus: Sequence[bytes], count: int) -> None:
    """``count`` messages into the INBOX of a running server's user, the days as :meth:`Filling.inbox` has them."""
    client = Client(server.port, server.context)
    client.login(user)

    def dated() -> Iterator[tuple[bytes, bytes]]:
        for number, at in enumerate(_month(count)):
            place = time.strftime('INBOX "%d-%b-%Y %H:%M:%S +0000"', time.gmtime(at))
            yield place.encode(), corpus[number % len(corpus)]

    client.append_all(dated())
    client.logout()


def file_month(server: Dovecot, user: str, corpus: Sequence[bytes], count: int) -> None:
    """As :meth:`append_month`, of a user who has no mail yet, a hundred times as fast."""
    maildir = server.maildir(user)
    for folder in ("tmp", "new", "cur"):
        (maildir / folder).mkdir(parents=True)
    for number, at in enumerate(_month(count)):
        octets = corpus[number % len(corpus)]
        # Dovecot's own names: with the size as it is and with CRLF, which is the same here.
        file = maildir / "cur" / f"{int(at)}.M{number:06}P1.mail,S={len(octets)},W={len(octets)}:2,"
        file.write_bytes(octets)
        os.utime(file, (at, at))
    for path in (maildir.parent, maildir, *maildir.rglob("*")):
        shutil.chown(path, *server.owner)
    server.adopt(user, maildir)


def _month(count: int) -> Iterator[float]:
    """When each of ``count`` messages came: the oldest first, the last of them today."""
    now = time.time()
    return (now - (DAYS - 1 - number * DAYS // count) * DAY_SECONDS for number in range(count))


def _steps(first: int, end: int) -> Iterator[range]:
    for start in range(first, end, STEP):
        yield range(start, min(start + STEP, end))


Some = Sequence[tuple[int, Pattern]]


def _bodies(some: Some, bucket: Bucket, account: int) -> Callable[[Txn], None]:
    def write(txn: Txn) -> None:
        for number, kind in some:
            bodies.put_chunks(txn, bucket, number, kind.chunks)
            search_texts.put_search_text(txn, bucket, number, kind.searched, [account])

    return write


def _rows(some: Some, bucket: Bucket, at: float) -> Callable[[Txn], None]:
    def write(txn: Txn) -> None:
        found = mailboxes.mailbox_by_name(txn, "INBOX")
        assert found is not None
        _put(txn, found, bucket, [_row(number, kind, bucket, at) for number, kind in some], at)

    return write


def _row(number: int, kind: Pattern, bucket: Bucket, at: float) -> MessageRow:
    summary = replace(kind.summary, message_id=f"<{number}@filled.example>")
    body = replace(kind.body, bucket=bucket, id=number)
    new = new_message(summary, body=body, object_id=number, internaldate=at, source="smtp")
    return new.row.with_thread(number)


def _put(txn: Txn, inbox: MailboxRow, bucket: Bucket, rows: Sequence[MessageRow], at: float) -> None:
    """As ``messages.add`` does for one."""
    first, uidnext = take_uids(inbox, len(rows))
    modseq = next_modseq(txn, keys.micros(at))
    flags = encode_flags(FlagRow(modseq=modseq, flags=0, keywords=(), savedate=int(at)))
    change = tallies.CounterChange()
    placed = list(enumerate(rows, first))
    for _, row in placed:
        change.arrive(0, row.size)
    txn.put_all(bucket, [(keys.message(inbox.id, uid), row.encoded) for uid, row in placed])
    txn.put_all(bucket, [(keys.flags(inbox.id, uid), flags) for uid, _ in placed])
    named = [
        (keys.message_id(row.message_id, inbox.id, uid), encode_message_id(row.object_id, row.thread_id))
        for uid, row in placed
    ]
    txn.put_all(bucket, sorted(named))
    tallies.apply(txn, inbox.id, bucket, change, modseq)
    ranges = with_uids(inbox.buckets, bucket, first, uidnext - 1)
    touched(txn, inbox, modseq, uidnext=uidnext, buckets=ranges)
