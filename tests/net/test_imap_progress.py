"""INPROGRESS (RFC 9585): a command that takes its time says so every ten seconds, and never in its tagged answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.imap_world import Client, World
from xtramail.mailbox.answers.progress import told_steps
from xtramail.mailbox.terms import Terms
from xtramail.wire.imap.responses import in_progress_code

LINE = '* OK [INPROGRESS ("t{}" NIL NIL)] Still at work\r\n'


def selected(world: World) -> Client:
    client = world.client()
    assert "T OK" in client.say("SELECT INBOX")
    return client


def test_a_commit_that_takes_long_is_announced_until_it_is_there() -> None:
    world = World()
    world.deliver()
    client = selected(world)
    world.engine.pause()
    assert client.say("COPY 1 Archive") == ""
    world.advance(9.9)
    assert client.heard() == ""
    world.advance(0.2)
    assert client.heard() == LINE.format(3)
    world.advance(10.1)
    assert client.heard() == LINE.format(3)
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


def told(world: World, offered: frozenset[str]) -> list[bytes]:
    """Of a search with a step every four seconds."""
    session = world.session()
    session.speak(Terms(offered=offered))

    def steps() -> Iterator[None]:
        for _ in range(6):
            world.clock.advance(4)
            yield

    return list(told_steps(session, b"a", steps()))


def test_a_long_search_is_announced_between_its_steps() -> None:
    line = b'* OK [INPROGRESS ("a" NIL NIL)] Still at work\r\n'
    assert told(World(), frozenset({"INPROGRESS"})) == [b"", b"", line, b"", b"", line]
    assert told(World(), frozenset()) == [b""] * 6


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
