from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.store.samples import (
    DAY_ONE,
    DAY_THREE,
    DAY_TWO,
    NOW,
    USER,
    account,
    add,
    look,
    message_row,
    new,
    write,
)
from xtramail.model.bucket import Bucket
from xtramail.model.errors import LimitReached, NoSuchMailbox, NoSuchMessage, OverQuota
from xtramail.model.flags import Flag
from xtramail.store import accounts, keys, mailboxes, messages
from xtramail.store.engine import Engine
from xtramail.store.mailbox_rows import put_mailbox
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.messages import NewMessage
from xtramail.store.records import Counters, MailboxRow
from xtramail.store.uids import LAST_UID

MICROS = int(NOW * 1_000_000)


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine()
    write(engine, lambda txn: mailboxes.ensure_special(txn, NOW))
    return engine


def box(engine: Engine, name: str = "INBOX") -> MailboxRow:
    row = look(engine, lambda snap: mailboxes.mailbox_by_name(snap, name))
    assert row is not None
    return row


def tallies(engine: Engine, name: str = "INBOX") -> dict[int, Counters]:
    return dict(look(engine, lambda snap: messages.counters(snap, box(engine, name))))


def uids(engine: Engine, name: str = "INBOX") -> list[int]:
    return look(engine, lambda snap: messages.uids(snap, box(engine, name)))


# Adding.


def test_uids_start_at_one_and_never_jump(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    assert [add(engine, inbox, new(number=n)) for n in (1, 2, 3)] == [1, 2, 3]
    assert box(engine).uidnext == 4


def test_an_added_message_is_looked_at_by_bucket_with_its_flags(engine: MemoryEngine) -> None:
    inbox = box(engine)
    message = new(DAY_ONE, flags=Flag.SEEN, keywords=("$Junk",))
    added = write(engine, lambda txn: messages.add(txn, inbox.id, DAY_ONE, message, NOW))
    assert (added.uid, added.uidvalidity, added.mailbox_id) == (1, inbox.uidvalidity, inbox.id)
    seen = look(engine, lambda snap: messages.bucket_look(snap, inbox.id, DAY_ONE))
    ((uid, row),) = seen.rows
    assert (uid, row.flags, row.keywords, row.savedate) == (1, Flag.SEEN, (0,), int(NOW))
    assert seen.modseq == row.modseq == added.modseq == box(engine).highestmodseq


def test_the_mailbox_names_each_bucket_with_its_uids(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    for number, bucket in enumerate((DAY_TWO, DAY_ONE, DAY_TWO), 1):
        add(engine, inbox, new(bucket, number=number))
    assert box(engine).buckets == ((DAY_ONE, 2, 2), (DAY_TWO, 1, 3))
    assert uids(engine) == [1, 2, 3]


def test_a_bucket_that_is_not_the_bodys_is_a_mistake(engine: MemoryEngine) -> None:
    with pytest.raises(ValueError):
        write(engine, lambda txn: messages.add(txn, box(engine).id, DAY_TWO, new(DAY_ONE), NOW))


def test_nothing_is_added_to_a_mailbox_that_is_gone_or_a_bucket_that_is_dropped(engine: MemoryEngine) -> None:
    with pytest.raises(NoSuchMailbox):
        add(engine, 99, new())
    engine.drop_bucket(DAY_ONE, MICROS).result()
    with pytest.raises(NoSuchMessage):
        add(engine, box(engine).id, new(DAY_ONE))
    assert uids(engine) == []


def test_uids_stay_under_two_to_the_31(engine: MemoryEngine) -> None:
    inbox = replace(box(engine), uidnext=LAST_UID)
    write(engine, lambda txn: put_mailbox(txn, inbox))
    assert add(engine, inbox.id, new()) == LAST_UID == 2**31 - 2
    with pytest.raises(LimitReached):
        add(engine, inbox.id, new(number=2))


def test_message_rows_come_back_as_they_were_added(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    for number in (1, 2, 3):
        add(engine, inbox, new(number=number, message_id=f"<{number}@example.org>"))
    rows = look(engine, lambda snap: messages.message_rows(snap, inbox, DAY_ONE, 2, 3))
    assert [(uid, row.object_id, row.message_id) for uid, row in rows] == [
        (2, 2, "<2@example.org>"),
        (3, 3, "<3@example.org>"),
    ]
    assert look(engine, lambda snap: messages.message_row(snap, inbox, DAY_ONE, 9)) is None


def test_a_row_larger_than_a_value_is_kept_whole_through_copy_and_move(engine: MemoryEngine) -> None:
    inbox, sent = box(engine).id, box(engine, "Sent").id
    envelope = bytes(range(256)) * 1000
    add(engine, inbox, NewMessage(row=message_row(envelope=envelope)))
    write(engine, lambda txn: messages.copy(txn, inbox, sent, [1], NOW))
    ((_, listed),) = look(engine, lambda snap: messages.message_rows(snap, sent, DAY_ONE, 1, 9))
    single = look(engine, lambda snap: messages.message_row(snap, sent, DAY_ONE, 1))
    assert single is not None and listed.envelope == single.envelope == envelope
    write(engine, lambda txn: messages.move(txn, sent, inbox, [1], NOW))
    assert look(engine, lambda snap: snap.range(DAY_ONE, b"n", b"o")) == look(
        engine, lambda s: s.range(DAY_ONE, keys.message_overflow(inbox, 1, 0), keys.message_overflow(inbox, 3, 0))
    )


def test_a_damaged_row_is_left_out_and_the_others_are_served(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    for number in (1, 2, 3):
        add(engine, inbox, new(number=number))
    engine.corrupt(DAY_ONE, USER, keys.message(inbox, 2))
    rows = look(engine, lambda snap: messages.message_rows(snap, inbox, DAY_ONE, 1, 3))
    assert [uid for uid, _ in rows] == [1, 3]
    assert look(engine, lambda snap: messages.message_row(snap, inbox, DAY_ONE, 2)) is None
    assert write(engine, lambda txn: messages.expunge(txn, inbox, [2], "ann", NOW, False)) == [2]


# Counters and expiry.


def test_counters_follow_every_change(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(DAY_ONE, size=10))
    add(engine, inbox, new(DAY_ONE, number=2, size=20, flags=Flag.SEEN | Flag.DELETED))
    add(engine, inbox, new(DAY_TWO, number=3, size=30))
    assert {(t.messages, t.unseen, t.deleted, t.bytes) for t in tallies(engine).values()} == {
        (2, 1, 1, 30),
        (1, 1, 0, 30),
    }
    status = look(engine, lambda snap: mailboxes.status(snap, box(engine)))
    assert (status.messages, status.unseen, status.deleted, status.size) == (3, 2, 1, 60)
    assert look(engine, mailboxes.used_bytes) == 60


def test_a_dropped_bucket_takes_its_messages_and_its_share_of_quota_with_it(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(DAY_ONE, size=10))
    add(engine, inbox, new(DAY_TWO, number=2, size=20))
    before = look(engine, lambda snap: messages.highest_modseq(snap, box(engine)))
    stamp = engine.drop_bucket(DAY_ONE, 0).result()
    assert uids(engine) == [2]
    assert look(engine, mailboxes.used_bytes) == 20
    assert look(engine, lambda snap: messages.highest_modseq(snap, box(engine))) == stamp > before
    assert look(engine, lambda snap: messages.bucket_look(snap, inbox, DAY_ONE)).rows == []


def test_a_change_after_expiry_forgets_the_bucket_and_its_modseq_is_above_the_drop(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(DAY_ONE))
    stamp = engine.drop_bucket(DAY_ONE, MICROS + 10**9).result()
    add(engine, inbox, new(DAY_TWO, number=2))
    assert box(engine).buckets == ((DAY_TWO, 2, 2),)
    assert box(engine).highestmodseq > stamp


def test_a_mailbox_without_the_dropped_bucket_does_not_notice(engine: MemoryEngine) -> None:
    add(engine, box(engine).id, new(DAY_TWO))
    before = look(engine, lambda snap: messages.highest_modseq(snap, box(engine)))
    engine.drop_bucket(DAY_ONE, 0).result()
    assert look(engine, lambda snap: messages.highest_modseq(snap, box(engine))) == before


def test_modseq_grows_with_a_clock_that_goes_back(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new())
    before = box(engine).highestmodseq
    add(engine, inbox, new(number=2), now=NOW - 86_400)
    assert box(engine).highestmodseq > before


# Flags.


def test_flags_are_added_removed_and_replaced_with_the_counters(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(flags=Flag.FLAGGED, keywords=("a",)))

    def store(mode: messages.FlagMode, flags: int, *words: str) -> tuple[int, tuple[int, ...]]:
        stored = write(engine, lambda txn: messages.store_flags(txn, inbox, [1], mode, flags, words, now=NOW))
        row = {**stored.changed, **stored.same}[1]
        return row.flags, row.keywords

    assert store("add", Flag.SEEN | Flag.DELETED, "b") == (Flag.FLAGGED | Flag.SEEN | Flag.DELETED, (0, 1))
    assert (tallies(engine)[DAY_ONE].unseen, tallies(engine)[DAY_ONE].deleted) == (0, 1)
    assert store("remove", Flag.SEEN, "A", "unknown") == (Flag.FLAGGED | Flag.DELETED, (1,))
    assert (tallies(engine)[DAY_ONE].unseen, tallies(engine)[DAY_ONE].deleted) == (1, 1)
    assert store("replace", Flag.DRAFT, "c") == (Flag.DRAFT, (2,))
    assert (tallies(engine)[DAY_ONE].unseen, tallies(engine)[DAY_ONE].deleted) == (1, 0)
    assert look(engine, lambda snap: mailboxes.keyword_names(snap, inbox)) == ("a", "b", "c")


def test_one_store_gives_one_modseq_and_leaves_what_is_as_wanted_alone(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    for number in (1, 2, 3):
        add(engine, inbox, new(DAY_ONE if number < 3 else DAY_TWO, number=number, flags=Flag.SEEN * (number == 2)))
    stored = write(
        engine, lambda txn: messages.store_flags(txn, inbox, [1, 2, 3, 9], "add", Flag.SEEN, (), now=NOW)
    )
    assert set(stored.changed) == {1, 3} and set(stored.same) == {2} and stored.refused == ()
    assert {row.modseq for row in stored.changed.values()} == {box(engine).highestmodseq}
    assert {tally.modseq for tally in tallies(engine).values()} == {box(engine).highestmodseq}


def test_messages_are_looked_for_only_where_they_are_known_to_be(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    for number in (1, 2, 3):
        add(engine, inbox, new(DAY_ONE if number < 3 else DAY_TWO, number=number))

    def store(flags: int, homes: dict[int, Bucket]) -> set[int]:
        work = messages.store_flags
        return set(write(engine, lambda t: work(t, inbox, [1, 2, 3], "add", flags, (), now=NOW, homes=homes)).changed)

    assert store(Flag.SEEN, {1: DAY_ONE, 2: DAY_ONE, 3: DAY_TWO}) == {1, 2, 3}
    # Each message is in one bucket for ever, so that one which is not there is nowhere.
    assert store(Flag.FLAGGED, {1: DAY_ONE, 2: DAY_TWO, 3: DAY_TWO}) == {1, 3}
    assert store(Flag.FLAGGED, {1: DAY_ONE}) == {2}, "where one is not known, all are looked for everywhere"


def test_a_store_that_changes_nothing_gives_no_modseq(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(flags=Flag.SEEN))
    before = engine.contents()
    write(engine, lambda txn: messages.store_flags(txn, inbox, [1], "add", Flag.SEEN, (), now=NOW))
    write(engine, lambda txn: messages.store_flags(txn, inbox, [2], "add", Flag.DRAFT, ("fresh",), now=NOW))
    assert engine.contents() == before


def test_messages_changed_since_are_refused_and_stay_as_they_are(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new())
    known = box(engine).highestmodseq
    add(engine, inbox, new(number=2))
    stored = write(
        engine,
        lambda txn: messages.store_flags(txn, inbox, [1, 2], "add", Flag.SEEN, (), unchanged_since=known, now=NOW),
    )
    assert set(stored.changed) == {1} and stored.refused == (2,)
    stored = write(
        engine, lambda txn: messages.store_flags(txn, inbox, [1, 2], "add", Flag.DRAFT, (), unchanged_since=0, now=NOW)
    )
    assert stored.changed == {} and stored.refused == (1, 2)


# Expunge.


def test_expunge_takes_only_deleted_ones_when_asked(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    for number in (1, 2, 3):
        add(engine, inbox, new(number=number, size=10, flags=Flag.DELETED * (number != 2)))
    assert write(engine, lambda txn: messages.expunge(txn, inbox, [1, 2], "ann", NOW, True)) == [1]
    assert write(engine, lambda txn: messages.expunge(txn, inbox, None, "ann", NOW, True)) == [3]
    assert write(engine, lambda txn: messages.expunge(txn, inbox, None, "ann", NOW, True)) == []
    assert uids(engine) == [2]
    tally = tallies(engine)[DAY_ONE]
    assert (tally.messages, tally.unseen, tally.deleted, tally.bytes) == (1, 1, 0, 10)
    assert tally.modseq == box(engine).highestmodseq


def test_an_expunged_message_is_recoverable_and_outside_the_quota(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(size=10, flags=Flag.DELETED | Flag.SEEN))
    write(engine, lambda txn: messages.expunge(txn, inbox, [1], "ann@example.org", NOW + 5, False))
    ((bucket, number, row),) = look(engine, messages.recoverables)
    assert (bucket, number, row.mailbox, row.uid, row.by) == (DAY_ONE, 1, inbox, 1, "ann@example.org")
    assert (row.flags, row.expunged_at) == (Flag.DELETED | Flag.SEEN, NOW + 5)
    assert look(engine, lambda snap: messages.message_row(snap, inbox, DAY_ONE, 1)) is not None
    assert look(engine, mailboxes.used_bytes) == 0
    engine.drop_bucket(DAY_ONE, 0).result()
    assert look(engine, messages.recoverables) == []


def test_a_uid_is_never_given_again(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new())
    write(engine, lambda txn: messages.expunge(txn, inbox, [1], "ann", NOW, False))
    assert add(engine, inbox, new(number=2)) == 2


# COPY and MOVE.


def test_copies_keep_bucket_body_flags_and_keyword_names(engine: MemoryEngine) -> None:
    inbox, work = box(engine).id, box(engine, "Archive").id
    write(engine, lambda txn: mailboxes.keyword_ids(txn, work, ["other", "b"]))
    add(engine, inbox, new(DAY_ONE, flags=Flag.SEEN, keywords=("a", "b")))
    add(engine, inbox, new(DAY_TWO, number=2))
    later = NOW + 86_400 * 5
    assert write(engine, lambda txn: messages.copy(txn, inbox, work, [2, 1, 7], later)) == [(1, 1), (2, 2)]
    row = look(engine, lambda snap: messages.flag_row(snap, work, DAY_ONE, 1))
    assert row is not None and (row.flags, row.savedate) == (Flag.SEEN, int(later))
    words = look(engine, lambda snap: mailboxes.keyword_names(snap, work))
    assert {words[number] for number in row.keywords} == {"a", "b"}
    copied = look(engine, lambda snap: messages.message_row(snap, work, DAY_TWO, 2))
    assert copied is not None and copied.body == new(DAY_TWO, number=2).row.body
    assert uids(engine) == uids(engine, "Archive") == [1, 2]
    assert box(engine, "Archive").buckets == ((DAY_ONE, 1, 1), (DAY_TWO, 2, 2))


def test_a_copy_over_the_quota_copies_nothing(engine: MemoryEngine) -> None:
    write(engine, lambda txn: accounts.put_account(txn, account(quota=250)))
    inbox, work = box(engine).id, box(engine, "Archive").id
    add(engine, inbox, new())
    write(engine, lambda txn: messages.copy(txn, inbox, work, [1], NOW))
    before = engine.contents()
    with pytest.raises(OverQuota):
        write(engine, lambda txn: messages.copy(txn, inbox, work, [1], NOW))
    assert engine.contents() == before
    assert write(engine, lambda txn: messages.move(txn, inbox, work, [1], NOW)) == [(1, 2)]


def test_a_copy_within_one_mailbox_gives_new_uids(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(keywords=("a",)))
    assert write(engine, lambda txn: messages.copy(txn, inbox, inbox, [1], NOW)) == [(1, 2)]
    assert write(engine, lambda txn: messages.move(txn, inbox, inbox, [1], NOW)) == [(1, 3)]
    assert uids(engine) == [2, 3]
    assert tallies(engine)[DAY_ONE].messages == 2


def test_a_moved_message_leaves_no_trace_and_both_mailboxes_say_that_they_changed(engine: MemoryEngine) -> None:
    inbox, trash = box(engine).id, box(engine, "Trash").id
    add(engine, inbox, new(message_id="<a@example.org>"))
    before = box(engine).highestmodseq
    assert write(engine, lambda txn: messages.move(txn, inbox, trash, [1], NOW)) == [(1, 1)]
    assert uids(engine) == [] and uids(engine, "Trash") == [1]
    assert look(engine, lambda snap: messages.message_row(snap, inbox, DAY_ONE, 1)) is None
    assert look(engine, messages.recoverables) == []
    assert look(engine, lambda s: messages.by_message_id(s, "<a@example.org>")) == [(DAY_ONE, trash, 1, 1)]
    assert box(engine).highestmodseq > before
    assert tallies(engine)[DAY_ONE].modseq == box(engine).highestmodseq
    assert tallies(engine)[DAY_ONE].bytes == 0


def test_a_target_that_is_gone_is_named_even_when_nothing_is_copied(engine: MemoryEngine) -> None:
    with pytest.raises(NoSuchMailbox):
        write(engine, lambda txn: messages.copy(txn, box(engine).id, 99, [], NOW))


# Message-IDs and threads.


def test_a_message_id_finds_every_message_that_is_there(engine: MemoryEngine) -> None:
    inbox, sent = box(engine).id, box(engine, "Sent").id
    add(engine, inbox, new(DAY_ONE, message_id="<a@example.org>"))
    add(engine, sent, new(DAY_TWO, number=2, message_id="<a@example.org>"))
    add(engine, sent, new(DAY_TWO, number=3, message_id="<b@example.org>"))
    assert look(engine, lambda s: messages.by_message_id(s, "<a@example.org>")) == [
        (DAY_ONE, inbox, 1, 1),
        (DAY_TWO, sent, 1, 2),
    ]
    write(engine, lambda txn: messages.expunge(txn, inbox, [1], "ann", NOW, False))
    assert look(engine, lambda s: messages.by_message_id(s, "<a@example.org>")) == [(DAY_TWO, sent, 1, 2)]
    engine.drop_bucket(DAY_TWO, 0).result()
    assert look(engine, lambda s: messages.by_message_id(s, "<a@example.org>")) == []


def test_an_answer_joins_the_thread_of_the_nearest_known_reference(engine: MemoryEngine) -> None:
    inbox, sent = box(engine).id, box(engine, "Sent").id
    add(engine, inbox, new(DAY_ONE, number=10, message_id="<1@x>"))
    add(engine, sent, new(DAY_TWO, number=11, message_id="<2@x>", references=("<1@x>",)))
    add(engine, inbox, new(DAY_THREE, number=12, message_id="<3@x>", references=("<gone@x>", "<2@x>", "<unknown@x>")))
    add(engine, inbox, new(DAY_THREE, number=13, message_id="<4@x>", references=("<nobody@x>",)))
    rows = look(engine, lambda snap: messages.message_rows(snap, inbox, DAY_THREE, 1, 9))
    assert [row.thread_id for _, row in rows] == [10, 13]
    answer = look(engine, lambda snap: messages.message_row(snap, sent, DAY_TWO, 1))
    assert answer is not None and answer.thread_id == 10


def test_a_thousand_references_cost_a_few_look_ups(engine: MemoryEngine) -> None:
    inbox = box(engine).id
    add(engine, inbox, new(number=10, message_id="<first@x>"))
    many = ("<first@x>", *(f"<{n}@x>" for n in range(1000)))
    add(engine, inbox, new(number=11, references=many))
    row = look(engine, lambda snap: messages.message_row(snap, inbox, DAY_ONE, 2))
    assert row is not None and row.thread_id == 11
