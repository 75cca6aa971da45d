"""Whole IMAP dialogues through one connection: commands, logins, IDLE, drain."""

from __future__ import annotations

import re

import msgspec
import pytest

from tests.imap_world import MAIL, PASSWORD, Client, SlowClock, World
from xtramail.model.errors import StoreFault, StoreFull
from xtramail.model.pending import Pending
from xtramail.net.limits import LimitSettings

DIALOGUE = """\
CAPABILITY
NOOP
NAMESPACE
ID ("name" "x" "version" "1")
ENABLE X-NONE
LIST "" ""
LIST "" %
CREATE work/2026
LIST "" work*
SUBSCRIBE nowhere
LSUB "" *
UNSUBSCRIBE nowhere
RENAME work play
STATUS play/2026 (MESSAGES UNSEEN UIDNEXT)
DELETE play
DELETE play/2026
SELECT nope
FETCH 1 FLAGS
EXAMINE INBOX
STORE 1 +FLAGS (\\Seen)
SELECT INBOX
FETCH 1:* (UID FLAGS RFC822.SIZE)
FETCH 9 FLAGS
UID FETCH 9 FLAGS
FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]
STORE 1:2 +FLAGS (\\Deleted one)
STORE 2 -FLAGS.SILENT (\\Deleted)
SEARCH DELETED
UID SEARCH NOT DELETED SUBJECT "lunch"
SEARCH CHARSET KOI9 TEXT x
COPY 2 nowhere
COPY 2 Archive
UID COPY 99 Archive
UID EXPUNGE 2
EXPUNGE
MOVE 1 Trash
CHECK
CLOSE
UNSELECT
SELECT Archive
UNSELECT
BOGUS
LOGOUT
"""


CHANGES = (
    "CREATE new", "DELETE old", "RENAME old new", "SUBSCRIBE new", "UNSUBSCRIBE old", "STORE 1 +FLAGS (\\Flagged)",
    "COPY 1 old", "MOVE 1 old", "EXPUNGE", "UID EXPUNGE 1:*", "CLOSE", "APPEND",
)  # fmt: skip


def change(client: Client, command: str) -> str:
    return client.append(MAIL) if command == "APPEND" else client.say(command)


def dialogue(*, bytewise: bool) -> list[str]:
    world = World()
    world.deliver()
    world.deliver()
    client = world.client(bytewise=bytewise)
    return [client.say(line) for line in DIALOGUE.splitlines()]


def test_a_dialogue_is_answered_alike_whole_and_byte_by_byte() -> None:
    whole = dialogue(bytewise=False)
    assert whole == dialogue(bytewise=True)
    answers = dict(zip(DIALOGUE.splitlines(), whole, strict=True))
    assert answers['LIST "" ""'] == '* LIST (\\Noselect) "/" ""\r\nT OK Listed\r\n'
    assert answers["ENABLE X-NONE"] == "* ENABLED\r\nT OK Enabled\r\n"
    assert '(\\HasChildren) "/" "work"' in answers['LIST "" work*']
    assert answers['LSUB "" *'].count("* LSUB") == 7
    assert '* LSUB (\\Noselect) "/" "nowhere"' in answers['LSUB "" *']
    assert answers["STATUS play/2026 (MESSAGES UNSEEN UIDNEXT)"].startswith(
        '* STATUS "play/2026" (MESSAGES 0 UNSEEN 0 UIDNEXT 1)'
    )
    assert answers["DELETE play"].startswith("T NO [HASCHILDREN]")
    assert answers["SELECT nope"].startswith("T NO [NONEXISTENT]")
    assert answers["FETCH 1 FLAGS"].startswith("T BAD")
    assert "[READ-ONLY]" in answers["EXAMINE INBOX"] and "PERMANENTFLAGS ()" in answers["EXAMINE INBOX"]
    assert answers["STORE 1 +FLAGS (\\Seen)"].startswith("T NO [NOPERM]")
    assert "[UNSEEN 1]" in answers["SELECT INBOX"]
    assert answers["FETCH 9 FLAGS"].startswith("T BAD")
    assert answers["UID FETCH 9 FLAGS"] == "T OK Fetched\r\n"
    assert "FLAGS (\\Seen \\Recent)" in answers["FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]"]
    assert "* 2 FETCH (FLAGS (\\Deleted one \\Recent))" in answers["STORE 1:2 +FLAGS (\\Deleted one)"]
    assert answers["STORE 2 -FLAGS.SILENT (\\Deleted)"] == "T OK Stored\r\n"
    assert answers["SEARCH DELETED"] == "* SEARCH 1\r\nT OK Searched\r\n"
    assert answers['UID SEARCH NOT DELETED SUBJECT "lunch"'].startswith("* SEARCH 2\r\n")
    assert "BADCHARSET" in answers["SEARCH CHARSET KOI9 TEXT x"]
    assert answers["COPY 2 nowhere"].startswith("T NO [TRYCREATE]")
    assert answers["COPY 2 Archive"].startswith("T OK [COPYUID ")
    assert answers["UID COPY 99 Archive"] == "T OK Copied\r\n"
    assert answers["UID EXPUNGE 2"] == "T OK Expunged\r\n"
    assert answers["EXPUNGE"] == "* 1 EXPUNGE\r\n* 1 RECENT\r\nT OK Expunged\r\n"
    assert answers["MOVE 1 Trash"].endswith("] Moved\r\n* 1 EXPUNGE\r\n* 0 RECENT\r\nT OK Moved\r\n")
    assert answers["UNSELECT"].startswith("T OK")
    assert answers["LOGOUT"] == "* BYE Until next time\r\nT OK Logged out\r\n"


def test_pipelined_commands_are_answered_in_order_though_some_wait() -> None:
    world = World()
    world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    world.engine.pause()
    client.send(b"a STORE 1 +FLAGS (\\Flagged)\r\nb FETCH 1 FLAGS\r\nc COPY 1 Sent\r\nd NOOP\r\n")
    assert client.heard() == ""
    world.engine.resume()
    answer = client.heard()
    tagged = [line.split()[0] for line in answer.splitlines() if not line.startswith("*")]
    assert tagged == ["a", "b", "c", "d"]
    assert "b OK" in answer and "\\Flagged" in answer


def at_work() -> tuple[World, Client]:
    """One message marked as deleted in INBOX, which is selected, and an empty mailbox."""
    world = World()
    world.deliver()
    client = world.client()
    for command in ("CREATE old", "SUBSCRIBE old", "SELECT INBOX", "STORE 1 +FLAGS (\\Deleted)"):
        assert "T OK" in client.say(command)
    return world, client


def shown(client: Client) -> list[str]:
    """Everything that a change could have changed."""
    assert "* 1 EXISTS" in client.say("SELECT INBOX")
    return [client.say(one) for one in ('LIST "" *', 'LSUB "" *', "STATUS old (MESSAGES)", "FETCH 1:* (UID FLAGS)")]


@pytest.mark.parametrize("command", CHANGES)
def test_nothing_is_acknowledged_before_it_is_durable(command: str) -> None:
    world, client = at_work()
    world.engine.pause()
    assert "T " not in change(client, command)
    assert not client.closed
    world.engine.resume()
    assert re.search(r"(?m)^t\d+ OK", client.heard())


@pytest.mark.parametrize("command", CHANGES)
def test_what_could_not_be_made_durable_is_refused_and_was_not_done(command: str) -> None:
    world, client = at_work()
    before = shown(client)
    world.engine.fail_next(StoreFault())
    assert "T NO [UNAVAILABLE]" in change(client, command)
    assert shown(client) == before


def test_mail_can_be_read_while_the_store_cannot_write() -> None:
    world = World()
    world.deliver()
    world.engine.fail_next(StoreFull(), times=100)
    client = world.client()
    assert "* 1 EXISTS" in client.say("SELECT INBOX")
    answer = client.say("FETCH 1 BODY[TEXT]")
    assert "At noon?" in answer and "T OK" in answer and "\\Seen" not in answer
    assert client.append(MAIL).startswith("T NO [LIMIT]")


def test_select_of_a_missing_mailbox_leaves_none_selected() -> None:
    world = World()
    client = world.client()
    client.say("SELECT INBOX")
    client.say("SELECT nope")
    assert client.say("FETCH 1 FLAGS").startswith("T BAD")
    assert len(world.services.looks) == 0


@pytest.mark.parametrize("name", ['"a&b"', '"a//b"', "x" * 1001, "INBOX (QRESYNC (1 1 %s))"])
def test_select_of_what_no_mailbox_can_be_leaves_none_selected(name: str) -> None:
    world = World()
    client = world.client()
    client.say("ENABLE QRESYNC")
    many = ",".join(str(2 * number) for number in range(1, 1002))
    for command in ("SELECT", "EXAMINE"):
        client.say("SELECT INBOX")
        answer = client.say(f"{command} {name.replace('%s', many)}")
        assert answer.startswith("* OK [CLOSED] The mailbox before is closed\r\nT NO ["), answer
        assert client.say("FETCH 1 FLAGS").startswith("T BAD")
        assert len(world.services.looks) == 0


def test_a_pile_of_commands_lets_others_have_their_turn() -> None:
    world = World(reactor=SlowClock())
    client = world.client()
    client.send(b"".join(b"a%d NOOP\r\n" % number for number in range(100)))
    assert 0 < client.transport.value().count(b" OK ") < 5
    assert client.heard().count(" OK ") == 100


# Login


def test_the_greeting_comes_after_the_handshake_and_login_tells_capabilities() -> None:
    world = World()
    client = world.client(login=False)
    assert client.greeting.startswith("* OK [CAPABILITY IMAP4rev1 ") and "AUTH=PLAIN" in client.greeting
    answer = client.say(f'LOGIN ann@example.org "{PASSWORD}"')
    assert answer.startswith("T OK [CAPABILITY IMAP4rev1 ") and "AUTH=" not in answer


def test_sasl_plain_with_an_initial_response_logs_in() -> None:
    world = World()
    client = world.client(login=False)
    assert "T OK" in client.say("AUTHENTICATE PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl")


def test_failed_logins_are_answered_later_each_time_and_end_the_connection() -> None:
    world = World()
    client = world.client(login=False)
    for delay in (1, 2, 4, 8):
        assert client.say("LOGIN ann@example.org wrong") == ""
        world.advance(delay - 0.01)
        assert client.heard() == ""
        world.advance(0.02)
        assert " NO [AUTHENTICATIONFAILED] " in client.heard()
    client.say("LOGIN nobody@example.org wrong")
    world.advance(8)
    answer = client.heard()
    assert "NO [AUTHENTICATIONFAILED]" in answer and "* BYE" in answer
    assert client.closed


def test_a_busy_login_is_a_farewell_and_not_a_wrong_password() -> None:
    world = World()
    client = world.client(login=False)
    world.login.busy = True
    assert client.say(f'LOGIN ann@example.org "{PASSWORD}"').startswith("* BYE [UNAVAILABLE]")
    assert client.closed


def test_what_is_pipelined_behind_a_login_waits_for_it() -> None:
    world = World()
    client = world.client(login=False)
    world.login.gate = Pending()
    client.send(f'a LOGIN ann@example.org "{PASSWORD}"\r\nb SELECT INBOX\r\n'.encode())
    assert client.heard() == ""
    world.login.gate.settle(None)
    answer = client.heard()
    assert answer.index("a OK") < answer.index("b OK")


def test_a_connection_lost_during_login_leaves_nothing_behind() -> None:
    world = World()
    client = world.client(login=False)
    world.login.gate = Pending()
    client.send(f'a LOGIN ann@example.org "{PASSWORD}"\r\n'.encode())
    client.lose()
    world.login.gate.settle(None)
    assert client.heard() == ""
    assert world.limits.connections("imaps") == 0


def test_first_login_makes_the_special_mailboxes() -> None:
    listed = World().client().say('LIST "" *')
    for name, use in (("Drafts", "Drafts"), ("Sent", "Sent"), ("Archive", "Archive"), ("Junk", "Junk")):
        assert f'\\{use}) "/" "{name}"' in listed


def test_an_account_has_only_so_many_connections() -> None:
    world = World(limits=LimitSettings(logged_in_per_account=1))
    first = world.client()
    second = world.client(login=False)
    assert second.say(f'LOGIN ann@example.org "{PASSWORD}"').startswith("T NO [LIMIT]")
    first.lose()
    assert "T OK" in second.say(f'LOGIN ann@example.org "{PASSWORD}"')


def test_an_address_with_too_many_connections_is_turned_away() -> None:
    world = World(limits=LimitSettings(unauthenticated_per_address=1))
    world.client(login=False)
    turned_away = world.client(login=False)
    assert turned_away.greeting == ""
    assert turned_away.transport.aborted
    assert world.client(login=False, address="192.0.2.2").greeting.startswith("* OK")


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"password_changed": 5.0}])
def test_a_session_ends_when_its_account_is_disabled_or_has_another_password(change: dict[str, object]) -> None:
    world = World()
    client = world.client()
    fields = {name: getattr(world.ann, name) for name in world.ann.__struct_fields__} | change
    world.put_account(type(world.ann)(**fields))
    assert client.heard().startswith("* BYE")
    assert client.closed


def test_who_does_not_read_keeps_no_login_that_has_ended() -> None:
    world = World()
    client = world.client()
    client.protocol.pauseProducing()
    world.put_account(msgspec.structs.replace(world.ann, quota=1))
    world.advance(0)
    assert not client.transport.aborted
    world.put_account(msgspec.structs.replace(world.ann, status="disabled"))
    world.advance(0)
    assert client.transport.aborted


def test_a_login_that_was_revoked_before_anybody_watched_ends_at_once() -> None:
    world = World()
    world.login.gate = Pending()
    client = world.client(login=False)
    client.send(f'a LOGIN ann@example.org "{PASSWORD}"\r\n'.encode())
    world.put_account(msgspec.structs.replace(world.ann, status="disabled"))
    world.login.gate.settle(None)
    world.advance(0)
    assert "* BYE" in client.heard()
    assert client.closed


# IDLE


def test_idle_tells_deliveries_flags_and_expunges_at_once() -> None:
    world = World()
    world.deliver()
    idler, other = world.client(), world.client()
    idler.say("SELECT INBOX")
    other.say("SELECT INBOX")
    assert idler.say("IDLE") == "+ idling\r\n"
    world.deliver()
    assert idler.heard() == "* 2 EXISTS\r\n* 2 RECENT\r\n"
    other.say("STORE 1 +FLAGS (\\Deleted)")
    assert idler.heard() == "* 1 FETCH (FLAGS (\\Deleted \\Recent))\r\n"
    other.say("EXPUNGE")
    assert idler.heard() == "* 1 EXPUNGE\r\n* 1 RECENT\r\n"
    idler.send(b"DONE\r\n")
    assert idler.heard().endswith(" OK Idled\r\n")
    assert idler.say("NOOP") == "T OK Done\r\n"


def test_idle_says_every_two_minutes_that_it_is_still_here() -> None:
    world = World()
    client = world.client()
    client.say("SELECT INBOX")
    client.say("IDLE")
    for _ in range(3):
        world.advance(119)
        assert client.heard() == ""
        world.advance(1)
        assert client.heard() == "* OK Still here\r\n"
    client.send(b"DONE\r\n")
    client.heard()
    world.advance(600)
    assert client.heard() == ""


def test_idle_tells_what_happened_before_it_began() -> None:
    world = World()
    client = world.client()
    client.say("SELECT INBOX")
    world.deliver()
    assert client.say("IDLE") == "+ idling\r\n* 1 EXISTS\r\n* 1 RECENT\r\n"


def test_idle_without_a_mailbox_waits_in_silence() -> None:
    world = World()
    client = world.client()
    assert client.say("IDLE") == "+ idling\r\n"
    world.deliver()
    assert client.heard() == ""
    client.send(b"DONE\r\n")
    assert "OK Idled" in client.heard()


# Drain


def test_drain_says_bye_and_lets_a_command_under_way_finish() -> None:
    world = World()
    world.deliver()
    idle, busy = world.client(), world.client()
    busy.say("SELECT INBOX")
    world.engine.pause()
    busy.send(b"a STORE 1 +FLAGS (\\Seen)\r\nb NOOP\r\n")
    gone: list[object] = []
    world.service.drain().addCallback(gone.append)
    assert idle.heard().startswith("* BYE [UNAVAILABLE]")
    assert idle.closed and not busy.closed
    world.engine.resume()
    answer = busy.heard()
    assert "a OK" in answer and "* BYE" in answer and "b OK" not in answer
    idle.lose()
    assert not gone
    busy.lose()
    assert gone


def test_cut_ends_what_does_not_drain() -> None:
    world = World()
    client = world.client()
    world.service.cut()
    assert client.transport.aborted


def test_a_bug_is_answered_serverbug_and_the_connection_goes_on() -> None:
    world = World()
    client = world.client()
    client.say("SELECT INBOX")
    world.engine.fail_next(ZeroDivisionError())
    assert client.say("CREATE x").startswith("T NO [SERVERBUG]")
    assert "T OK" in client.say("NOOP")


def test_ten_syntax_errors_slow_the_connection_and_twenty_end_it() -> None:
    world = World()
    client = world.client()
    for _ in range(9):
        assert client.say("BOGUS").startswith("T BAD")
    for _ in range(10):
        assert client.say("BOGUS") == ""
        world.advance(1)
        assert "BAD" in client.heard()
    client.say("BOGUS")
    world.advance(1)
    assert "* BYE" in client.heard()
    assert client.closed


def test_errors_are_forgiven_to_who_is_logged_in_and_does_something_right() -> None:
    world = World()
    client, stranger = world.client(), world.client(login=False)
    for _ in range(5):
        for _ in range(8):
            assert client.say("BOGUS").startswith("T BAD")
        assert client.say("NOOP") == "T OK Done\r\n"
    for _ in range(9):
        assert stranger.say("BOGUS").startswith("T BAD") and stranger.say("NOOP") == "T OK Done\r\n"
    assert stranger.say("BOGUS") == ""
