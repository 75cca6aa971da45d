"""Recovered as dialogues: what was deleted is seen, searched and copied back, and nothing else can be done with it."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from tests.imap_world import ANN, MAIL, Client, World
from tests.net.test_imap_qresync import opened
from tests.pop3_world import Pop3World
from xtramail.model.flags import Flag
from xtramail.store import domains, keys, messages

DAY = 86_400


def switched(world: World, value: str) -> None:
    scope = keys.domain_scope("example.org")
    row = world.engine.read(scope, domains.get_domain)
    assert row is not None
    changed = replace(row, settings={"recovered": value})
    world.engine.transact(scope, lambda txn: domains.put_domain(txn, changed)).result()


def deleted(count: int = 3, world: World | None = None) -> tuple[World, Client]:
    """A client in INBOX, which has just expunged so many messages."""
    world = world or World()
    for number in range(count):
        world.deliver(MAIL.replace(b"Lunch", b"Lunch %d" % number), received_at=1_700_000_000 + number)
    client = world.client()
    client.say("SELECT INBOX")
    client.say("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
    assert "T OK" in client.say("EXPUNGE")
    return world, client


def number(text: str, name: str) -> int:
    found = re.search(rf"{name} (\d+)", text)
    assert found, text
    return int(found[1])


def test_it_is_selected_read_only_and_has_what_was_expunged_in_that_order() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    for uid in (2, 3, 1):
        client.say(f"UID STORE {uid} +FLAGS (\\Deleted \\Flagged blue)")
        client.say("EXPUNGE")
    answer = client.say("SELECT Recovered")
    assert "* 3 EXISTS" in answer
    assert "* 0 RECENT" in answer
    assert "[PERMANENTFLAGS ()]" in answer
    assert "[UIDNEXT 4]" in answer
    assert answer.endswith("T OK [READ-ONLY] Selected\r\n")
    assert client.say("UID FETCH 1:* (FLAGS)") == (
        "* 1 FETCH (UID 1 FLAGS (\\Flagged blue))\r\n"
        "* 2 FETCH (UID 2 FLAGS (\\Flagged blue))\r\n"
        "* 3 FETCH (UID 3 FLAGS (\\Flagged blue))\r\n"
        "T OK Fetched\r\n"
    )


def test_every_way_of_reading_works() -> None:
    _, client = deleted()
    client.say("EXAMINE Recovered")
    answer = client.say("FETCH 2 (ENVELOPE INTERNALDATE EMAILID PREVIEW BODY[HEADER.FIELDS (SUBJECT)] BODY[TEXT])")
    assert "Lunch 1" in answer
    assert "14-Nov-2023 22:13:21 +0000" in answer
    assert "At noon?" in answer
    assert "SAVEDATE" in client.say("FETCH 2 (SAVEDATE MODSEQ)")
    assert client.say('UID SEARCH SUBJECT "Lunch 2"').startswith("* SEARCH 3\r\n")
    assert client.say("UID SEARCH TEXT noon").startswith("* SEARCH 1 2 3\r\n")
    assert client.say("UID SORT (REVERSE SUBJECT) UTF-8 ALL").startswith("* SORT 3 2 1\r\n")
    assert client.say("UID THREAD REFERENCES UTF-8 ALL").startswith("* THREAD (")
    status = client.say("STATUS Recovered (MESSAGES UNSEEN DELETED UIDNEXT HIGHESTMODSEQ SIZE RECENT)")
    assert "MESSAGES 3 UIDNEXT 4" in status.replace("UNSEEN 3 DELETED 0 ", "")
    assert number(status, "HIGHESTMODSEQ") > 0
    assert number(status, "SIZE") == 3 * len(MAIL) + 6


@pytest.mark.parametrize(
    "command",
    [
        "STORE 1 +FLAGS (\\Seen)",
        "UID STORE 1 FLAGS ()",
        "EXPUNGE",
        "UID EXPUNGE 1",
        "MOVE 1 INBOX",
        "UID MOVE 1 INBOX",
        "COPY 1 Recovered",
        "DELETE Recovered",
        "RENAME Recovered Mine",
        "CREATE Recovered/below",
        "RENAME Drafts Recovered/below",
    ],
)
def test_nothing_else_can_be_done_with_it(command: str) -> None:
    _, client = deleted()
    client.say("SELECT Recovered")
    assert client.say(command).startswith("T NO [CANNOT] ")
    assert "* SEARCH 1 2 3\r\n" in client.say("UID SEARCH ALL")


def test_nothing_is_put_into_it_and_no_other_mailbox_takes_its_name() -> None:
    _, client = deleted()
    assert client.append(MAIL, "Recovered").startswith("T NO [CANNOT] ")
    assert client.say("CREATE Recovered").startswith("T NO [ALREADYEXISTS] ")
    assert client.say("RENAME Drafts Recovered").startswith("T NO [ALREADYEXISTS] ")
    client.append(MAIL)
    client.say("SELECT INBOX")
    assert client.say("COPY 1 Recovered").startswith("T NO [CANNOT] ")
    assert client.say("MOVE 1 Recovered").startswith("T NO [CANNOT] ")
    assert "* 1 FETCH" in client.say("FETCH 1 UID")


def test_reading_a_body_leaves_no_mark() -> None:
    _, client = deleted(1)
    client.say("SELECT Recovered")
    assert "At noon?" in client.say("FETCH 1 BODY[]")
    assert client.say("FETCH 1 FLAGS") == "* 1 FETCH (FLAGS ())\r\nT OK Fetched\r\n"


def test_no_wildcard_names_it_until_it_is_subscribed() -> None:
    client = World().client()
    line = '* LIST (\\HasNoChildren) "/" "Recovered"\r\n'
    for pattern in ("*", "%", "Rec*", "Recovered*"):
        assert "Recovered" not in client.say(f'LIST "" {pattern}')
        assert "Recovered" not in client.say(f'LSUB "" {pattern}')
    assert client.say('LIST "" Recovered') == line + "T OK Listed\r\n"
    assert client.say('LIST Rec overed') == line + "T OK Listed\r\n"
    assert "Recovered" in client.say('LIST "" ("*" "Recovered")')
    assert client.say('LIST "" Recovered RETURN (STATUS (MESSAGES))').startswith(
        line + "* STATUS \"Recovered\" (MESSAGES 0)\r\n"
    )
    client.say("SUBSCRIBE Recovered")
    assert line in client.say('LIST "" *')
    assert '"/" "Recovered"' in client.say('LSUB "" *')
    assert '* LIST (\\HasNoChildren \\Subscribed) "/" "Recovered"' in client.say('LIST (SUBSCRIBED) "" *')
    client.say("UNSUBSCRIBE Recovered")
    assert "Recovered" not in client.say('LIST "" *')


def test_it_is_outside_the_quota() -> None:
    world, client = deleted(2, World(quota=100_000))
    assert "STORAGE 0 " in client.say('GETQUOTA "mail"')
    assert client.say("GETQUOTAROOT Recovered") == '* QUOTAROOT "Recovered"\r\nT OK Quota told\r\n'
    assert "STORAGE" in client.say("GETQUOTAROOT INBOX")


def test_copying_out_restores_and_takes_it_off() -> None:
    world, client = deleted()
    watching = world.client()
    watching.say("SELECT Recovered")
    watching.say("IDLE")
    client.say("SELECT Recovered")
    answer = client.say("UID COPY 2:3 Archive")
    assert re.fullmatch(r"\* 3 EXPUNGE\r\n\* 2 EXPUNGE\r\nT OK \[COPYUID \d+ 2:3 1:2\] Copied\r\n", answer), answer
    assert watching.heard().endswith("* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n")
    client.say("SELECT Archive")
    answer = client.say("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])")
    assert "FLAGS (\\Recent)" in answer
    assert "14-Nov-2023 22:13:21 +0000" in answer
    assert MAIL.replace(b"Lunch", b"Lunch 1").decode() in answer
    assert [gone.uid for _, _, gone in world.engine.read(keys.user_scope(ANN), messages.recoverables)] == [1]


def test_a_restored_message_keeps_its_expiry() -> None:
    world, client = deleted(1)
    (bucket,) = [entry[0] for entry in world.session().mailbox("INBOX").buckets]
    world.clock.advance(5 * DAY)
    client.say("SELECT Recovered")
    client.say("COPY 1 INBOX")
    client.say("SELECT INBOX")
    assert "* 1 FETCH" in client.say("FETCH 1 UID")
    world.engine.drop_bucket(bucket, int(world.clock.now() * 1e6)).result()
    assert client.say("NOOP").startswith("* 1 EXPUNGE\r\n")


def test_copying_to_where_there_is_no_mailbox_or_no_room_leaves_it_as_it_was() -> None:
    _, client = deleted(2, World(quota=2 * len(MAIL) + 10))
    client.append(MAIL)
    client.say("SELECT Recovered")
    assert client.say("COPY 1 Nowhere").startswith("T NO [TRYCREATE] ")
    assert client.say("COPY 1:2 Archive").startswith("T NO [OVERQUOTA] ")
    assert "* SEARCH 1 2\r\n" in client.say("SEARCH ALL")


def test_an_expunge_elsewhere_is_told_in_idle() -> None:
    world = World()
    world.deliver()
    watching, client = world.client(), world.client()
    assert "* 0 EXISTS" in watching.say("SELECT Recovered")
    watching.say("IDLE")
    client.say("SELECT INBOX")
    client.say("STORE 1 +FLAGS (\\Deleted)")
    client.say("EXPUNGE")
    assert watching.heard() == "* 1 EXISTS\r\n* 0 RECENT\r\n"
    watching.send(b"DONE\r\n")
    watching.heard()
    assert "At noon?" in watching.say("FETCH 1 BODY[]")


def test_its_messages_expire_before_the_eyes_of_every_client() -> None:
    world = World()
    world.deliver()
    world.clock.advance(DAY)
    world, client = deleted(1, world)
    knowing = opened(world, "SELECT Recovered")
    knowing.say("IDLE")
    client.say("SELECT Recovered")
    before = number(client.say("STATUS Recovered (HIGHESTMODSEQ)"), "HIGHESTMODSEQ")
    bucket = min(entry[0] for entry in world.session().mailbox("INBOX").buckets)
    world.engine.drop_bucket(bucket, int(world.clock.now() * 1e6)).result()
    assert knowing.heard() == "* VANISHED 1\r\n"
    assert client.say("NOOP") == "* 1 EXPUNGE\r\nT OK Done\r\n"
    assert number(client.say("STATUS Recovered (HIGHESTMODSEQ)"), "HIGHESTMODSEQ") > before
    assert "[UIDNEXT 3]" in client.say("EXAMINE Recovered")


def test_a_client_is_brought_up_to_date_by_qresync() -> None:
    world, client = deleted(2)
    knowing = opened(world, "SELECT Recovered")
    status = knowing.say("STATUS Recovered (UIDVALIDITY HIGHESTMODSEQ)")
    validity, modseq = number(status, "UIDVALIDITY"), number(status, "HIGHESTMODSEQ")
    knowing.say("UNSELECT")
    client.say("SELECT Recovered")
    client.say("COPY 1 Archive")
    world.deliver()
    client.say("SELECT INBOX")
    client.say("STORE 1 +FLAGS (\\Deleted)")
    client.say("EXPUNGE")
    answer = knowing.say(f"SELECT Recovered (QRESYNC ({validity} {modseq} 1:2))")
    assert "* VANISHED (EARLIER) 1\r\n" in answer
    assert "* 2 EXISTS" in answer
    assert "T OK [READ-ONLY]" in answer
    changed = knowing.say(f"UID FETCH 1:* FLAGS (CHANGEDSINCE {modseq})")
    assert re.search(r"\* 2 FETCH \(UID 3 FLAGS \(\) MODSEQ \(\d+\)\)", changed)
    assert f"[HIGHESTMODSEQ {number(answer, 'HIGHESTMODSEQ')}]" in answer
    assert number(answer, "HIGHESTMODSEQ") == number(knowing.say("STATUS Recovered (HIGHESTMODSEQ)"), "HIGHESTMODSEQ")


def test_a_deleted_mailbox_leaves_its_messages_here() -> None:
    world = World()
    client = world.client()
    client.say("CREATE Trip")
    client.append(MAIL, "Trip", "(\\Seen $Label1) ")
    client.say("DELETE Trip")
    assert "* 1 EXISTS" in client.say("SELECT Recovered")
    assert "FLAGS (\\Seen $Label1)" in client.say("FETCH 1 FLAGS")
    assert "[COPYUID" in client.say("COPY 1 INBOX")
    client.say("SELECT INBOX")
    answer = client.say("FETCH 1 (FLAGS BODY.PEEK[])")
    assert "\\Seen $Label1" in answer
    assert MAIL.decode() in answer


def test_what_pop3_deletes_is_here() -> None:
    world = Pop3World()
    world.deliver()
    pop = world.pop3()
    pop.say("DELE 1")
    pop.say("QUIT")
    client = world.client()
    assert "* 1 EXISTS" in client.say("SELECT Recovered")
    assert MAIL.decode() in client.say("FETCH 1 BODY[]")


def test_a_domain_can_switch_it_off_and_loses_nothing() -> None:
    world, client = deleted(1)
    switched(world, "off")
    assert "T NO [NONEXISTENT] " in client.say("SELECT Recovered")
    assert client.say("STATUS Recovered (MESSAGES)").startswith("T NO [NONEXISTENT] ")
    assert client.say('LIST "" Recovered') == "T OK Listed\r\n"
    assert client.say("DELETE Recovered").startswith("T NO [NONEXISTENT] ")
    assert client.append(MAIL, "Recovered").startswith("T NO [TRYCREATE] ")
    switched(world, "on")
    assert "* 1 EXISTS" in client.say("SELECT Recovered")


def test_switching_it_off_ends_what_has_it_selected() -> None:
    world, client = deleted(1)
    client.say("SELECT Recovered")
    switched(world, "off")
    assert "* BYE The mailbox was switched off" in client.say("NOOP")
    assert client.closed


def test_a_mailbox_of_the_users_own_keeps_the_name() -> None:
    world, client = deleted(1)
    switched(world, "off")
    assert "T OK" in client.say("CREATE Recovered")
    client.append(MAIL, "Recovered")
    switched(world, "on")
    assert "T OK [READ-WRITE]" in client.say("SELECT Recovered")
    assert "* 1 FETCH" in client.say("STORE 1 +FLAGS (\\Seen)")
    assert '"/" "Recovered"' in client.say('LIST "" *')
    assert "messages" not in client.say('LIST "" *')
    assert '"/" "Recovered messages"' in client.say('LIST "" "Recovered messages"')
    assert "* STATUS \"Recovered messages\" (MESSAGES 1)" in client.say('STATUS "Recovered messages" (MESSAGES)')
    assert "T OK [READ-ONLY]" in client.say('SELECT "Recovered messages"')
    assert client.say('DELETE "Recovered messages"').startswith("T NO [CANNOT] ")
    assert "T OK" in client.say("DELETE Recovered")
    answer = client.say("SELECT Recovered")
    assert "T OK [READ-ONLY]" in answer
    assert "* 2 EXISTS" in answer


def test_deleted_mail_has_no_part_in_what_a_client_finds_elsewhere() -> None:
    world, client = deleted(1)
    client.say("SELECT INBOX")
    assert client.say("SEARCH ALL") == "* SEARCH\r\nT OK Searched\r\n"
    world.deliver(flags=Flag.SEEN)
    assert "* SEARCH 1\r\n" in client.say("SEARCH ALL")
