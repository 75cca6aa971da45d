"""MULTIAPPEND (RFC 3502): several messages in one command, all of them or none."""

from __future__ import annotations

import pytest

from tests.imap_world import MAIL, World
from xtramail.model.errors import StoreFault
from xtramail.net import imap_append

OTHER = MAIL.replace(b"Lunch", b"Dinner")


def literal(message: bytes, *, synchronizing: bool = False) -> bytes:
    return b"{%d%b}\r\n%b" % (len(message), b"" if synchronizing else b"+", message)


@pytest.mark.parametrize("bytewise", [False, True])
def test_each_message_has_its_own_flags_and_date(bytewise: bool) -> None:
    client = World().client(bytewise=bytewise)
    client.send(
        b"a APPEND Archive (\\Seen) " + literal(MAIL)
        + b' (\\Flagged work) "17-Jul-1996 02:44:25 -0700" ' + literal(OTHER)
        + b" " + literal(MAIL) + b"\r\n"
    )  # fmt: skip
    answer = client.heard()
    assert "a OK [APPENDUID " in answer and " 1:3] Appended" in answer
    client.say("SELECT Archive")
    told = client.say("FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert "* 1 FETCH (FLAGS (\\Seen \\Recent)" in told
    assert '* 2 FETCH (FLAGS (\\Flagged work \\Recent) INTERNALDATE "17-Jul-1996 09:44:25 +0000"' in told
    assert "* 3 FETCH (FLAGS (\\Recent)" in told
    assert told.index("Lunch") < told.index("Dinner") < told.rindex("Lunch")


def test_each_literal_is_asked_for_in_turn() -> None:
    client = World().client()
    client.send(b"a APPEND INBOX {%d}\r\n" % len(MAIL))
    assert client.heard() == "+ Go ahead\r\n"
    client.send(MAIL + b" (\\Draft) {%d}\r\n" % len(OTHER))
    assert client.heard() == "+ Go ahead\r\n"
    client.send(OTHER + b"\r\nb NOOP\r\n")
    assert client.heard().endswith(" 1:2] Appended\r\nb OK Done\r\n")


@pytest.mark.parametrize("synchronizing", [True, False])
def test_a_second_message_that_is_too_large_takes_the_first_with_it(synchronizing: bool) -> None:
    made = World(quota=3 * len(MAIL))
    client = made.client()
    client.send(b"a APPEND INBOX " + literal(MAIL))
    big = b"x" * 3 * len(MAIL)
    if synchronizing:
        client.send(b" {%d}\r\n" % len(big))
    else:
        client.send(b" " + literal(big) + b" " + literal(MAIL) + b"\r\n")
    assert client.heard() == "a NO [OVERQUOTA] Quota exceeded.\r\n"
    assert "MESSAGES 0" in client.say("STATUS INBOX (MESSAGES)")


@pytest.mark.parametrize(
    ("tail", "answer"),
    [
        (b" {0}\r\n", "a NO [CANNOT]"),
        (b" (\\Nonsense) {5}\r\n", "a BAD"),
        (b" junk\r\n", "a BAD"),
        (b")\r\n", "a BAD"),
        (b"{5+}\r\n12345\r\n", "a BAD"),
        (b" ~{5+}\r\n12345\r\n", "a "),
        (b" {3+}\r\na\x00b\r\n", "a BAD"),
        (b" {3+}\r\nabc junk\r\n", "a BAD"),
    ],
)
def test_a_broken_tail_files_nothing_and_the_connection_goes_on(tail: bytes, answer: str) -> None:
    made = World(capabilities=("IMAP4rev1", "LITERAL+", "MULTIAPPEND"))
    client = made.client()
    client.send(b"a APPEND INBOX " + literal(MAIL) + tail)
    assert client.heard().startswith(answer)
    assert "MESSAGES 0" in client.say("STATUS INBOX (MESSAGES)")
    assert "MESSAGES 1" in [client.append(MAIL), client.say("STATUS INBOX (MESSAGES)")][1]


def test_where_it_is_not_offered_there_is_one_message() -> None:
    client = World(capabilities=("IMAP4rev1", "LITERAL+")).client()
    client.send(b"a APPEND INBOX " + literal(MAIL) + b" " + literal(MAIL) + b"\r\n")
    assert client.heard().startswith("a BAD")
    assert "MESSAGES 0" in client.say("STATUS INBOX (MESSAGES)")


def test_a_connection_that_breaks_off_leaves_nothing() -> None:
    made = World()
    client = made.client()
    client.send(b"a APPEND INBOX " + literal(MAIL) + b" {100+}\r\nSubject: x")
    client.lose()
    assert "MESSAGES 0" in made.client().say("STATUS INBOX (MESSAGES)")


def test_a_commit_that_fails_files_none() -> None:
    made = World()
    client = made.client()
    client.send(b"a APPEND INBOX " + literal(MAIL) + b" " + literal(OTHER))
    made.engine.fail_next(StoreFault())
    client.send(b"\r\n")
    assert client.heard().startswith("a NO [")
    assert "MESSAGES 0" in client.say("STATUS INBOX (MESSAGES)")


def test_there_is_a_number_of_messages_after_which_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_append, "MOST_MESSAGES", 3)
    client = World().client()
    client.send(b"a APPEND INBOX " + b" ".join([literal(MAIL)] * 4) + b"\r\n")
    assert client.heard().startswith("a NO [LIMIT]")
    assert "MESSAGES 0" in client.say("STATUS INBOX (MESSAGES)")
