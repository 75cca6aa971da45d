"""Which runs of messages stay in memory, and which make room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.imap_world import MAIL, World, drive
from xtramail.mailbox.run_memory import RunMemory
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.view import Access, Telling, View
from xtramail.model.flags import Flag
from xtramail.store import keys
from xtramail.store.memory_engine import MemoryEngine
from xtramail.wire.imap.search_keys import And, HasFlag, HeaderContains, SearchKey

SUBJECT = HeaderContains("subject", "lunch")


class CountingEngine(MemoryEngine):
    """Counts the bodies whose stored text is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = 0

    def peek(self, scope: bytes, function: Any) -> Any:
        assert scope == keys.BODY

        def counted(peek: Any) -> Any:
            class Counting:
                def get(_, bucket: Any, key: bytes) -> Any:
                    self.texts += 1
                    return peek.get(bucket, key)

            return function(Counting())

        return super().peek(scope, counted)


def world(messages: int, memory: RunMemory) -> tuple[World, MailboxServices, View]:
    made = World(engine=CountingEngine())
    for number in range(messages):
        made.deliver(flags=Flag.SEEN if number else Flag(0))
    services = replace(made.services, runs=memory)
    return made, services, made.session().select("INBOX", Access.READ_WRITE)


def search(services: MailboxServices, view: View, key: SearchKey = SUBJECT) -> int:
    """How many texts were looked at."""
    engine = services.engine
    assert isinstance(engine, CountingEngine)
    before = engine.texts
    run = SearchRun(services, view, key)
    for _ in run.steps():
        pass
    return engine.texts - before


def test_a_second_search_of_headers_reads_nothing_and_after_new_mail_that_alone() -> None:
    made, services, view = world(20, RunMemory(of=8))
    assert search(services, view) == 20
    assert search(services, view) == 0
    assert search(services, view, HeaderContains("from", "bob")) == 0
    made.deliver(MAIL)
    made.deliver(MAIL)
    view.sync(Telling.EVERYTHING)
    assert search(services, view) == 2
    assert search(services, view) == 0


def test_few_messages_are_read_alone_and_not_kept() -> None:
    _, services, view = world(20, RunMemory(of=20))
    few = And((HasFlag(Flag.SEEN, False), SUBJECT))
    assert search(services, view, few) == search(services, view, few) == 1
    assert services.runs.octets == 0
    assert search(services, view) == 20
    assert search(services, view, few) == 0


def test_the_mailbox_searched_longest_ago_makes_room_and_of_the_last_one_the_oldest_mail() -> None:
    made, services, view = world(40, RunMemory(of=10))
    search(services, view)
    taken = services.runs.octets
    drive(made.session().create("Other"))
    for _ in range(40):
        made.deliver(mailbox="Other")
    other = made.session().select("Other", Access.READ_ONLY)
    narrow = replace(services, runs=RunMemory(taken * 3 // 2, of=10))
    assert [search(narrow, one) for one in (view, other, other, view, view)] == [40, 40, 0, 40, 0]
    tight = replace(services, runs=RunMemory(taken * 3 // 5, of=10))
    assert [search(tight, one) for one in (view, view, view)] == [40, 20, 20]
    assert 0 < tight.runs.octets <= taken * 3 // 5


def test_a_run_of_which_little_is_left_is_given_up() -> None:
    made, services, view = world(20, RunMemory(of=20))
    search(services, view)
    session = made.session()
    other = session.select("INBOX", Access.READ_WRITE)
    drive(session.store_flags(other, other.uids[:16], "add", Flag.DELETED, ()))
    drive(session.expunge(other))
    view.sync(Telling.EVERYTHING)
    before = services.runs.octets
    assert search(services, view) == 4
    assert 0 < services.runs.octets < before


def test_what_another_session_kept_without_messages_that_are_gone_misleads_nobody() -> None:
    made, services, view = world(20, RunMemory(of=20))
    session = made.session()
    other = session.select("INBOX", Access.READ_WRITE)
    drive(session.store_flags(other, other.uids[3:9], "add", Flag.DELETED, ()))
    drive(session.expunge(other))
    other.sync(Telling.EVERYTHING)
    search(services, other)
    run = SearchRun(services, view, SUBJECT)
    for _ in run.steps():
        pass
    assert run.found == list(view.uids)
