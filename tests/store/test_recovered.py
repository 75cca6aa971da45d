"""Recovered as a mailbox of the store: the same on every engine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.store.harness import MAKES, Harness
from tests.store.samples import DAY_ONE, DAY_THREE, DAY_TWO, NOW, USER, account, new
from xtramail.model.bucket import Bucket
from xtramail.model.errors import NoSuchMailbox, OverQuota
from xtramail.model.flags import MAX_KEYWORDS, Flag
from xtramail.model.pending import Pending
from xtramail.store import accounts, keys, mailboxes, messages, recovered, restored
from xtramail.store.copies import copies_of
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mail_rows import locate_all
from xtramail.store.records import FlagRow, MailboxRow, encode_number

T = TypeVar("T")
DAYS = (DAY_ONE, DAY_TWO, DAY_THREE)
MICROS = int(NOW * 1_000_000)


class Box:
    """A user's mail on one engine."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.write(lambda txn: mailboxes.ensure_special(txn, NOW))
        self.inbox = self.row("INBOX").id

    def write(self, function: Callable[[Txn], T]) -> T:
        return self.harness.done(self.harness.engine.transact(USER, function))

    def look(self, function: Callable[[Snapshot], T]) -> T:
        return self.harness.engine.read(USER, function)

    def run(self, coroutine: Coroutine[Pending[Any], None, T]) -> T:
        try:
            waiting = coroutine.send(None)
            while True:
                self.harness.done(waiting)
                waiting = coroutine.send(None)
        except StopIteration as end:
            result: T = end.value
            return result

    def row(self, name: str) -> MailboxRow:
        row = self.look(lambda snap: mailboxes.mailbox_by_name(snap, name))
        assert row is not None
        return row

    def add(
        self,
        bucket: Bucket = DAY_ONE,
        number: int = 1,
        flags: int = 0,
        keywords: tuple[str, ...] = (),
        message_id: str = "",
        mailbox: str = "INBOX",
    ) -> int:
        message = new(bucket, number, flags=flags, keywords=keywords, message_id=message_id)
        target = self.row(mailbox).id
        return self.write(lambda txn: messages.add(txn, target, bucket, message, NOW)).uid

    def expunge(self, *uids: int, mailbox: str = "INBOX", at: float = NOW, by: str = "ann") -> list[int]:
        source = self.row(mailbox).id
        return self.write(lambda txn: messages.expunge(txn, source, uids or None, by, at, deleted_only=False))

    def restore(self, *uids: int, target: str = "INBOX") -> list[tuple[int, int]]:
        row = self.row(target)
        return self.write(lambda txn: messages.restore(txn, row.id, uids, NOW + 9))

    @property
    def kept(self) -> MailboxRow:
        row = self.look(recovered.recovered)
        assert row is not None
        return row

    @property
    def status(self) -> mailboxes.MailboxStatus:
        return self.look(lambda snap: mailboxes.status(snap, self.kept))

    def there(self, mailbox: str = "") -> dict[int, FlagRow]:
        """UIDs and flags in a mailbox, in Recovered when it has no name."""
        row = self.row(mailbox) if mailbox else self.kept
        return {found.uid: found.row for found in self.look(lambda snap: locate_all(snap, row))}


@pytest.fixture(params=MAKES)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    harness = Harness(request.param, tmp_path / "store")
    yield Box(harness)
    harness.engine.close()


def test_it_is_there_from_the_start_and_none_of_the_mailboxes(box: Box) -> None:
    assert (box.kept.id, box.kept.uidnext) == (keys.RECOVERED, 1)
    assert box.kept.uidvalidity not in {row.uidvalidity for row in box.look(mailboxes.mailboxes)}
    assert "Recovered" not in {row.name for row in box.look(mailboxes.mailboxes)}
    assert box.look(lambda snap: mailboxes.mailbox_by_name(snap, "Recovered")) is None
    assert box.status.highestmodseq > 0
    before = box.kept
    box.write(lambda txn: mailboxes.ensure_special(txn, NOW + 60))
    assert box.kept == before


def test_uids_follow_the_order_of_deletion_across_days_and_mailboxes(box: Box) -> None:
    for number, bucket in ((1, DAY_ONE), (2, DAY_TWO), (3, DAY_THREE)):
        box.add(bucket, number)
    box.add(DAY_ONE, 4, mailbox="Sent")
    for uid in (3, 1):
        box.expunge(uid)
    box.expunge(1, mailbox="Sent")
    box.expunge(2)
    assert [(uid, row.uid, row.mailbox_name) for _, uid, row in box.look(messages.recoverables)] == [
        (1, 3, "INBOX"),
        (2, 1, "INBOX"),
        (3, 1, "Sent"),
        (4, 2, "INBOX"),
    ]
    assert list(box.there()) == [1, 2, 3, 4]
    assert (box.status.messages, box.status.size, box.status.uidnext) == (4, 400, 5)
    rows = [box.look(lambda snap, day=day: messages.message_rows(snap, keys.RECOVERED, day, 1, 9)) for day in DAYS]
    assert [[(uid, row.object_id) for uid, row in found] for found in rows] == [[(2, 1), (3, 4)], [(4, 2)], [(1, 3)]]


def test_what_deleted_it_is_taken_off_and_everything_else_kept(box: Box) -> None:
    box.add(flags=Flag.SEEN | Flag.DELETED | Flag.FLAGGED, keywords=("red", "blue"))
    box.expunge(at=NOW + 7)
    (row,) = box.there().values()
    assert row.flags == Flag.SEEN | Flag.FLAGGED
    names = box.look(lambda snap: mailboxes.keyword_names(snap, keys.RECOVERED))
    assert {names[number] for number in row.keywords} == {"red", "blue"}
    assert row.savedate == int(NOW + 7)
    assert box.status.deleted == 0


def test_an_expunge_is_one_change_of_both_mailboxes_that_ascends(box: Box) -> None:
    seen = [box.status.highestmodseq]
    for number in (1, 2, 3):
        box.add(DAY_ONE, number)
        box.expunge(number)
        seen.append(box.status.highestmodseq)
        assert box.there()[number].modseq == box.status.highestmodseq
    assert seen == sorted(set(seen))


def test_keywords_beyond_the_limit_never_keep_mail_from_being_deleted(box: Box) -> None:
    for start in (0, 40, 80):
        name = f"Box{start}"
        box.write(lambda txn, name=name: mailboxes.create(txn, name, now=NOW))
        box.add(number=start + 1, keywords=tuple(f"k{n}" for n in range(start, start + 40)), mailbox=name)
        box.expunge(mailbox=name)
    assert len(box.look(lambda snap: mailboxes.keyword_names(snap, keys.RECOVERED))) == MAX_KEYWORDS
    assert [len(row.keywords) for row in box.there().values()] == [40, 24, 0]


def test_a_restored_message_is_as_it_was_and_leaves(box: Box) -> None:
    box.add(DAY_TWO, 5, flags=Flag.ANSWERED | Flag.DELETED, keywords=("red",), message_id="<5@example.org>")
    before = box.look(lambda snap: messages.message_row(snap, box.inbox, DAY_TWO, 1))
    box.expunge()
    high = box.status.highestmodseq
    assert box.restore(1, 7, target="Archive") == [(1, 1)]
    archive = box.row("Archive")
    assert archive.buckets == ((DAY_TWO, 1, 1),)
    assert box.look(lambda snap: messages.message_row(snap, archive.id, DAY_TWO, 1)) == before
    (row,) = box.there("Archive").values()
    assert row.flags == Flag.ANSWERED
    assert box.look(lambda snap: mailboxes.keyword_names(snap, archive.id)) == ("red",)
    assert box.there() == {}
    assert (box.status.messages, box.status.size) == (0, 0)
    assert box.status.highestmodseq > high
    assert box.look(messages.recoverables) == []
    assert box.look(lambda snap: messages.message_row(snap, box.inbox, DAY_TWO, 1)) is None
    assert box.look(lambda snap: messages.by_message_id(snap, "<5@example.org>")) == [(DAY_TWO, archive.id, 1, 5)]
    box.expunge(1, mailbox="Archive")
    assert list(box.there()) == [2]


def test_no_room_and_no_mailbox_leave_it_as_it_was(box: Box) -> None:
    box.write(lambda txn: accounts.put_account(txn, account(quota=150)))
    box.add()
    box.expunge()
    box.add(number=2)
    assert box.look(mailboxes.used_bytes) == 100
    with pytest.raises(OverQuota):
        box.restore(1)
    with pytest.raises(NoSuchMailbox):
        box.write(lambda txn: messages.restore(txn, 99, [1], NOW))
    assert list(box.there()) == [1]


def test_expiry_takes_its_messages_and_is_seen_in_its_modseq(box: Box) -> None:
    box.add(DAY_ONE, 1)
    box.add(DAY_TWO, 2)
    box.expunge()
    before = box.status.highestmodseq
    box.harness.done(box.harness.engine.drop_bucket(DAY_ONE, MICROS))
    assert list(box.there()) == [2]
    assert (box.status.messages, box.status.uidnext) == (1, 3)
    assert box.status.highestmodseq > before
    assert [uid for _, uid, _ in box.look(messages.recoverables)] == [2]
    after = box.status.highestmodseq
    assert box.restore(1, 2) == [(2, 3)]
    assert box.status.highestmodseq > after
    assert box.kept.buckets == ((DAY_TWO, 2, 2),)


def test_a_removed_message_leaves_no_row(box: Box) -> None:
    def contents() -> list[bytes]:
        return [key for key, _ in box.look(lambda snap: snap.range(DAY_ONE, b"\0", b"\xff"))]

    before = contents()
    box.add(message_id="<1@example.org>")
    box.expunge()
    gone = box.write(lambda txn: recovered.remove(txn, [1, 2], NOW))
    assert [row.object_id for row in gone] == [1]
    # Counters stay, for the MODSEQ of what went.
    assert set(contents()) - set(before) == {keys.counters(keys.RECOVERED), keys.counters(box.inbox)}
    assert box.write(lambda txn: recovered.remove(txn, [1], NOW)) == []


def test_a_restore_of_the_store_gives_it_a_new_validity_and_skips_uids(box: Box) -> None:
    box.add()
    box.expunge()
    before = box.kept
    box.run(restored.renew(box.harness.engine, NOW + 60, "restored"))
    assert box.kept.uidvalidity > before.uidvalidity
    assert box.kept.uidnext == before.uidnext + restored.SKIPPED_UIDS
    assert list(box.there()) == [1]


# Who deleted the last copy.


@pytest.mark.parametrize("message_id", ["", "<9@example.org>"])
def test_the_last_copys_deletion_is_known(box: Box, message_id: str) -> None:
    box.add(DAY_ONE, 9, message_id=message_id)
    box.add(DAY_ONE, 8, message_id=message_id)
    archive = box.row("Archive").id
    box.write(lambda txn: messages.copy(txn, box.inbox, archive, [1], NOW))

    def copies() -> tuple[int, int, str]:
        found = box.look(lambda snap: copies_of(snap, DAY_ONE, 9, message_id))
        return len(found.present), len(found.deleted), found.deletion.by if found.deletion is not None else ""

    assert copies() == (2, 0, "")
    box.expunge(1, by="first")
    assert copies() == (1, 1, "")
    box.expunge(1, mailbox="Archive", by="second", at=NOW + 3)
    assert copies() == (0, 2, "second")
    (first, _) = box.look(messages.recoverables)
    box.restore(first[1])
    assert copies() == (1, 1, "")
    box.write(lambda txn: recovered.remove(txn, list(box.there()), NOW))
    assert copies() == (1, 0, "")


def test_what_was_never_there_was_not_deleted(box: Box) -> None:
    found = box.look(lambda snap: copies_of(snap, DAY_ONE, 9, "<9@example.org>"))
    assert (found.present, found.deleted, found.deletion) == ((), (), None)


class Counted:
    """A snapshot, and how many rows were read of it."""

    def __init__(self, snap: Snapshot) -> None:
        self._snap = snap
        self.rows = 0

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        self.rows += 1
        return self._snap.get(bucket, key)

    def range(self, bucket: Bucket, low: bytes, high: bytes) -> list[tuple[bytes, bytes]]:
        rows = self._snap.range(bucket, low, high)
        self.rows += len(rows)
        return rows


def test_a_deletion_is_found_with_as_many_reads_whatever_else_was_deleted(box: Box) -> None:
    def reads(number: int) -> int:
        def count(snap: Any) -> tuple[int, tuple[int, ...]]:
            counted: Any = Counted(snap)
            found = copies_of(counted, DAY_ONE, number, f"<{number}@example.org>")
            return counted.rows, tuple(row.uid for row in found.deleted)

        rows, uids = box.look(count)
        assert uids == (number,)
        return rows

    box.add(DAY_ONE, 1, message_id="<1@example.org>")
    box.expunge()
    alone = reads(1)
    for number in range(2, 60):
        box.add(DAY_ONE, number, message_id=f"<{number}@example.org>")
    box.expunge()
    assert {reads(number) for number in (1, 2, 30, 59)} == {alone}
    assert alone <= 4


def test_a_deletion_is_found_where_no_row_leads_to_it(box: Box) -> None:
    for number in (1, 2):
        box.add(DAY_ONE, number, message_id=f"<{number}@example.org>")
    box.expunge()
    box.write(lambda txn: txn.delete(DAY_ONE, keys.recovered_place(box.inbox, 1)))
    box.write(lambda txn: txn.put(DAY_ONE, keys.recovered_place(box.inbox, 2), encode_number(1)))
    for number in (1, 2):
        (row,) = box.look(lambda snap, n=number: copies_of(snap, DAY_ONE, n, f"<{n}@example.org>")).deleted  # type: ignore[misc]
        assert row.uid == number
    assert len(box.write(lambda txn: recovered.remove(txn, [1, 2], NOW))) == 2
