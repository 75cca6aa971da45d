"""A hundred days in the life of a store on a fast clock: once its days are full it stays as large as it is.

Mail in and out all day, users who flag and delete, outages now and then, expiry every hour; on the real engine, because
what must not grow is its file.
"""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.delivery.relay_world import RelayWorld, Stage, accept, lose
from xtramail.delivery.retention import RetentionJob
from xtramail.model.bucket import bucket_class, bucket_day
from xtramail.model.clock import SetClock, day_of
from xtramail.model.pending import drive
from xtramail.store import keys, ledger, mail_rows, mailbox_rows, removals, schema
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.verify import verify

DAYS, LATER, RETENTION = 70, 100, 20
"""The log lives 31 days, and what waits for a primary that is away holds it a little longer."""
HOURS = 8
"""Between two rounds of mail and people; expiry comes each hour."""
MOST_GROWTH = 1.02
MOST_GROWTH_OF_FILE = 1.15
"""Free pages lie scattered, and a large message wants adjoining ones: the file settles slowly, by 6 % in these days."""
SEED = 20261121


@dataclass(frozen=True, slots=True)
class Sizes:
    """What must not grow."""

    file: int
    rows: int
    """Octets of keys and values."""
    objects: int
    descriptors: int
    threads: int


@dataclass
class Soak:
    engine: LmdbEngine
    chance: Random = field(default_factory=lambda: Random(SEED))
    number: int = 0

    def __post_init__(self) -> None:
        self.clock = SetClock()
        self.world = RelayWorld(engine=self.engine, clock=self.clock)
        self.world.domain("soak.example", primaries=(("primary.example", 25),), recipients="listed", retention_days=20)
        self.people = [self.world.user(f"{name}@soak.example") for name in ("eve", "fay")]
        self.expiry = RetentionJob(
            engine=self.engine, clock=self.clock, run="soak", on_drop=lambda dropped: None, on_pause=self.paused
        )
        self.pauses: list[str] = []

    def paused(self, why: str) -> None:
        self.pauses.append(why)

    def round(self) -> None:
        """A few hours: mail, an outage one time in ten, people, expiry each hour."""
        world = self.world
        away = self.chance.random() < 0.1
        world.courier.script = lose(Stage.CONNECT) if away else accept
        for person in self.people:
            for _ in range(2):
                world.receive(person.address, message=self.text(person.address))
        world.submit(self.people[0], "zoe@sender.example", message=self.text("zoe@sender.example", "eve@soak.example"))
        for person in self.people:
            self.engine.transact(keys.user_scope(person.id), self.tidy).result()
        for _ in range(HOURS):
            world.ticks(2, seconds=1_800)
            drive(self.expiry.run())
        # What the doubles remember is not the server's.
        for kept in (world.attempts, world.steps, world.courier.calls, world.courier.taken, world.log.accepts):
            kept.clear()

    def text(self, to: str, sender: str = "zoe@sender.example") -> bytes:
        self.number += 1
        head = f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {self.number}\r\nMessage-ID: <{self.number}@soak>\r\n\r\n"
        # Octets that do not compress, or the file would hardly know of them.
        size = (500, 3_000, 20_000)[self.number % 3]
        return head.encode() + self.chance.randbytes(size).hex().encode() + b"\r\n"

    def tidy(self, txn: Txn) -> None:
        """Flag one, delete one."""
        inbox = mailbox_rows.mailbox_by_name(txn, "INBOX")
        assert inbox is not None
        found = mail_rows.locate_all(txn, inbox)
        if found:
            removals.expunge(
                txn, inbox.id, [self.chance.choice(found).uid], "eve", self.clock.now(), deleted_only=False
            )

    def late(self) -> list[int]:
        """Days of the domain that are over and still there."""
        today = day_of(self.clock.now())

        def own(snap: Snapshot) -> set[int]:
            return {number for number, row in schema.retention_classes(snap).items() if row.owner == "soak.example"}

        classes = self.engine.read(keys.STORE, own)
        dropped = self.engine.read(keys.STORE, lambda snap: set(snap.dropped()))
        live = [one for one in self.engine.buckets() if bucket_class(one) in classes and one not in dropped]
        return [bucket_day(one) for one in live if bucket_day(one) < today - RETENTION]

    def octets(self) -> int:
        low, total = b"", 0
        while rows := self.engine.stored_rows(low, 5_000):
            total += sum(len(key) + len(value) for key, value in rows)
            low = rows[-1][0] + b"\0"
        return total

    def sizes(self) -> Sizes:
        gc.collect()
        return Sizes(
            file=self.engine.used_bytes(),
            rows=self.octets(),
            objects=len(gc.get_objects()),
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
        )


def test_after_its_days_a_store_grows_no_more(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path / "store", create=True)
    soak = Soak(engine)
    began = day_of(soak.clock.now())
    measured = []
    for last in (DAYS, LATER):
        while day_of(soak.clock.now()) - began < last:
            soak.round()
            assert soak.late() == []
        measured.append(soak.sizes())
    middle, end = measured
    assert end.rows < middle.rows * MOST_GROWTH, (middle, end)
    assert end.file < middle.file * MOST_GROWTH_OF_FILE, (middle, end)
    assert end.objects < middle.objects * MOST_GROWTH, (middle, end)
    # Threads of other tests may end meanwhile.
    assert end.descriptors <= middle.descriptors and end.threads <= middle.threads, (middle, end)
    assert soak.pauses == []
    balance = engine.read(keys.QUEUE, ledger.balance)
    assert balance.accepted == sum(balance.fates.values())
    engine.close()
    assert verify(tmp_path / "store").findings == []
