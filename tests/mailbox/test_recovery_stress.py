"""Random mail, deletions, copies out of Recovered, bulk recovery, purges and expiry, against a model as oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from xtramail.mailbox.recovery import deleted, purge, put_back
from xtramail.model.bucket import Bucket, bucket_at
from xtramail.model.clock import SetClock
from xtramail.model.flags import Flag
from xtramail.model.pending import drive
from xtramail.store import bodies, keys, mailboxes, messages, recovered
from xtramail.store.copies import copies_of
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.mail_rows import locate_all
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.message_row import BodyRef, MessageRow
from xtramail.store.messages import NewMessage
from xtramail.store.search_texts import prepare, put_search_text

T = TypeVar("T")
ANN, BEN = 7, 8
USER = keys.user_scope(ANN)
DAY = 86_400
BOXES = ("INBOX", "Work", "Trips/Rome")
PICKS = st.sets(st.integers(0, 9), min_size=1, max_size=4)
"""Places among the messages that are there, counted round; beyond them, UIDs of none."""


def picked(here: Iterable[int], picks: set[int]) -> set[int]:
    there = sorted(here)
    return {there[pick % len(there)] for pick in picks} | {1_000 + pick for pick in picks} if there else {1_000}


@dataclass(frozen=True)
class Mail:
    """One copy. Two copies of a message have the same ``number``."""

    number: int
    bucket: Bucket
    flags: int
    shared: bool
    """Another user has the body, too."""


class User(RuleBasedStateMachine):
    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.clock = SetClock()
        self.numbers = count(1)
        self.write(lambda txn: mailboxes.ensure_special(txn, self.clock.now()))
        self.live: dict[str, dict[int, Mail]] = {"INBOX": {}}
        self.kept: dict[int, tuple[str, Mail]] = {}
        """By UID in Recovered: where it was."""
        self.next_uid = 1
        self.expired: set[Bucket] = set()
        self.purged: set[int] = set()
        self.known: set[int] = set()
        """UIDs of Recovered that a client knows, as of ``modseq``."""
        self.modseq = 0
        self.every: dict[int, Mail] = {}

    def teardown(self) -> None:
        self.engine.close()

    def write(self, function: Callable[[Txn], T]) -> T:
        return self.engine.transact(USER, function).result()

    def look(self, function: Callable[[Snapshot], T]) -> T:
        return self.engine.read(USER, function)

    def box(self, name: str) -> int:
        def named(txn: Txn) -> int:
            row = mailboxes.mailbox_by_name(txn, name) or mailboxes.create(txn, name, now=self.clock.now())
            return row.id

        self.live.setdefault(name, {})
        return self.write(named)

    @rule(
        name=st.sampled_from(BOXES),
        many=st.lists(st.tuples(st.sampled_from((0, 1, 8, 9)), st.booleans(), st.booleans()), min_size=1, max_size=4),
    )
    def deliver(self, name: str, many: list[tuple[int, bool, bool]]) -> None:
        for flags, shared, named in many:
            self._deliver(name, flags, shared=shared, named=named)

    def _deliver(self, name: str, flags: int, *, shared: bool, named: bool) -> None:
        now = self.clock.now()
        bucket, number = bucket_at(now, 16), next(self.numbers)
        if bucket in self.expired:
            return
        target = self.box(name)
        row = MessageRow(
            size=12,
            internaldate=int(now),
            body=BodyRef(bucket=bucket, id=number, size=12, header_length=10),
            object_id=number,
            header_length=10,
            envelope=b"()",
            bodystructure=b"()",
            body_structure_plain=b"()",
            message_id=f"<{number}@example.org>" if named else "",
        )

        def body(txn: Txn) -> None:
            bodies.put_chunks(txn, bucket, number, [(0, b"\0Subject:\r\n"), (1, b"\0%2d" % (number % 100))])
            put_search_text(txn, bucket, number, prepare("text"), [ANN, BEN] if shared else [ANN])

        added = self.engine.transact_all(
            [
                (keys.BODY, body),
                (USER, lambda txn: messages.add(txn, target, bucket, NewMessage(row=row, flags=flags), now)),
            ]
        ).result()[1]
        mail = Mail(number=number, bucket=bucket, flags=flags, shared=shared)
        self.live[name][added.uid] = self.every[number] = mail

    @rule(name=st.sampled_from(BOXES), into=st.sampled_from(BOXES), picks=PICKS)
    def copy(self, name: str, into: str, picks: set[int]) -> None:
        source, place = self.box(name), self.box(into)
        uids = picked(self.live[name], picks)
        for old, new in self.write(lambda txn: messages.copy(txn, source, place, uids, self.clock.now())):
            self.live[into][new] = self.live[name][old]

    @rule(name=st.sampled_from(BOXES), picks=PICKS)
    def expunge(self, name: str, picks: set[int]) -> None:
        name = name if self.live.get(name) else next((box for box, here in self.live.items() if here), name)
        source = self.box(name)
        uids = picked(self.live[name], picks)
        gone = self.write(
            lambda txn: messages.expunge(txn, source, uids, "ann", self.clock.now(), deleted_only=False)
        )
        assert gone == sorted(uids & self.live[name].keys())
        self._keep(name, gone)

    def _keep(self, name: str, gone: list[int]) -> None:
        for uid in gone:
            self.kept[self.next_uid] = name, self.live[name].pop(uid)
            self.next_uid += 1

    @rule(name=st.sampled_from(BOXES[1:]))
    def delete_mailbox(self, name: str) -> None:
        self.box(name)
        self.write(lambda txn: mailboxes.delete(txn, name, now=self.clock.now(), by="ann"))
        self._keep(name, sorted(self.live[name]))
        del self.live[name]

    @rule(into=st.sampled_from(BOXES), picks=PICKS)
    def copy_out(self, into: str, picks: set[int]) -> None:
        place = self.box(into)
        uids = picked(self.kept, picks)
        placed = self.write(lambda txn: messages.restore(txn, place, uids, self.clock.now()))
        assert [old for old, _ in placed] == sorted(uids & self.kept.keys())
        for old, new in placed:
            self._back(into, old, new)

    def _back(self, target: str, old: int, new: int) -> None:
        _, mail = self.kept.pop(old)
        self.live.setdefault(target, {})[new] = Mail(mail.number, mail.bucket, mail.flags & ~Flag.DELETED, mail.shared)

    @precondition(lambda self: self.kept)
    @rule(name=st.sampled_from(("", *BOXES)))
    def put_back(self, name: str) -> None:
        found = deleted(self.engine, ANN, mailbox=name)
        wanted = {uid for uid, (origin, _) in self.kept.items() if name in ("", origin)}
        assert {one.uid for one in found} == wanted
        result = drive(put_back(self.engine, ANN, found, self.clock.now()))
        assert result.messages == len(wanted)
        before = {box: set(here) for box, here in self.live.items()}
        origins = {uid: self.kept[uid][0] for uid in wanted}
        for box in sorted(set(origins.values())):
            row = self.look(lambda snap, box=box: mailboxes.mailbox_by_name(snap, box))
            assert row is not None
            there = [message.uid for message in self.look(lambda snap, row=row: locate_all(snap, row))]
            fresh = [uid for uid in there if uid not in before.get(box, set())]
            olds = sorted(uid for uid in wanted if origins[uid] == box)
            assert len(fresh) == len(olds)
            rows = {
                uid: message.object_id
                for bucket in self.look(lambda snap, row=row: messages.counters(snap, row))
                for uid, message in self.look(
                    lambda snap, row=row, bucket=bucket: messages.message_rows(snap, row.id, bucket, 1, 9_999)
                )
            }
            by_number: dict[int, list[int]] = {}
            for uid in fresh:
                by_number.setdefault(rows[uid], []).append(uid)
            for old in olds:
                self._back(box, old, by_number[self.kept[old][1].number].pop(0))
        again = drive(put_back(self.engine, ANN, found, self.clock.now()))
        assert again.messages == 0

    @precondition(lambda self: self.kept)
    @rule(name=st.sampled_from(("", *BOXES)))
    def purge(self, name: str) -> None:
        found = deleted(self.engine, ANN, mailbox=name)
        result = drive(purge(self.engine, ANN, found, self.clock.now()))
        assert (result.messages, result.waiting) == (len(found), [])
        for one in found:
            self.purged.add(self.kept.pop(one.uid)[1].number)

    @rule(hours=st.sampled_from((1, 5, 24)))
    def pass_time(self, hours: int) -> None:
        self.clock.advance(hours * 3_600)

    @precondition(lambda self: len(self.every) > 6)
    @rule()
    def expire(self) -> None:
        buckets = {mail.bucket for mail in self.every.values()} - self.expired
        if len(buckets) < 2:
            return
        bucket = min(buckets)
        self.engine.drop_bucket(bucket, int(self.clock.now() * 1e6)).result()
        self.expired.add(bucket)
        for here in self.live.values():
            for uid in [uid for uid, mail in here.items() if mail.bucket == bucket]:
                del here[uid]
        for uid in [uid for uid, (_, mail) in self.kept.items() if mail.bucket == bucket]:
            del self.kept[uid]

    @invariant()
    def it_is_as_the_model_has_it(self) -> None:
        row = self.look(recovered.recovered)
        assert row is not None and row.uidnext == self.next_uid
        there = {found.uid: found for found in self.look(lambda snap: locate_all(snap, row))}
        assert {uid: found.bucket for uid, found in there.items()} == {
            uid: mail.bucket for uid, (_, mail) in self.kept.items()
        }
        assert [uid for _, uid, _ in self.look(messages.recoverables)] == sorted(self.kept)
        for uid, (_, mail) in self.kept.items():
            message = self.look(
                lambda snap, uid=uid, mail=mail: messages.message_row(snap, keys.RECOVERED, mail.bucket, uid)
            )
            assert message is not None and message.object_id == mail.number
            assert there[uid].row.flags == mail.flags & ~Flag.DELETED
        status = self.look(lambda snap: mailboxes.status(snap, row))
        assert (status.messages, status.size) == (len(self.kept), 12 * len(self.kept))
        assert self.look(mailboxes.used_bytes) == 12 * sum(map(len, self.live.values()))

    @invariant()
    def a_client_catches_up_by_modseq(self) -> None:
        row = self.look(recovered.recovered)
        assert row is not None
        highest = self.look(lambda snap: messages.highest_modseq(snap, row))
        assert highest >= self.modseq
        if highest == self.modseq:
            assert self.known == set(self.kept)
            return
        there = self.look(lambda snap: locate_all(snap, row))
        fresh = {found.uid for found in there if found.row.modseq > self.modseq}
        assert fresh == {found.uid for found in there} - self.known
        self.known, self.modseq = {found.uid for found in there}, highest

    @invariant()
    def bodies_live_as_long_as_anybody_has_them(self) -> None:
        held = {mail.number for here in self.live.values() for mail in here.values()}
        held |= {mail.number for _, mail in self.kept.values()}
        for number, mail in self.every.items():
            if mail.bucket in self.expired:
                continue
            gone = number in self.purged and number not in held and not mail.shared
            assert (self.engine.read_body(mail.bucket, number, 1) is None) == gone
            copies = self.look(lambda snap, m=mail: copies_of(snap, m.bucket, m.number))
            assert len(copies.present) == sum(
                one.number == number for here in self.live.values() for one in here.values()
            )
            assert len(copies.deleted) == sum(one.number == number for _, one in self.kept.values())


def test_nothing_that_a_user_does_makes_recovered_wrong() -> None:
    run_state_machine_as_test(
        lambda: User(MemoryEngine()),
        settings=settings(derandomize=True, deadline=None, max_examples=80, stateful_step_count=50),
    )


def test_nothing_that_a_user_does_makes_recovered_wrong_on_lmdb(tmp_path: Path) -> None:
    folders = count()
    run_state_machine_as_test(
        lambda: User(LmdbEngine(tmp_path / str(next(folders)), create=True, map_size=1 << 26)),
        settings=settings(derandomize=True, deadline=None, max_examples=5, stateful_step_count=40),
    )
