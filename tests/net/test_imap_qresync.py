"""QRESYNC (RFC 7162 §3.2) as dialogues: VANISHED instead of EXPUNGE, and what was missed told in SELECT."""

from __future__ import annotations

import re

import pytest

from tests.imap_world import Client, World
from tests.net.test_imap_condstore import highest, modseqs, world_of

DAY = 86_400


def opened(world: World, command: str = "SELECT INBOX") -> Client:
    client = world.client()
    assert client.say("ENABLE QRESYNC") == "* ENABLED QRESYNC\r\nT OK Enabled\r\n"
    assert "T OK" in client.say(command)
    return client


def validity(client: Client) -> int:
    found = re.search(r"UIDVALIDITY (\d+)", client.say("STATUS INBOX (UIDVALIDITY)"))
    assert found
    return int(found[1])


def expunge(client: Client, uids: str) -> str:
    client.say(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
    return client.say("EXPUNGE")


def test_vanished_takes_the_place_of_expunge_for_own_and_others_deletions() -> None:
    world = world_of(6)
    client, other, plain = opened(world), opened(world), world.client()
    plain.say("SELECT INBOX")
    assert re.fullmatch(
        r"\* VANISHED 2:3,5\r\n\* 3 RECENT\r\nT OK \[HIGHESTMODSEQ \d+\] Expunged\r\n", expunge(client, "2,3,5")
    )
    assert other.say("NOOP").startswith("* VANISHED 2:3,5\r\n")
    assert plain.say("NOOP").startswith("* 5 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n")
    assert "* 3 FETCH (UID 6)" in other.say("FETCH 3 UID")


def untagged(answer: str) -> str:
    before, tagged = answer.rsplit("T OK ", 1)
    assert tagged.startswith("[HIGHESTMODSEQ "), answer
    return before


def test_a_modseq_seen_before_an_untold_expunge_does_not_hide_it() -> None:
    world = world_of(4)
    client, other = opened(world), opened(world)
    before = highest(client.say("STATUS INBOX (HIGHESTMODSEQ)"))
    expunge(other, "2")
    other.say("UID STORE 3 +FLAGS (\\Seen)")
    other.say("UID STORE 4 +FLAGS (\\Seen)")
    told = client.say("FETCH 3:4 (FLAGS MODSEQ)")
    # RFC 7162 §6: it must take the code, whatever MODSEQ it has seen.
    assert "VANISHED" not in told and min(modseqs(told).values()) > highest(told) == before
    stored = client.say("STORE 1 (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Seen)")
    assert f"* OK [HIGHESTMODSEQ {before}] " in stored and "T OK [MODIFIED 1] " in stored
    uidvalidity = validity(client)
    client.lose()
    again = world.client()
    again.say("ENABLE QRESYNC")
    assert "* VANISHED (EARLIER) 2\r\n" in again.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {highest(told)} 1:4))")


def test_once_the_expunge_is_told_so_is_the_newest_modseq() -> None:
    world = world_of(3)
    client, other = opened(world), opened(world)
    expunge(other, "1")
    client.say("FETCH 2 MODSEQ")
    told = client.say("NOOP")
    assert untagged(told) == "* VANISHED 1\r\n* 2 RECENT\r\n"
    assert highest(told) == highest(client.say("STATUS INBOX (HIGHESTMODSEQ)"))
    assert client.say("NOOP") == "T OK Done\r\n"


def test_close_tells_no_modseq() -> None:
    client = opened(world_of(2))
    client.say("STORE 1 +FLAGS (\\Deleted)")
    assert client.say("CLOSE") == "T OK Closed\r\n"


def test_vanished_waits_while_numbers_are_in_use_and_comes_at_once_in_idle() -> None:
    world = world_of(4)
    client, other = opened(world), opened(world)
    expunge(client, "2")
    assert untagged(other.say("FETCH 3 UID")) == "* 3 FETCH (UID 3)\r\n"
    assert "VANISHED" not in other.say("SEARCH ALL") + other.say("UID SEARCH 1:4") + other.say("UID SEARCH OR 1 NOT 2")
    assert untagged(other.say("UID FETCH 3 UID")) == "* 3 FETCH (UID 3)\r\n* VANISHED 2\r\n"
    other.say("IDLE")
    expunge(client, "4")
    assert other.heard().endswith("* VANISHED 4\r\n")


def test_a_move_vanishes_after_its_copyuid() -> None:
    world = world_of(3)
    client = opened(world)
    answer = client.say("MOVE 1:2 Archive")
    assert re.fullmatch(
        r"\* OK \[COPYUID \d+ 1:2 1:2\] Moved\r\n\* VANISHED 1:2\r\n\* 1 RECENT\r\n"
        r"T OK \[HIGHESTMODSEQ \d+\] Moved\r\n",
        answer,
    )


def test_expiry_is_seen_live_by_every_kind_of_client() -> None:
    world = world_of(2)
    world.clock.advance(DAY)
    world.deliver()
    idle, plain, busy = opened(world), world.client(), opened(world)
    plain.say("SELECT INBOX")
    idle.say("IDLE")
    before = highest(busy.say("STATUS INBOX (HIGHESTMODSEQ)"))
    bucket = min(entry[0] for entry in world.session().mailbox("INBOX").buckets)
    world.engine.drop_bucket(bucket, int(world.clock.now() * 1e6)).result()
    assert idle.heard() == "* VANISHED 1:2\r\n* 1 RECENT\r\n"
    assert plain.say("NOOP") == "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nT OK Done\r\n"
    assert "VANISHED" not in busy.say("FETCH 3 UID")
    assert untagged(busy.say("NOOP")) == "* VANISHED 1:2\r\n"
    assert highest(busy.say("STATUS INBOX (HIGHESTMODSEQ)")) > before


def test_select_tells_what_was_missed_vanished_first() -> None:
    world = world_of(6)
    client = opened(world)
    since, uidvalidity = highest(client.say("STATUS INBOX (HIGHESTMODSEQ)")), validity(client)
    client.say("UNSELECT")
    other = opened(world)
    expunge(other, "2,3")
    other.say("UID STORE 5 +FLAGS (\\Flagged)")
    world.deliver()
    answer = client.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {since} 1:6))")
    missed = answer[answer.index("* VANISHED") :]
    line = r"\* VANISHED \(EARLIER\) 2:3\r\n\* 3 FETCH \(UID 5 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)\r\n"
    assert re.fullmatch(line + r"T OK \[READ-WRITE\] Selected\r\n", missed), answer
    assert "* 5 EXISTS" in answer
    assert highest(answer) == highest(client.say("STATUS INBOX (HIGHESTMODSEQ)"))


def test_only_known_uids_are_told() -> None:
    world = world_of(6)
    client = opened(world)
    since, uidvalidity = highest(client.say("STATUS INBOX (HIGHESTMODSEQ)")), validity(client)
    expunge(client, "2,4")
    client.say("UID STORE 1,5 +FLAGS (\\Flagged)")
    answer = client.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {since} 4:5))")
    assert "* VANISHED (EARLIER) 4\r\n" in answer
    assert re.findall(r"UID (\d+) FLAGS", answer) == ["5"]
    world.deliver()
    everything = client.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {since}))")
    assert "* VANISHED (EARLIER) 2,4\r\n" in everything
    assert re.findall(r"UID (\d+) FLAGS", everything) == ["1", "5", "7"]


def test_a_client_that_knows_everything_is_told_nothing_more() -> None:
    world = world_of(3)
    client = opened(world)
    expunge(client, "2")
    now, uidvalidity = highest(client.say("STATUS INBOX (HIGHESTMODSEQ)")), validity(client)
    answer = client.say(f"EXAMINE INBOX (QRESYNC ({uidvalidity} {now} 1:3))")
    assert "VANISHED" not in answer and "FETCH" not in answer and "T OK [READ-ONLY]" in answer


def test_message_numbers_that_still_hold_spare_vanished_lines() -> None:
    world = world_of(6)
    client = opened(world)
    first = highest(client.say("STATUS INBOX (HIGHESTMODSEQ)"))
    expunge(client, "2")
    uidvalidity = validity(client)
    expunge(client, "5")
    # The client knows 1 3 4 5 6 as numbers 1 to 5, and an old MODSEQ.
    answer = client.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {first} 1:6 (2:3 3:4)))")
    assert "* VANISHED (EARLIER) 5\r\n" in answer
    answer = client.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {first} (1,3 1,5)))")
    assert "* VANISHED (EARLIER) 2,5\r\n" in answer


def test_another_uidvalidity_means_nothing_is_known() -> None:
    world = world_of(2)
    client = opened(world)
    answer = client.say("SELECT INBOX (QRESYNC (1 1 1:2))")
    assert "VANISHED" not in answer and "FETCH" not in answer and "T OK" in answer


def test_uid_fetch_tells_what_vanished_before_what_changed() -> None:
    world = world_of(6)
    client = opened(world)
    since = highest(client.say("STATUS INBOX (HIGHESTMODSEQ)"))
    expunge(client, "2,6")
    client.say("STORE 2 +FLAGS.SILENT (\\Flagged)")
    answer = client.say(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)")
    assert re.fullmatch(
        r"\* VANISHED \(EARLIER\) 2,6\r\n\* 2 FETCH \(UID 3 FLAGS [^)]*\) MODSEQ \(\d+\)\)\r\nT OK Fetched\r\n", answer
    )
    assert "EARLIER) 6\r\n" in client.say(f"UID FETCH 5:400 (FLAGS) (VANISHED CHANGEDSINCE {since})")
    assert "VANISHED" not in client.say("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 9223372036854775807 VANISHED)")


@pytest.mark.parametrize(
    "command",
    [
        "SELECT INBOX (QRESYNC (1 1))",
        "EXAMINE INBOX (QRESYNC (1 1 1:5))",
        "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
    ],
)
def test_qresync_must_be_enabled_first(command: str) -> None:
    world = world_of(1)
    client = world.client()
    client.say("SELECT INBOX")
    assert client.say(command).startswith("T BAD ")
    assert "T OK" in client.say("FETCH 1 FLAGS")


@pytest.mark.parametrize(
    "arguments",
    ["(1)", "(0 1)", "(1 x)", "(1 1 *:x)", "(1 1 1:5 (1:2 1:3))", "(1 1 1:5 (1:* 1:*))", "(1 1 1:5 (1 2)", "()"],
)
def test_malformed_parameters_are_bad_and_leave_the_mailbox_selected(arguments: str) -> None:
    client = opened(world_of(1))
    assert client.say(f"SELECT INBOX (QRESYNC {arguments})").startswith("T BAD ")
    assert "T OK" in client.say("FETCH 1 FLAGS")


def test_vanished_is_only_for_uid_fetch_with_changedsince() -> None:
    client = opened(world_of(1))
    for command in ("FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "UID FETCH 1 FLAGS (VANISHED)"):
        assert client.say(command).startswith("T BAD ")


def test_selecting_another_mailbox_says_that_the_first_is_closed() -> None:
    client = opened(world_of(1))
    closed = "* OK [CLOSED] The mailbox before is closed\r\n"
    assert client.say("SELECT Sent").startswith(closed + "* FLAGS")
    assert client.say("SELECT nowhere") == closed + "T NO [NONEXISTENT] Mailbox does not exist.\r\n"
    assert "CLOSED" not in client.say("SELECT Sent")


def test_enabling_is_in_force_for_the_mailbox_that_is_selected_already() -> None:
    world = world_of(2)
    client, other = world.client(), opened(world)
    client.say("SELECT INBOX")
    client.say("ENABLE QRESYNC")
    expunge(other, "1")
    assert client.say("NOOP") == "* VANISHED 1\r\nT OK Done\r\n"


def test_what_changed_before_enable_is_told_in_the_old_form_before_enabled() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    ann, other = world.client(), world.client()
    for client in (ann, other):
        client.say("SELECT INBOX")
    ann.say("MOVE 2 Archive")
    answer = other.say("ENABLE QRESYNC")
    assert answer.startswith("* 2 EXPUNGE\r\n* ENABLED QRESYNC\r\n* OK [HIGHESTMODSEQ "), answer
    ann.say("MOVE 2 Archive")
    assert "* VANISHED 3\r\n" in other.say("NOOP")


def test_enable_after_the_mailbox_was_deleted_ends_the_connection_without_a_fault() -> None:
    world = World()
    ann, other = world.client(), world.client()
    ann.say("CREATE Old")
    other.say("SELECT Old")
    ann.say("DELETE Old")
    answer = other.say("ENABLE CONDSTORE")
    assert "T OK" in answer and "* BYE" in answer and "SERVERBUG" not in answer
    assert other.closed
