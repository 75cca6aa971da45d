"""Random mail, changes, expunges, expiry and clock steps, against clients that only ask what changed since.

A client knows a MODSEQ and rows by UID. To catch up it takes rows with a greater MODSEQ, and forgets every UID that is
not present any more: CHANGEDSINCE and VANISHED (RFC 7162 §3.2). When HIGHESTMODSEQ is what it knows, it asks nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.store.samples import USER, look, new, write
from xtramail.model.bucket import Bucket, bucket_at
from xtramail.model.clock import SetClock
from xtramail.model.errors import NoSuchMessage
from xtramail.model.flags import Flag
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.mail_rows import locate_all, message_row
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import Counters, FlagRow, MailboxRow, decode_counters

OTHER_USER = keys.user_scope(8)
DAY = 86_400
FLAGS = st.integers(0, 31)


@dataclass
class Client:
    """What one client knows of one mailbox."""

    modseq: int = 0
    rows: dict[int, FlagRow] = field(default_factory=dict)

    def catch_up(self, snap: Snapshot, mailbox: MailboxRow) -> None:
        highest = messages.highest_modseq(snap, mailbox)
        assert highest >= self.modseq
        if highest == self.modseq:
            return
        present = {found.uid: found.row for found in locate_all(snap, mailbox)}
        self.rows.update({uid: row for uid, row in present.items() if row.modseq > self.modseq})
        self.rows = {uid: row for uid, row in self.rows.items() if uid in present}
        self.modseq = highest


@dataclass
class Look:
    """A cache by bucket, read again only where the counters' MODSEQ moved: what sessions share."""

    modseqs: dict[Bucket, int] = field(default_factory=dict)
    rows: dict[Bucket, dict[int, FlagRow]] = field(default_factory=dict)

    def refresh(self, snap: Snapshot, mailbox: MailboxRow) -> dict[int, FlagRow]:
        tallies = messages.counters(snap, mailbox)
        for bucket, tally in tallies.items():
            if self.modseqs.get(bucket) != tally.modseq:
                fresh = messages.bucket_look(snap, mailbox.id, bucket)
                self.modseqs[bucket], self.rows[bucket] = fresh.modseq, dict(fresh.rows)
        return {uid: row for bucket in tallies for uid, row in self.rows[bucket].items()}


class Store(RuleBasedStateMachine):
    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.clock = SetClock()
        self.ids = count(1)
        write(engine, lambda txn: mailboxes.ensure_special(txn, self.clock.now()))
        self.boxes = [row.id for row in look(engine, mailboxes.mailboxes)][:3]
        self.clients = {box: [Client(), Client()] for box in self.boxes}
        self.looks = {box: Look() for box in self.boxes}
        self.known: dict[int, dict[int, tuple[Bucket, int, tuple[str, ...]]]] = {box: {} for box in self.boxes}
        self.dropped: set[Bucket] = set()
        self.uidnext = dict.fromkeys(self.boxes, 1)

    def teardown(self) -> None:
        self.engine.close()

    def pick(self, box: int) -> int:
        return self.boxes[box]

    @rule(
        box=st.integers(0, 2),
        many=st.lists(st.tuples(FLAGS, st.sets(st.sampled_from("abc"), max_size=2)), min_size=1, max_size=4),
    )
    def deliver(self, box: int, many: list[tuple[int, set[str]]]) -> None:
        for flags, words in many:
            self._deliver(self.pick(box), flags, words)

    def _deliver(self, target: int, flags: int, words: set[str]) -> None:
        now = self.clock.now()
        bucket = bucket_at(now, 16)
        message = new(bucket, next(self.ids), size=10, flags=flags, keywords=tuple(sorted(words)))
        try:
            added = write(self.engine, lambda txn: messages.add(txn, target, bucket, message, now))
        except NoSuchMessage:
            assert bucket in self.dropped
            return
        assert added.uid == self.uidnext[target]
        self.uidnext[target] += 1
        self.known[target][added.uid] = bucket, flags, tuple(sorted(words))

    @rule(
        box=st.integers(0, 2),
        uids=st.sets(st.integers(1, 12), max_size=6),
        flags=FLAGS,
        words=st.sets(st.sampled_from("abc"), max_size=2),
        mode=st.sampled_from(("add", "remove", "replace")),
        careful=st.booleans(),
    )
    def store(
        self, box: int, uids: set[int], flags: int, words: set[str], mode: messages.FlagMode, careful: bool
    ) -> None:
        target, now = self.pick(box), self.clock.now()
        since = self.clients[target][0].modseq if careful else None
        stored = write(
            self.engine, lambda txn: messages.store_flags(txn, target, uids, mode, flags, sorted(words), since, now=now)
        )
        here = self.known[target]
        assert set(stored.changed) | set(stored.same) | set(stored.refused) == uids & set(here)
        for uid in {*stored.changed, *stored.same}:
            bucket, old, old_words = here[uid]
            if mode == "add":
                here[uid] = bucket, old | flags, tuple(sorted(words.union(old_words)))
            elif mode == "remove":
                here[uid] = bucket, old & ~flags, tuple(word for word in old_words if word not in words)
            else:
                here[uid] = bucket, flags, tuple(sorted(words))

    @rule(box=st.integers(0, 2), uids=st.none() | st.sets(st.integers(1, 12), max_size=4), only=st.booleans())
    def expunge(self, box: int, uids: set[int] | None, only: bool) -> None:
        target, now = self.pick(box), self.clock.now()
        here = self.known[target]
        wanted = {uid for uid in here if (uids is None or uid in uids) and (not only or here[uid][1] & Flag.DELETED)}
        gone = write(self.engine, lambda txn: messages.expunge(txn, target, uids, "ann", now, only))
        assert gone == sorted(wanted)
        for uid in gone:
            del here[uid]

    @rule(box=st.integers(0, 2), to=st.integers(0, 2), uids=st.sets(st.integers(1, 12), max_size=4), move=st.booleans())
    def transfer(self, box: int, to: int, uids: set[int], move: bool) -> None:
        source, target, now = self.pick(box), self.pick(to), self.clock.now()
        function = messages.move if move else messages.copy
        pairs = write(self.engine, lambda txn: function(txn, source, target, uids, now))
        assert [old for old, _ in pairs] == sorted(uids & set(self.known[source]))
        for old, fresh in pairs:
            assert fresh == self.uidnext[target]
            self.uidnext[target] += 1
            row = self.known[source].pop(old) if move else self.known[source][old]
            self.known[target][fresh] = row

    @rule(seconds=st.sampled_from((0, 1, 3600, DAY, -1, -3600, -DAY, -3 * DAY)))
    def set_clock(self, seconds: int) -> None:
        self.clock.jump(seconds)

    @precondition(lambda self: any(self.known.values()))
    @rule(newest=st.booleans(), skew=st.sampled_from((0, DAY, -2 * DAY)))
    def expire(self, newest: bool, skew: int) -> None:
        buckets = sorted({bucket for here in self.known.values() for bucket, _, _ in here.values()})
        bucket = buckets[-1 if newest else 0]
        self.engine.drop_bucket(bucket, keys.micros(self.clock.now() + skew)).result()
        self.dropped.add(bucket)
        for here in self.known.values():
            for uid in [uid for uid, row in here.items() if row[0] == bucket]:
                del here[uid]

    @rule()
    def somebody_else_is_ahead(self) -> None:
        write(self.engine, lambda txn: mailboxes.next_modseq(txn, keys.micros(self.clock.now() + DAY)), OTHER_USER)

    @rule()
    def sweep(self) -> None:
        for bucket in sorted(self.dropped):
            while self.engine.sweep_bucket(bucket, 3).result():
                pass

    @rule(box=st.integers(0, 2), client=st.integers(0, 1))
    def catch_up(self, box: int, client: int) -> None:
        target = self.pick(box)
        self.engine.read(USER, lambda snap: self._catch_up(snap, target, self.clients[target][client]))

    def _catch_up(self, snap: Snapshot, target: int, client: Client) -> None:
        mailbox = mailboxes.mailbox_by_id(snap, target)
        assert mailbox is not None
        client.catch_up(snap, mailbox)
        assert client.rows == {found.uid: found.row for found in locate_all(snap, mailbox)}

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        look(self.engine, self._compare)

    def _compare(self, snap: Snapshot) -> None:
        for box in self.boxes:
            mailbox = mailboxes.mailbox_by_id(snap, box)
            assert mailbox is not None and mailbox.uidnext == self.uidnext[box]
            words = mailboxes.keyword_names(snap, box)
            present = {
                found.uid: (found.bucket, found.row.flags, tuple(sorted(words[n] for n in found.row.keywords)))
                for found in locate_all(snap, mailbox)
            }
            assert present == self.known[box]
            assert messages.uids(snap, mailbox) == sorted(present)
            assert self.looks[box].refresh(snap, mailbox) == {
                found.uid: found.row for found in locate_all(snap, mailbox)
            }
            for uid, (bucket, _, _) in present.items():
                row = message_row(snap, box, bucket, uid)
                assert row is not None and row.body.bucket == bucket
            self._recount(snap, mailbox)

    def _recount(self, snap: Snapshot, mailbox: MailboxRow) -> None:
        counted: dict[Bucket, Counters] = {}
        for bucket, tally in messages.counters(snap, mailbox).items():
            rows = messages.bucket_look(snap, mailbox.id, bucket).rows
            counted[bucket] = Counters(
                messages=len(rows),
                unseen=sum(not row.flags & Flag.SEEN for _, row in rows),
                deleted=sum(bool(row.flags & Flag.DELETED) for _, row in rows),
                bytes=10 * len(rows),
                modseq=tally.modseq,
            )
            assert all(row.modseq <= tally.modseq <= mailbox.highestmodseq for _, row in rows)
            assert decode_counters(snap.get(bucket, keys.counters(mailbox.id))) == counted[bucket]
        status = mailboxes.status(snap, mailbox)
        assert status.messages == sum(tally.messages for tally in counted.values())
        assert status.unseen == sum(tally.unseen for tally in counted.values())


def run(make: Callable[[], Engine], examples: int) -> None:
    chosen = settings(derandomize=True, deadline=None, max_examples=examples, stateful_step_count=40)
    run_state_machine_as_test(lambda: Store(make()), settings=chosen)  # type: ignore[no-untyped-call]


def test_a_client_that_asks_only_what_changed_always_equals_the_server_in_memory() -> None:
    run(MemoryEngine, 250)


def test_a_client_that_asks_only_what_changed_always_equals_the_server_on_disk(tmp_path: Path) -> None:
    numbers = count()

    def make() -> Engine:
        return LmdbEngine(tmp_path / f"store-{next(numbers)}", create=True, map_size=64 << 20)

    run(make, 60)
