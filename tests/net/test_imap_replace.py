"""REPLACE (RFC 8508): a draft saved again, as one step."""

from __future__ import annotations

import pytest

from tests.imap_world import MAIL, Client, World

DRAFT = MAIL.replace(b"At noon?", b"At one?")


def replace(client: Client, command: bytes, message: bytes = DRAFT) -> str:
    client.send(b"a " + command + b" {%d+}\r\n" % len(message) + message + b"\r\n")
    return client.heard()


def world() -> World:
    made = World()
    for _ in range(3):
        made.deliver(mailbox="Drafts")
    return made


@pytest.mark.parametrize(("command", "number"), [(b"REPLACE 2", 2), (b"UID REPLACE 2", 2), (b"REPLACE *", 3)])
def test_the_new_one_is_told_before_the_old_one_goes(command: bytes, number: int) -> None:
    client = world().client()
    client.say("SELECT Drafts")
    lines = replace(client, command + b" Drafts (\\Draft)").split("\r\n")
    assert lines[0].startswith("* OK [APPENDUID ") and lines[0].endswith(" 4] Replacement is here")
    assert f"* {number} EXPUNGE" in lines and "* 3 EXISTS" in lines
    assert lines[-2] == "a OK Replaced"
    assert "At one?" in client.say("FETCH 3 BODY.PEEK[TEXT]")
    assert "FLAGS (\\Draft \\Recent)" in client.say("FETCH 3 FLAGS")


def test_the_new_one_may_go_to_another_mailbox() -> None:
    client = world().client()
    client.say("SELECT Drafts")
    answer = replace(client, b"REPLACE 1 Archive")
    assert "* 1 EXPUNGE" in answer and "EXISTS" not in answer
    assert "MESSAGES 1" in client.say("STATUS Archive (MESSAGES)")
    assert replace(client, b"REPLACE 1 nowhere").startswith("a NO [TRYCREATE]")


def test_the_old_one_stays_where_the_new_one_cannot_be() -> None:
    made = world()
    client = made.client()
    client.say("SELECT Drafts")
    assert replace(client, b"REPLACE 9 Drafts").startswith("a BAD")
    assert replace(client, b"UID REPLACE 9 Drafts").startswith("a NO [EXPUNGEISSUED]")
    assert replace(client, b"REPLACE 1:2 Drafts").startswith("a BAD")
    assert replace(client, b"REPLACE 0 Drafts").startswith("a BAD")
    client.say("EXAMINE Drafts")
    assert replace(client, b"REPLACE 1 Drafts").startswith("a NO [NOPERM]")
    assert "MESSAGES 3" in client.say("STATUS Drafts (MESSAGES)")


def test_it_needs_a_selected_mailbox_and_a_literal() -> None:
    client = world().client()
    assert replace(client, b"REPLACE 1 Drafts").startswith("a BAD")
    client.say("SELECT Drafts")
    assert client.say("REPLACE 1 Drafts").startswith("T BAD")
    assert client.say("UID REPLACE 1 Drafts").startswith("T BAD")


def test_a_full_mailbox_has_room_for_what_takes_another_place() -> None:
    made = World(quota=len(MAIL) + 20)
    made.deliver(mailbox="Drafts")
    client = made.client()
    client.say("SELECT Drafts")
    assert "a OK Replaced" in replace(client, b"REPLACE 1 Drafts")
    assert replace(client, b"REPLACE 1 Drafts", DRAFT + b"x" * 100).startswith("a NO [OVERQUOTA]")
    assert "MESSAGES 1" in client.say("STATUS Drafts (MESSAGES)")


def test_one_that_is_expunged_meanwhile_is_not_replaced() -> None:
    made = world()
    client, other = made.client(), made.client()
    client.say("SELECT Drafts")
    client.send(b"a REPLACE 2 Drafts {%d}\r\n" % len(DRAFT))
    assert client.heard() == "+ Go ahead\r\n"
    other.say("SELECT Drafts")
    other.say("STORE 2 +FLAGS (\\Deleted)")
    other.say("EXPUNGE")
    client.send(DRAFT + b"\r\n")
    assert client.heard().startswith("a NO [EXPUNGEISSUED]")
    assert "MESSAGES 2" in client.say("STATUS Drafts (MESSAGES)")


def test_others_see_both_at_once() -> None:
    made = world()
    client, other = made.client(), made.client()
    client.say("SELECT Drafts")
    other.say("SELECT Drafts")
    replace(client, b"REPLACE 1 Drafts")
    assert other.say("NOOP").startswith("* 1 EXPUNGE\r\n* 3 EXISTS\r\n")
