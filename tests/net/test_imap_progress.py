"""INPROGRESS (RFC 9585): a command that takes its time says so every ten seconds, and never in its tagged answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.imap_world import Client, World
from xtramail.mailbox.answers.progress import told_steps
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.sorting import SortRun
from xtramail.mailbox.terms import Terms
from xtramail.mailbox.threading_run import ThreadRun
from xtramail.mailbox.turns import Turns
from xtramail.mailbox.view import Access, Telling
from xtramail.wire.imap.responses import in_progress_code
from xtramail.wire.imap.search_keys import TextContains
from xtramail.wire.imap.sort_commands import SortBy, SortKey, ThreadAlgorithm

LINE = '* OK [INPROGRESS ("t{}" {})] Still at work\r\n'


def selected(world: World) -> Client:
    client = world.client()
    assert "T OK" in client.say("SELECT INBOX")
    return client


def test_a_commit_that_takes_long_is_announced_until_it_is_there() -> None:
    world = World()
    world.deliver()
    world.deliver()
    client = selected(world)
    world.engine.pause()
    assert client.say("COPY 1:2 Archive") == ""
    world.advance(9.9)
    assert client.heard() == ""
    world.advance(0.2)
    assert client.heard() == LINE.format(3, "0 2")
    world.advance(10.1)
    assert client.heard() == LINE.format(3, "0 2")
    world.engine.resume()
    answer = client.heard()
    assert answer.startswith("t3 OK [COPYUID ") and "INPROGRESS" not in answer
    world.advance(60)
    assert client.heard() == ""


def test_idle_after_a_quick_command_keeps_its_own_pace() -> None:
    world = World()
    world.deliver()
    client = selected(world)
    client.say("STORE 1 +FLAGS (\\Seen)")
    client.say("IDLE")
    world.advance(100)
    assert client.heard() == ""
    world.advance(21)
    assert client.heard() == "* OK Still here\r\n"


def test_of_a_commit_that_is_not_about_messages_no_numbers_are_told() -> None:
    world = World()
    client = selected(world)
    world.engine.pause()
    client.say("CREATE New")
    world.advance(10.1)
    assert client.heard() == LINE.format(3, "NIL NIL")
    world.engine.resume()
    assert client.heard().startswith("t3 OK")


def told(world: World, offered: frozenset[str], passes: int) -> list[bytes]:
    """Of work with a step every four seconds on a tenth of a hundred messages."""
    session = world.session()
    session.speak(Terms(offered=offered))
    turns = Turns(world.services, passes)

    def steps() -> Iterator[None]:
        turns.expect(100)
        for _ in range(passes):
            for part in range(1, 6):
                world.clock.advance(4)
                turns.came_to(part, 5)
                yield
            turns.next_pass()

    return list(told_steps(session, b"a", steps(), turns))


def test_a_long_search_is_announced_between_its_steps() -> None:
    line = b'* OK [INPROGRESS ("a" 60 100)] Still at work\r\n'
    assert told(World(), frozenset({"INPROGRESS"}), 1) == [b"", b"", line, b"", b""]
    assert told(World(), frozenset(), 1) == [b""] * 5


def test_sorting_what_was_found_is_the_second_half_of_the_work() -> None:
    lines = [line for line in told(World(), frozenset({"INPROGRESS"}), 2) if line]
    assert [line.split()[4:6] for line in lines] == [[b"60", b"200)]"], [b"120", b"200)]"], [b"180", b"200)]"]]


def test_what_is_done_only_grows_and_never_past_the_goal() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    view = world.session().select("INBOX", Access.READ_ONLY)
    services, key, telling = world.services, TextContains("lunch"), Telling.EVERYTHING
    search = SearchRun(services, view, key)
    sort = SortRun(services, view, key, (SortBy(SortKey.SUBJECT, descending=False),), telling=telling)
    thread = ThreadRun(services, view, key, ThreadAlgorithm.REFERENCES, telling=telling)
    for run, goal in ((search, 3), (sort, 6), (thread, 6)):
        seen = [run.turns.done for _ in run.steps()]
        assert seen == sorted(seen) and run.turns.goal == goal and run.turns.done in (3, 6)


@pytest.mark.parametrize(
    ("done", "goal", "code"),
    [
        (None, None, b'INPROGRESS ("x" NIL NIL)'),
        (3, 10, b'INPROGRESS ("x" 3 10)'),
        (10, 10, b'INPROGRESS ("x" NIL NIL)'),
        (0, 0, b'INPROGRESS ("x" NIL NIL)'),
    ],
)
def test_a_goal_is_told_only_above_what_is_done(done: int | None, goal: int | None, code: bytes) -> None:
    assert in_progress_code(b"x", done, goal) == code


def test_a_client_it_is_hidden_from_waits_in_silence() -> None:
    world = World()
    world.deliver()
    world.ann.settings["hidden_capabilities"] = "INPROGRESS"
    client = selected(world)
    world.engine.pause()
    client.say("COPY 1 Archive")
    world.advance(30)
    assert client.heard() == ""
