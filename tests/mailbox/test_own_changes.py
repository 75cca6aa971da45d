"""What a session did itself: neither read again nor hinted at, and never mistaken for all that happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.imap_world import ANN, World
from tests.store.harness import Reader
from tests.store.samples import DAY_ONE, NOW, new
from xtramail.mailbox.append import Appending
from xtramail.mailbox.look import Looks
from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access, Telling
from xtramail.model.clock import DAY_SECONDS
from xtramail.model.flags import Flag
from xtramail.model.pending import Pending, drive
from xtramail.net.adapter import start
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.messages import Added

SCOPE = keys.user_scope(ANN)


def test_a_bucket_that_was_dropped_before_an_own_change_is_missed() -> None:
    world = World()
    world.deliver()
    world.clock.advance(DAY_SECONDS)
    world.deliver()
    session = world.session()
    view = session.select("INBOX", Access.READ_WRITE)
    world.engine.drop_bucket(min(view.told.parts), 0).result()
    drive(session.store_flags(view, [2], "add", Flag.SEEN, ()))
    assert list(view.shared.now().uids) == [2]


def test_what_shared_a_commit_is_seen_and_heard_of_and_what_was_done_alone_is_not_hinted(tmp_path: Path) -> None:
    turns: list[Callable[[], None]] = []
    reader = Reader()
    engine = LmdbEngine(tmp_path, deliver=reader.deliver, defer=turns.append, create=True)

    def end_turn() -> None:
        while turns:
            turns.pop()()

    def prepare(txn: Txn) -> int:
        mailboxes.ensure_special(txn, NOW)
        inbox = mailboxes.mailbox_by_name(txn, "INBOX")
        assert inbox is not None
        messages.add(txn, inbox.id, DAY_ONE, new(number=1), NOW)
        return inbox.id

    world = World()
    prepared = engine.transact(SCOPE, prepare)
    end_turn()
    inbox = reader.wait(prepared)
    services = MailboxServices(
        engine=engine, looks=Looks(engine), clock=world.clock, ids=world.services.ids, limits=world.services.limits
    )
    session = Session(services, world.ann)
    view = session.select("INBOX", Access.READ_ONLY)
    heard: list[str] = []
    session.watch(lambda: heard.append("session"))
    view.access = Access.READ_WRITE
    stored = start(session.store_flags(view, [1], "add", Flag.SEEN, ()))
    delivered = engine.transact(SCOPE, lambda txn: messages.add(txn, inbox, DAY_ONE, new(number=2), NOW))
    end_turn()
    reader.wait(delivered)
    assert stored.called and engine.figures.groups == 2
    assert list(view.shared.now().uids) == [1, 2] and heard == ["session"]
    heard.clear()
    stored = start(session.store_flags(view, [2], "add", Flag.SEEN, ()))
    end_turn()
    reader.run_one()
    assert stored.called and heard == []
    reader.wait(deliver_another(engine, inbox, end_turn))
    assert heard == ["session"]
    engine.close()


def deliver_another(engine: LmdbEngine, inbox: int, end_turn: Callable[[], None]) -> Pending[Added]:
    delivered = engine.transact(SCOPE, lambda txn: messages.add(txn, inbox, DAY_ONE, new(number=3), NOW))
    end_turn()
    return delivered


def test_what_has_deleted_is_known_whoever_set_it_and_takes_it_off() -> None:
    world = World()
    for _ in range(4):
        world.deliver()
    session, other = world.session(), world.session()
    view = session.select("INBOX", Access.READ_WRITE)
    beside = other.select("INBOX", Access.READ_WRITE)
    drive(session.store_flags(view, [1, 3], "add", Flag.DELETED, ()))
    assert view.shared.now().deleted() == [1, 3]
    drive(other.store_flags(beside, [1], "remove", Flag.DELETED, ()))
    drive(other.store_flags(beside, [4], "add", Flag.DELETED | Flag.SEEN, ()))
    assert view.shared.now().deleted() == [3, 4]
    drive(session.expunge(view, [1, 3]))
    assert (list(view.shared.now().uids), view.shared.now().deleted()) == ([1, 2, 4], [4])
    drive(session.expunge(view))
    assert (list(view.shared.now().uids), view.shared.now().deleted()) == ([1, 2], [])
    # As a session finds it that reads everything anew.
    assert Looks(world.engine).hold(ANN, view.mailbox_id).now().deleted() == []


def append(session: Session, mailbox: str, flags: Flag, *keywords: str) -> Added:
    octets = b"Subject: brought along\r\n\r\ntext\r\n"
    appending = Appending(session, mailbox, len(octets), flags, keywords, None)
    appending.chunk(octets)
    return drive(appending.finish())


def test_what_a_session_appended_to_its_own_mailbox_is_there_as_if_it_had_been_read() -> None:
    world = World()
    world.deliver()
    session = world.session()
    view = session.select("INBOX", Access.READ_WRITE)
    for flags, keywords in ((Flag(0), ()), (Flag.SEEN | Flag.DELETED, ("$Work",)), (Flag.FLAGGED, ("$work",))):
        append(session, "INBOX", flags, *keywords)
        world.deliver()
        append(session, "INBOX", flags, *keywords)
        append(session, "Archive", flags, *keywords)
        followed, read = view.shared.now(), Looks(world.engine).hold(ANN, view.mailbox_id).now()
        assert (followed.mailbox, followed.keywords, followed.modseq) == (read.mailbox, read.keywords, read.modseq)
        assert (list(followed.uids), dict(followed.flags)) == (list(read.uids), dict(read.flags))
        assert followed.deleted() == read.deleted()
        assert {uid: followed.homes[uid] for uid in followed.uids} == read.homes
        changes = view.sync(Telling.EVERYTHING)
        assert changes.exists == len(read.uids) and not changes.expunged


def test_what_a_session_appended_is_not_read_again() -> None:
    world = World()
    world.deliver()
    session = world.session()
    view = session.select("INBOX", Access.READ_WRITE)
    before = view.shared.now()
    added = append(session, "INBOX", Flag.SEEN)
    # The row of a message that was there is the very same: none of its bucket was decoded anew.
    assert view.shared.now().flags[1] is before.flags[1]
    assert view.shared.now().flags[added.uid].flags == Flag.SEEN
