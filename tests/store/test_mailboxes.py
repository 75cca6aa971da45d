from __future__ import annotations

import pytest

from tests.store.samples import DAY_ONE, DAY_TWO, NOW, USER, add, look, new, write
from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import (
    AlreadyExists,
    BadMailboxName,
    LimitReached,
    MailboxExists,
    MailboxHasChildren,
    NoSuchMailbox,
    NotPermitted,
)
from xtramail.model.flags import Flag
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Engine, Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import MailboxRow


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine()
    write(engine, lambda txn: mailboxes.ensure_special(txn, NOW))
    return engine


def names(engine: Engine) -> list[str]:
    return sorted(row.name for row in look(engine, mailboxes.mailboxes))


def named(engine: Engine, name: str) -> MailboxRow:
    row = look(engine, lambda snap: mailboxes.mailbox_by_name(snap, name))
    assert row is not None
    return row


def create(engine: Engine, name: str, special_use: str = "") -> MailboxRow:
    return write(engine, lambda txn: mailboxes.create(txn, name, special_use, now=NOW))


def delete(engine: Engine, name: str) -> MailboxRow:
    return write(engine, lambda txn: mailboxes.delete(txn, name, now=NOW, by="ann"))


def rename(engine: Engine, old: str, new_name: str) -> MailboxRow:
    return write(engine, lambda txn: mailboxes.rename(txn, old, new_name, now=NOW))


def test_special_mailboxes_are_made_once_and_subscribed(engine: MemoryEngine) -> None:
    before = engine.contents()
    write(engine, lambda txn: mailboxes.ensure_special(txn, NOW + 60))
    assert engine.contents() == before
    assert names(engine) == sorted(name for name, _ in mailboxes.SPECIAL)
    assert look(engine, mailboxes.subscriptions) == names(engine)


def test_each_special_use_finds_its_mailbox(engine: MemoryEngine) -> None:
    for name, use in mailboxes.SPECIAL[1:]:
        row = look(engine, lambda snap, use=use: mailboxes.mailbox_by_use(snap, use))
        assert row is not None and row.name == name


def test_a_renamed_special_mailbox_keeps_its_use_and_is_not_made_again(engine: MemoryEngine) -> None:
    rename(engine, "Sent", "Gesendet")
    write(engine, lambda txn: mailboxes.ensure_special(txn, NOW))
    assert named(engine, "Gesendet").special_use == "\\Sent"
    assert "Sent" not in names(engine)


def test_a_mailbox_that_has_the_name_gets_the_use() -> None:
    engine = MemoryEngine()
    create(engine, "Sent")
    write(engine, lambda txn: mailboxes.ensure_special(txn, NOW))
    assert named(engine, "Sent").special_use == "\\Sent"


def test_a_new_mailbox_starts_empty_with_uid_one_and_a_modseq(engine: MemoryEngine) -> None:
    row = create(engine, "Work")
    assert (row.uidnext, row.first_recent) == (1, 1)
    status = look(engine, lambda snap: mailboxes.status(snap, row))
    assert (status.messages, status.unseen, status.size) == (0, 0, 0)
    assert status.highestmodseq == row.highestmodseq > 0


def test_missing_superiors_are_made(engine: MemoryEngine) -> None:
    create(engine, "a/b/c")
    assert {"a", "a/b", "a/b/c"} <= set(names(engine))


def test_names_differ_by_case_but_for_inbox(engine: MemoryEngine) -> None:
    create(engine, "work")
    create(engine, "Work")
    with pytest.raises(MailboxExists):
        create(engine, "iNbOx")
    assert named(engine, "inbox").name == "INBOX"


def test_a_special_use_belongs_to_one_mailbox(engine: MemoryEngine) -> None:
    with pytest.raises(AlreadyExists):
        create(engine, "Sent Items", "\\Sent")


def test_bad_names_are_refused_everywhere(engine: MemoryEngine) -> None:
    with pytest.raises(BadMailboxName):
        create(engine, "a//b")
    with pytest.raises(BadMailboxName):
        rename(engine, "Sent", "a\x00b")
    with pytest.raises(BadMailboxName):
        write(engine, lambda txn: mailboxes.subscribe(txn, "/"))


def test_a_deleted_mailbox_is_gone_and_its_name_starts_anew(engine: MemoryEngine) -> None:
    old = create(engine, "Work")
    add(engine, old.id, new(DAY_ONE, size=500))
    delete(engine, "Work")
    assert "Work" not in names(engine)
    assert look(engine, mailboxes.used_bytes) == 0
    fresh = create(engine, "Work")
    assert fresh.id > old.id and fresh.uidvalidity > old.uidvalidity
    assert look(engine, lambda snap: messages.uids(snap, fresh)) == []


def test_messages_of_a_deleted_mailbox_are_recoverable_with_its_name(engine: MemoryEngine) -> None:
    row = create(engine, "Work")
    add(engine, row.id, new(DAY_ONE, flags=Flag.SEEN))
    add(engine, row.id, new(DAY_TWO, number=2))
    delete(engine, "Work")
    found = [found for _, _, found in look(engine, messages.recoverables)]
    assert [(entry.mailbox, entry.uid, entry.flags) for entry in found] == [(row.id, 1, Flag.SEEN), (row.id, 2, 0)]
    assert {(entry.mailbox_name, entry.by, entry.expunged_at) for entry in found} == {("Work", "ann", NOW)}
    kept = look(engine, lambda snap: messages.message_row(snap, row.id, DAY_ONE, 1))
    assert kept is not None and kept.object_id == 1


def test_what_cannot_be_deleted_says_why(engine: MemoryEngine) -> None:
    create(engine, "a/b")
    with pytest.raises(MailboxHasChildren):
        delete(engine, "a")
    with pytest.raises(NotPermitted):
        delete(engine, "inbox")
    with pytest.raises(NoSuchMailbox):
        delete(engine, "nothing")


def test_a_rename_takes_the_tree_along_and_keeps_uids(engine: MemoryEngine) -> None:
    for name in ("a/b/c", "a/d", "ab"):
        create(engine, name)
    inner = named(engine, "a/b")
    add(engine, inner.id, new())
    rename(engine, "a", "x/y")
    assert {"x", "x/y", "x/y/b", "x/y/b/c", "x/y/d", "ab"} <= set(names(engine))
    assert not any(name == "a" or name.startswith("a/") for name in names(engine))
    moved = named(engine, "x/y/b")
    assert (moved.id, moved.uidvalidity, moved.uidnext) == (inner.id, inner.uidvalidity, 2)


def test_a_rename_that_cannot_be_says_why_and_changes_nothing(engine: MemoryEngine) -> None:
    create(engine, "a/b")
    before = engine.contents()
    with pytest.raises(MailboxExists):
        rename(engine, "a", "Sent")
    with pytest.raises(MailboxExists):
        rename(engine, "a/b", "a")
    with pytest.raises(BadMailboxName):
        rename(engine, "a", "a/b/c")
    with pytest.raises(NoSuchMailbox):
        rename(engine, "nothing", "something")
    with pytest.raises(BadMailboxName):
        rename(engine, "a", "x" * 999)
    assert engine.contents() == before


def test_renaming_inbox_moves_its_messages_and_leaves_it_empty(engine: MemoryEngine) -> None:
    inbox = named(engine, "INBOX")
    create(engine, "INBOX/Sub")
    add(engine, inbox.id, new(DAY_ONE, flags=Flag.FLAGGED, keywords=("$Forwarded",)))
    add(engine, inbox.id, new(DAY_TWO, number=2))
    target = rename(engine, "INBOX", "Old mail")
    after = named(engine, "INBOX")
    assert (after.id, after.uidvalidity, after.uidnext) == (inbox.id, inbox.uidvalidity, 3)
    assert look(engine, lambda snap: messages.uids(snap, after)) == []
    assert look(engine, lambda snap: messages.uids(snap, target)) == [1, 2]
    assert look(engine, lambda snap: mailboxes.keyword_names(snap, target.id)) == ("$Forwarded",)
    assert named(engine, "INBOX/Sub").name == "INBOX/Sub"
    assert look(engine, messages.recoverables) == []


def test_subscriptions_are_bounded_and_those_that_are_there_may_be_made_again(engine: MemoryEngine) -> None:
    def fill(txn: Txn) -> None:
        for number in range(mailboxes.MAX_SUBSCRIPTIONS - len(mailboxes.subscriptions(txn))):
            txn.put(PERMANENT, keys.subscription(f"n{number}"), b"n%d" % number)

    write(engine, fill)
    write(engine, lambda txn: mailboxes.subscribe(txn, "n1"))
    with pytest.raises(LimitReached):
        write(engine, lambda txn: mailboxes.subscribe(txn, "Two"))
    write(engine, lambda txn: mailboxes.unsubscribe(txn, "n1"))
    write(engine, lambda txn: mailboxes.subscribe(txn, "Two"))
    assert len(look(engine, mailboxes.subscriptions)) == mailboxes.MAX_SUBSCRIPTIONS


def test_a_subscription_outlives_its_mailbox(engine: MemoryEngine) -> None:
    create(engine, "Work")
    write(engine, lambda txn: mailboxes.subscribe(txn, "Work"))
    delete(engine, "Work")
    assert "Work" in look(engine, mailboxes.subscriptions)
    assert write(engine, lambda txn: mailboxes.unsubscribe(txn, "Work"))
    assert not write(engine, lambda txn: mailboxes.unsubscribe(txn, "Work"))


def test_keywords_are_numbered_once_whatever_their_case(engine: MemoryEngine) -> None:
    inbox = named(engine, "INBOX").id

    def allocate(*wanted: str) -> tuple[int, ...]:
        return write(engine, lambda txn: mailboxes.keyword_ids(txn, inbox, wanted))

    assert allocate("$Forwarded", "Work") == (0, 1)
    assert allocate("WORK", "new", "New") == (1, 2)
    assert look(engine, lambda snap: mailboxes.keyword_names(snap, inbox)) == ("$Forwarded", "Work", "new")


def test_a_mailbox_has_at_most_64_keywords(engine: MemoryEngine) -> None:
    inbox = named(engine, "INBOX").id
    write(engine, lambda txn: mailboxes.keyword_ids(txn, inbox, [f"k{n}" for n in range(64)]))
    with pytest.raises(LimitReached):
        write(engine, lambda txn: mailboxes.keyword_ids(txn, inbox, ["one-more"]))
    assert write(engine, lambda txn: mailboxes.keyword_ids(txn, inbox, ["K63"])) == (63,)


def test_a_message_is_recent_to_one_session(engine: MemoryEngine) -> None:
    inbox = named(engine, "INBOX").id
    add(engine, inbox, new())
    assert look(engine, lambda snap: mailboxes.count_recent(snap, named(engine, "INBOX"))) == 1
    assert write(engine, lambda txn: mailboxes.take_recent(txn, inbox)) == 1
    add(engine, inbox, new(number=2))
    assert write(engine, lambda txn: mailboxes.take_recent(txn, inbox)) == 2
    assert write(engine, lambda txn: mailboxes.take_recent(txn, inbox)) == 3
    assert look(engine, lambda snap: mailboxes.count_recent(snap, named(engine, "INBOX"))) == 0


def test_every_user_has_mailboxes_of_its_own(engine: MemoryEngine) -> None:
    assert engine.read(USER + b"1", mailboxes.mailboxes) == []
