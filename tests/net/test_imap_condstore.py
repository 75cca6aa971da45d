"""CONDSTORE (RFC 7162 §3.1) as dialogues; a second session proves what others see."""

from __future__ import annotations

import re

import pytest

from tests.imap_world import Client, World
from xtramail.model.pending import drive
from xtramail.store.restored import renew


def world_of(count: int) -> World:
    world = World()
    for _ in range(count):
        world.deliver()
        world.clock.advance(1)
    return world


def highest(answer: str) -> int:
    found = re.search(r"HIGHESTMODSEQ (\d+)", answer)
    assert found, answer
    return int(found[1])


def modseqs(answer: str) -> dict[int, int]:
    return {int(number): int(modseq) for number, modseq in re.findall(r"\* (\d+) FETCH .*?MODSEQ \((\d+)\)", answer)}


def opened(world: World, *commands: str) -> Client:
    client = world.client()
    for command in (*commands, "SELECT INBOX"):
        assert "T OK" in client.say(command)
    return client


def test_status_and_select_tell_the_same_modseq_which_is_never_zero() -> None:
    world = world_of(2)
    client = world.client()
    for mailbox in ("INBOX", "Trash"):
        told = highest(client.say(f"STATUS {mailbox} (HIGHESTMODSEQ)"))
        assert told == highest(client.say(f"SELECT {mailbox} (CONDSTORE)")) > 0
        assert told == highest(client.say(f"EXAMINE {mailbox}"))


def test_modseq_grows_with_every_change_and_with_expiry() -> None:
    world = world_of(2)
    client, seen = opened(world), [0]
    steps = ("STORE 1 +FLAGS (\\Flagged)", "STORE 1 -FLAGS (\\Flagged)", "STORE 2 +FLAGS (\\Deleted)", "EXPUNGE")
    for command in (*steps, "COPY 1 INBOX"):
        client.say(command)
        seen.append(highest(client.say("STATUS INBOX (HIGHESTMODSEQ)")))
    bucket = next(iter(world.session().mailbox("INBOX").buckets))[0]
    world.engine.drop_bucket(bucket, 5).result()
    seen.append(highest(client.say("STATUS INBOX (HIGHESTMODSEQ)")))
    assert seen == sorted(set(seen))
    assert highest(world.client().say("SELECT INBOX")) == seen[-1]


def test_after_a_restore_modseq_is_ahead_and_what_was_known_counts_no_more() -> None:
    world = world_of(2)
    client = world.client()
    before = client.say("STATUS INBOX (HIGHESTMODSEQ UIDVALIDITY)")
    client.lose()
    drive(renew(world.engine, world.clock.now(), "restored"))
    client = world.client()
    client.say("ENABLE QRESYNC")
    after = client.say("STATUS INBOX (HIGHESTMODSEQ UIDVALIDITY)")
    assert highest(after) > highest(before)
    old, new = (int(re.findall(r"UIDVALIDITY (\d+)", answer)[0]) for answer in (before, after))
    assert new > old
    answer = client.say(f"SELECT INBOX (QRESYNC ({old} {highest(before)} 1:2))")
    assert f"UIDVALIDITY {new}" in answer and "VANISHED" not in answer and "FETCH" not in answer
    assert highest(answer) == highest(after)


def test_a_store_tells_the_new_modseq_also_when_silent() -> None:
    client = opened(world_of(2), "ENABLE CONDSTORE")
    loud = client.say("STORE 1 +FLAGS (\\Flagged)")
    assert re.search(r"\* 1 FETCH \(FLAGS \(\\Flagged \\Recent\) MODSEQ \(\d+\)\)", loud), loud
    silent = client.say("UID STORE 1:2 +FLAGS.SILENT (\\Seen)")
    assert re.findall(r"\* (\d) FETCH \(UID (\d) MODSEQ \(\d+\)\)", silent) == [("1", "1"), ("2", "2")]
    assert "FLAGS (" not in silent
    assert modseqs(client.say("FETCH 1:2 MODSEQ")) == modseqs(silent)


def test_a_client_that_never_asked_is_told_no_modseq() -> None:
    world = world_of(1)
    client, other = opened(world), opened(world)
    for answer in (client.say("STORE 1 +FLAGS (\\Flagged)"), client.say("STORE 1 FLAGS.SILENT ()"), other.say("NOOP")):
        assert "MODSEQ" not in answer


@pytest.mark.parametrize(
    "command",
    [
        "FETCH 1 (MODSEQ)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1)",
        "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (x)",
        "SEARCH MODSEQ 1",
        "STATUS INBOX (HIGHESTMODSEQ)",
        'LIST "" INBOX RETURN (STATUS (HIGHESTMODSEQ))',
        "SELECT INBOX (CONDSTORE)",
        "EXAMINE INBOX (CONDSTORE)",
        "ENABLE CONDSTORE",
        "ENABLE QRESYNC",
    ],
)
def test_after_any_use_of_modseq_changes_by_others_carry_it(command: str) -> None:
    world = world_of(1)
    client, other = opened(world), opened(world)
    assert "T OK" in client.say(command)
    other.say("STORE 1 +FLAGS (\\Answered)")
    line = r"\* 1 FETCH \((UID 1 )?FLAGS \(\\Answered[^)]*\) MODSEQ \(\d+\)\)"
    assert re.match(line, client.say("NOOP"))
    client.say("IDLE")
    other.say("STORE 1 -FLAGS (\\Answered)")
    assert "MODSEQ (" in client.heard()


def test_unchangedsince_leaves_what_others_changed_and_names_it() -> None:
    world = world_of(3)
    client, other = opened(world, "ENABLE CONDSTORE"), opened(world)
    known = modseqs(client.say("FETCH 1:* (FLAGS MODSEQ)"))
    other.say("STORE 2 +FLAGS (\\Answered)")
    answer = client.say(f"STORE 1:3 (UNCHANGEDSINCE {max(known.values())}) +FLAGS.SILENT (\\Deleted)")
    assert "T OK [MODIFIED 2] " in answer
    assert sorted(modseqs(answer)) == [1, 2, 3]
    assert "* 2 FETCH (FLAGS (\\Answered \\Recent) MODSEQ" in answer
    assert "T OK [MODIFIED 2] " in client.say(f"UID STORE 2 (UNCHANGEDSINCE {known[2]}) FLAGS (\\Seen)")
    assert "T OK Stored" in client.say(f"UID STORE 2 (UNCHANGEDSINCE {modseqs(answer)[2]}) FLAGS (\\Seen)")
    assert "[MODIFIED 1:3]" in client.say("STORE 1:3 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)")


def test_changedsince_fetches_only_what_changed_and_tells_modseq_unasked() -> None:
    world = world_of(4)
    client = opened(world)
    since = highest(client.say("STATUS INBOX (HIGHESTMODSEQ)"))
    client.say("STORE 2:3 +FLAGS.SILENT (\\Flagged)")
    answer = client.say(f"FETCH 1:2,4 (FLAGS) (CHANGEDSINCE {since})")
    assert list(modseqs(answer)) == [2]
    assert "* 3 FETCH (UID 3 FLAGS (\\Flagged \\Recent) MODSEQ (" in client.say(
        f"UID FETCH 1:* FLAGS (CHANGEDSINCE {since})"
    )
    assert client.say(f"FETCH 1:* FLAGS (CHANGEDSINCE {max(modseqs(answer).values())})") == "T OK Fetched\r\n"
    assert sorted(modseqs(client.say("FETCH 1:* (UID) (CHANGEDSINCE 0)"))) == [1, 2, 3, 4]


def test_a_change_by_another_session_is_told_even_when_changedsince_leaves_it_out() -> None:
    world = world_of(2)
    client, other = opened(world, "ENABLE CONDSTORE"), opened(world)
    other.say("STORE 1 +FLAGS (\\Flagged)")
    future = highest(other.say("STATUS INBOX (HIGHESTMODSEQ)"))
    assert "* 1 FETCH (FLAGS (\\Flagged" in client.say(f"FETCH 1:2 FLAGS (CHANGEDSINCE {future})")


def test_reading_a_body_tells_the_modseq_of_the_seen_flag() -> None:
    client = opened(world_of(1), "ENABLE CONDSTORE")
    answer = client.say("FETCH 1 BODY[TEXT]")
    assert re.search(r"FLAGS \(\\Seen \\Recent\) MODSEQ \(\d+\)\)", answer), answer


def test_search_by_modseq_tells_the_highest_of_what_it_found() -> None:
    world = world_of(3)
    client = opened(world)
    known = modseqs(client.say("FETCH 1:* MODSEQ"))
    assert f"* SEARCH 2 3 (MODSEQ {known[3]})\r\n" in client.say(f"SEARCH MODSEQ {known[2]}")
    entry = f'SEARCH MODSEQ "/flags/\\\\draft" all {known[2]} NOT 3'
    assert f"* SEARCH 2 (MODSEQ {known[2]})\r\n" in client.say(entry)
    assert client.say(f"UID SEARCH MODSEQ {known[3] + 1}").startswith("* SEARCH\r\n")


def test_a_client_of_modseq_is_told_the_mailbox_s_after_an_expunge() -> None:
    world = world_of(3)
    client = opened(world, "ENABLE CONDSTORE")
    client.say("STORE 1 +FLAGS (\\Deleted)")
    told = highest(client.say("EXPUNGE"))
    assert told == highest(client.say("STATUS INBOX (HIGHESTMODSEQ)"))
    assert "HIGHESTMODSEQ" in client.say("MOVE 1 Archive")
    assert client.say("EXPUNGE") == "T OK Expunged\r\n"
    client.say("STORE 1 +FLAGS (\\Deleted)")
    assert client.say("CLOSE") == "T OK Closed\r\n"


def test_a_client_from_which_condstore_is_hidden_sees_nothing_of_it() -> None:
    world = World()
    world.ann.settings["hidden_capabilities"] = "CONDSTORE"
    client = world.client()
    told = client.say("CAPABILITY")
    assert "CONDSTORE" not in told and "QRESYNC" not in told
    assert client.say("ENABLE CONDSTORE QRESYNC") == "* ENABLED\r\nT OK Enabled\r\n"
    assert "MODSEQ" not in client.say("SELECT INBOX")
    for command in ("STATUS INBOX (HIGHESTMODSEQ)", "SELECT INBOX (CONDSTORE)", "SEARCH MODSEQ 1"):
        assert client.say(command).startswith("T BAD ")


def test_the_first_command_that_uses_modseq_tells_the_highest_of_what_is_selected() -> None:
    world = world_of(2)
    for command in (
        "FETCH 1 MODSEQ", "SEARCH MODSEQ 1", "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (x)", "STATUS Trash (HIGHESTMODSEQ)",
    ):  # fmt: skip
        client = opened(world)
        now = highest(client.say("STATUS INBOX (MESSAGES HIGHESTMODSEQ)")) if "Trash" in command else None
        client = opened(world)
        first, second = client.say(command), client.say(command)
        told = re.search(r"\* OK \[HIGHESTMODSEQ (\d+)\] ", first)
        assert told and (now is None or int(told[1]) == now), first
        assert "* OK [HIGHESTMODSEQ" not in second


@pytest.mark.parametrize("name", ["CONDSTORE", "QRESYNC"])
def test_enable_tells_the_highest_modseq_before_it_is_done(name: str) -> None:
    client = opened(world_of(1))
    answer = client.say(f"ENABLE {name}")
    assert re.fullmatch(
        rf"\* ENABLED {name}\r\n\* OK \[HIGHESTMODSEQ \d+\] Highest\r\nT OK Enabled\r\n", answer
    ), answer
    assert "HIGHESTMODSEQ" not in client.say("ENABLE QRESYNC")


def test_a_change_that_fetch_shows_is_told_with_its_modseq_to_who_knows_modseq() -> None:
    world = world_of(2)
    aware, other = opened(world, "ENABLE CONDSTORE"), opened(world)
    other.say("STORE 1 +FLAGS (\\Flagged)")
    answer = aware.say("FETCH 1:2 (UID FLAGS)")
    assert modseqs(answer) == {1: highest(other.say("STATUS INBOX (HIGHESTMODSEQ)"))}, answer
    assert "FETCH" not in aware.say("NOOP")
