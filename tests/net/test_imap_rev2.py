"""IMAP4rev2 (RFC 9051) as dialogues: what ENABLE changes, and that nothing changes before."""

from __future__ import annotations

import re

import pytest

from tests.imap_world import MAIL, Client, World
from xtramail.model.flags import Flag
from xtramail.wire.imap.config import PARTS_OF_REV2


def say(client: Client, command: str) -> str:
    """In UTF-8, answers too."""
    client.send(f"x {command}\r\n".encode())
    return client.heard().encode("latin-1").decode()


def world_of(count: int) -> World:
    world = World()
    for _ in range(count):
        world.deliver()
    return world


def enabled(world: World, *commands: str) -> Client:
    client = world.client()
    assert client.say("ENABLE IMAP4rev2") == "* ENABLED IMAP4rev2\r\nT OK Enabled\r\n"
    for command in commands:
        assert "T OK" in client.say(command)
    return client


# ENABLE


def test_both_revisions_are_offered_and_the_newer_one_waits_for_enable() -> None:
    client = world_of(1).client()
    assert client.greeting.startswith("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 ")
    before = client.say("CAPABILITY")
    assert client.say("enable imap4REV2 X-NONE") == "* ENABLED IMAP4rev2\r\nT OK Enabled\r\n"
    assert client.say("CAPABILITY") == before


def test_enabled_tells_what_each_command_added() -> None:
    client = World().client()
    assert client.say("ENABLE IMAP4rev2 CONDSTORE").startswith("* ENABLED IMAP4rev2 CONDSTORE\r\n")
    assert client.say("ENABLE CONDSTORE QRESYNC").startswith("* ENABLED QRESYNC\r\n")
    assert client.say("ENABLE IMAP4rev2").startswith("* ENABLED\r\n")


@pytest.mark.parametrize("part", sorted(PARTS_OF_REV2))
def test_it_is_not_offered_without_what_it_is_made_of(part: str) -> None:
    world = World()
    world.ann.settings["hidden_capabilities"] = part
    client = world.client()
    offered = client.say("CAPABILITY").split()
    assert part not in offered and "IMAP4rev2" not in offered and "IMAP4rev1" in offered
    if part != "ENABLE":
        assert client.say("ENABLE IMAP4rev2") == "* ENABLED\r\nT OK Enabled\r\n"


# SELECT


def test_select_tells_the_mailbox_and_neither_recent_nor_unseen() -> None:
    world = world_of(2)
    answer = enabled(world).say("SELECT inbox")
    assert answer.startswith('* LIST (\\HasNoChildren \\Subscribed) "/" "INBOX"\r\n* FLAGS (')
    assert "RECENT" not in answer.upper() and "UNSEEN" not in answer
    for needed in ("* 2 EXISTS\r\n", "[PERMANENTFLAGS (", "[UIDNEXT 3]", "[UIDVALIDITY ", "T OK [READ-WRITE] "):
        assert needed in answer
    old = world.client().say("SELECT INBOX")
    assert "* LIST" not in old and "* 0 RECENT\r\n" in old and "[UNSEEN 1]" in old


def test_the_line_of_select_has_the_attributes_of_list() -> None:
    client = enabled(World(), "CREATE Sent/2026")
    answer = client.say("EXAMINE Sent")
    assert '* LIST (\\HasChildren \\Sent \\Subscribed) "/" "Sent"\r\n' in answer
    assert "T OK [READ-ONLY] " in answer


def test_a_second_select_says_closed_before_anything_of_the_new_mailbox() -> None:
    client = enabled(world_of(1), "SELECT INBOX")
    assert client.say("SELECT Sent").startswith('* OK [CLOSED] The mailbox before is closed\r\n* LIST (')
    assert client.say("SELECT none").startswith("* OK [CLOSED] The mailbox before is closed\r\nT NO [NONEXISTENT] ")


# Messages


def test_no_message_is_recent() -> None:
    world = world_of(1)
    client, old = enabled(world, "SELECT INBOX"), world.client()
    assert client.say("FETCH 1 FLAGS") == "* 1 FETCH (FLAGS ())\r\nT OK Fetched\r\n"
    assert client.say("SEARCH RECENT") == '* ESEARCH (TAG "t5")\r\nT OK Searched\r\n'
    world.deliver()
    assert client.say("NOOP") == "* 2 EXISTS\r\nT OK Done\r\n"
    assert "* 0 RECENT" in old.say("SELECT INBOX"), "both were this session's, told or not"


def test_changes_by_others_carry_the_uid() -> None:
    world = world_of(1)
    client, other = enabled(world, "SELECT INBOX"), world.client()
    other.say("SELECT INBOX")
    other.say("STORE 1 +FLAGS (\\Flagged)")
    assert client.say("NOOP") == "* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\nT OK Done\r\n"
    assert "* 1 FETCH (UID 1 FLAGS (" in client.say("STORE 1 +FLAGS (\\Seen)")


def test_every_search_is_answered_by_esearch() -> None:
    world = world_of(3)
    world.deliver(flags=Flag.SEEN)
    client = enabled(world, "SELECT INBOX")
    assert client.say("SEARCH UNSEEN") == '* ESEARCH (TAG "t4") ALL 1:3\r\nT OK Searched\r\n'
    assert client.say("UID SEARCH SEEN") == '* ESEARCH (TAG "t5") UID ALL 4\r\nT OK Searched\r\n'
    assert client.say("SEARCH DRAFT") == '* ESEARCH (TAG "t6")\r\nT OK Searched\r\n'
    assert client.say("SEARCH RETURN () ALL") == '* ESEARCH (TAG "t7") ALL 1:4\r\nT OK Searched\r\n'
    told = client.say("SEARCH MODSEQ 1")
    assert re.search(r'\r\n\* ESEARCH \(TAG "t8"\) ALL 1:4 MODSEQ \d+\r\nT OK .*\r\n$', told), told
    assert "ESEARCH" not in opened(world).say("SEARCH ALL")


def opened(world: World) -> Client:
    client = world.client()
    client.say("SELECT INBOX")
    return client


def test_a_charset_may_be_named_and_utf8_is_what_it_is_without() -> None:
    client = enabled(World())
    client.append(MAIL.replace(b"Lunch", "Müsli".encode()))
    client.say("SELECT INBOX")
    assert "ALL 1\r\n" in say(client, 'SEARCH CHARSET UTF-8 SUBJECT "müsli"')
    assert "ALL 1\r\n" in say(client, 'SEARCH SUBJECT "MÜSLI"')
    assert say(client, "SEARCH CHARSET X-NONE ALL").startswith("x NO [BADCHARSET (UTF-8 US-ASCII)] ")


def test_the_result_of_a_search_can_be_kept_and_used() -> None:
    client = enabled(world_of(3), "SELECT INBOX", "STORE 2 +FLAGS.SILENT (\\Flagged)")
    assert client.say("SEARCH RETURN (SAVE) FLAGGED") == "T OK Searched\r\n"
    assert client.say("FETCH $ UID") == "* 2 FETCH (UID 2)\r\nT OK Fetched\r\n"


def test_binary_is_fetched_with_its_size() -> None:
    client = enabled(world_of(1), "SELECT INBOX")
    answer = client.say("FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])")
    assert answer.startswith("* 1 FETCH (BINARY[1] {10}\r\nAt noon?\r\n BINARY.SIZE[1] 10)\r\n"), answer


# Names


def test_names_are_utf8_both_ways_and_an_ampersand_is_a_letter() -> None:
    world = World()
    client, old = enabled(world), world.client()
    assert say(client, 'CREATE "Entwürfe & Co"').startswith("x OK")
    assert '"/" "Entwürfe & Co"' in say(client, 'LIST "" Ent*')
    assert '"Entw&APw-rfe &- Co"' in old.say('LIST "" Ent*')
    assert '* STATUS "Entwürfe & Co" (MESSAGES 0 DELETED 0 SIZE 0)' in say(
        client, 'STATUS "Entwürfe & Co" (MESSAGES DELETED SIZE)'
    )


DECOMPOSED, COMPOSED = "Entwu\u0308rfe", "Entw\u00fcrfe"


def test_a_new_name_is_put_into_normal_form_and_the_client_is_told() -> None:
    client = enabled(World())
    made = say(client, f'CREATE "{DECOMPOSED}"')
    assert made.startswith(f'* LIST (\\HasNoChildren) "/" "{COMPOSED}" ("OLDNAME" ("{DECOMPOSED}"))\r\nx OK')
    opened = say(client, f'SELECT "{DECOMPOSED}"')
    assert f'"/" "{COMPOSED}" ("OLDNAME" ("{DECOMPOSED}"))' in opened and "x OK [READ-WRITE]" in opened
    client.append(MAIL)
    for command in (
        f'STATUS "{DECOMPOSED}" (MESSAGES)',
        f'SUBSCRIBE "{DECOMPOSED}"',
        f'UNSUBSCRIBE "{DECOMPOSED}"',
        f'RENAME "{DECOMPOSED}" "{DECOMPOSED}2"',
        f'DELETE "{DECOMPOSED}2"',
    ):
        assert "x OK" in say(client, command), command


def test_a_name_that_an_older_client_made_is_reached_as_it_is() -> None:
    world = World()
    old, client = world.client(), enabled(world)
    assert "T OK" in old.say("CREATE Entwu&Awg-rfe")
    assert f'"/" "{DECOMPOSED}"' in say(client, 'LIST "" Ent*')
    assert f'"/" "{DECOMPOSED}"\r\n' in say(client, f'SELECT "{DECOMPOSED}"')
    assert '"Entwu&Awg-rfe"' in old.say('LIST "" Ent*')


def test_a_rename_tells_the_new_name_beside_the_old_one() -> None:
    client = enabled(World(), "CREATE a/b", "SUBSCRIBE a")
    assert client.say("RENAME a z").startswith('* LIST (\\HasChildren) "/" "z" ("OLDNAME" ("a"))\r\nT OK')
    assert client.say("RENAME INBOX old") == "T OK Renamed\r\n"
    plain = World().client()
    plain.say("CREATE a")
    assert plain.say("RENAME a z") == "T OK Renamed\r\n"


def test_list_tells_status_right_behind_each_mailbox_that_was_chosen() -> None:
    client = enabled(World(), "CREATE box/in", "SUBSCRIBE box/in")
    answer = client.say('LIST (SUBSCRIBED RECURSIVEMATCH) "" (box INBOX) RETURN (STATUS (MESSAGES))')
    assert answer == (
        '* LIST (\\HasNoChildren \\Subscribed) "/" "INBOX"\r\n'
        '* STATUS "INBOX" (MESSAGES 0)\r\n'
        '* LIST (\\HasChildren) "/" "box" ("CHILDINFO" ("SUBSCRIBED"))\r\n'
        "T OK Listed\r\n"
    )


def test_empty_patterns_among_others_mean_nothing() -> None:
    client = enabled(World(), "CREATE box/in")
    assert client.say('LIST "box/" ("" "in")').count("* LIST") == 1
    assert client.say('LIST "INBOX" ("")') == "T OK Listed\r\n"


def test_obsolete_commands_are_still_answered() -> None:
    client = enabled(world_of(1), "SELECT INBOX")
    assert "T OK" in client.say("CHECK")
    assert '* LSUB () "/" "INBOX"' in client.say('LSUB "" INBOX')
    assert "* 1 FETCH (RFC822.HEADER {" in client.say("FETCH 1 RFC822.HEADER")
    assert "(RECENT 0)" in client.say("STATUS Sent (RECENT)")
