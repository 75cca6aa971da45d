"""Two and three sessions on one mailbox see each other's changes by the rules of RFC 9051 §7.5.1."""

from __future__ import annotations

import re

from tests.imap_world import MAIL, Client, World


def opened(world: World, mailbox: str = "INBOX") -> Client:
    client = world.client()
    assert "T OK" in client.say(f"SELECT {mailbox}")
    return client


def test_a_new_message_is_told_at_the_next_command() -> None:
    world = World()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("SELECT INBOX")
    world.deliver()
    assert ann.heard() == ""
    assert ann.say("NOOP") == "* 1 EXISTS\r\n* 1 RECENT\r\nT OK Done\r\n"
    assert other.say("NOOP") == "* 1 EXISTS\r\n* 0 RECENT\r\nT OK Done\r\n"


def test_flags_changed_by_another_session_are_told() -> None:
    world = World()
    world.deliver()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("SELECT INBOX")
    assert "FETCH (FLAGS (\\Flagged \\Recent))" in ann.say("STORE 1 +FLAGS (\\Flagged)")
    assert other.say("NOOP") == "* 1 FETCH (FLAGS (\\Flagged))\r\nT OK Done\r\n"
    assert ann.say("NOOP") == "T OK Done\r\n"


def test_a_silent_store_is_silent_to_its_session_only() -> None:
    world = World()
    world.deliver()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("SELECT INBOX")
    assert ann.say("STORE 1 +FLAGS.SILENT (\\Seen)") == "T OK Stored\r\n"
    assert ann.say("NOOP") == "T OK Done\r\n"
    assert other.say("NOOP") == "* 1 FETCH (FLAGS (\\Seen))\r\nT OK Done\r\n"


def test_an_expunge_is_not_told_while_numbers_are_in_use() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("SELECT INBOX")
    ann.say("STORE 2 +FLAGS (\\Deleted)")
    assert ann.say("EXPUNGE") == "* 2 EXPUNGE\r\n* 2 RECENT\r\nT OK Expunged\r\n"
    for command in ("FETCH 3 (UID)", "STORE 3 +FLAGS.SILENT (\\Seen)", "SEARCH ALL"):
        answer = other.say(command)
        assert "EXPUNGE" not in answer and " OK " in answer, answer
    assert "* 3 FETCH (UID 3)" in other.say("FETCH 3 (UID)")
    assert "* SEARCH 1 2 3\r\n" in other.say("SEARCH ALL")
    assert other.say("NOOP") == "* 2 EXPUNGE\r\nT OK Done\r\n"
    assert "* 2 FETCH (UID 3)" in other.say("FETCH 2 (UID)")


def test_uid_commands_may_tell_expunges_before_they_end() -> None:
    world = World()
    for _ in range(2):
        world.deliver()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("SELECT INBOX")
    ann.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    ann.say("EXPUNGE")
    answer = other.say("UID FETCH 2 (UID)")
    assert answer == "* 2 FETCH (UID 2)\r\n* 1 EXPUNGE\r\nT OK Fetched\r\n"


def test_an_expunged_message_that_was_not_told_can_still_be_read() -> None:
    world = World()
    world.deliver()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("EXAMINE INBOX")
    ann.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    ann.say("EXPUNGE")
    answer = other.say("FETCH 1 (BODY[TEXT])")
    assert "At noon?" in answer and "T OK" in answer


def test_a_moved_message_that_was_not_told_is_an_expunge_issued() -> None:
    world = World()
    world.deliver()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("SELECT INBOX")
    assert "COPYUID" in ann.say("MOVE 1 Trash")
    assert other.say("FETCH 1 (BODY.PEEK[])").endswith("T NO [EXPUNGEISSUED] Some messages no longer exist\r\n")
    assert "EXPUNGEISSUED" in other.say("COPY 1 Trash").split("T ")[-1]
    assert other.say("NOOP") == "* 1 EXPUNGE\r\nT OK Done\r\n"


def test_move_tells_the_new_uids_before_the_expunges() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    ann = world.client()
    ann.say("SELECT INBOX")
    answer = ann.say("UID MOVE 1,3 Archive")
    lines = answer.splitlines()
    assert lines[0].startswith("* OK [COPYUID ") and lines[0].endswith(" 1,3 1:2] Moved")
    assert lines[1:] == ["* 3 EXPUNGE", "* 1 EXPUNGE", "* 1 RECENT", "T OK Moved"]


def test_recent_goes_to_one_session_only() -> None:
    world = World()
    world.deliver()
    reader = world.client()
    assert "* 1 RECENT" in reader.say("EXAMINE INBOX")
    ann = world.client()
    assert "* 1 RECENT" in ann.say("SELECT INBOX")
    other = world.client()
    assert "* 0 RECENT" in other.say("SELECT INBOX")
    assert "* SEARCH 1\r\n" in ann.say("SEARCH RECENT")
    ann.lose()
    other.lose()
    assert "* 0 RECENT" in world.client().say("SELECT INBOX")


def test_what_was_recent_in_idle_is_not_recent_again() -> None:
    world = World()
    ann = world.client()
    ann.say("SELECT INBOX")
    ann.say("IDLE")
    world.deliver()
    assert "* 1 RECENT" in ann.heard()
    ann.lose()
    assert "* 0 RECENT" in world.client().say("SELECT INBOX")


def test_the_last_session_to_let_go_forgets_the_look() -> None:
    world = World()
    ann, other = world.client(), world.client()
    ann.say("SELECT INBOX")
    other.say("SELECT INBOX")
    assert len(world.services.looks) == 1
    ann.say("UNSELECT")
    other.lose()
    assert len(world.services.looks) == 0


def test_a_mailbox_deleted_by_another_session_ends_the_connection() -> None:
    world = World()
    ann, other = world.client(), world.client()
    ann.say("CREATE work")
    ann.say("SELECT work")
    other.say("DELETE work")
    assert "* BYE" in ann.say("NOOP")
    assert ann.closed


def test_a_mailbox_deleted_by_its_own_session_is_left() -> None:
    world = World()
    ann = world.client()
    ann.say("CREATE work")
    ann.say("SELECT work")
    assert ann.say("DELETE work") == "T OK Deleted\r\n"
    assert not ann.closed
    assert "T OK" in ann.say("SELECT INBOX")


def test_a_mailbox_that_cannot_be_deleted_stays_selected() -> None:
    world = World()
    ann = world.client()
    ann.say("CREATE work/2026")
    ann.append(MAIL, "work")
    ann.say("SELECT work")
    assert ann.say("DELETE work").startswith("T NO [HASCHILDREN]")
    assert "* SEARCH 1\r\n" in ann.say("SEARCH ALL")


def test_a_mailbox_deleted_by_another_spelling_of_its_name_is_left() -> None:
    world = World()
    ann = world.client()
    ann.say("ENABLE UTF8=ACCEPT")
    composed, decomposed = ("B\u00e4r".encode().decode("latin-1"), "Ba\u0308r".encode().decode("latin-1"))
    ann.say(f'CREATE "{composed}"')
    assert "T OK" in ann.say(f'SELECT "{composed}"')
    assert ann.say(f'DELETE "{decomposed}"') == "T OK Deleted\r\n"
    assert not ann.closed
    assert "T NO" in ann.say("SEARCH ALL")


def test_a_renamed_mailbox_stays_selected() -> None:
    world = World()
    ann, other = world.client(), world.client()
    ann.say("CREATE work")
    ann.say("SELECT work")
    other.say("RENAME work play")
    other.append(MAIL, "play")
    assert "* 1 EXISTS" in ann.say("NOOP")


def test_expired_mail_is_expunged() -> None:
    world = World()
    world.deliver()
    world.clock.advance(86_400)
    world.deliver()
    ann = world.client()
    ann.say("SELECT INBOX")
    first = world.engine.buckets()[0]
    world.engine.drop_bucket(first, int(world.clock.now() * 1e6)).result()
    assert ann.say("NOOP") == "* 1 EXPUNGE\r\n* 1 RECENT\r\nT OK Done\r\n"
    assert "* 1 FETCH (UID 2)" in ann.say("FETCH 1 (UID)")


def test_three_sessions_agree_after_everybody_changed_something() -> None:
    world = World()
    for _ in range(4):
        world.deliver()
    clients = [world.client() for _ in range(3)]
    for client in clients:
        client.say("SELECT INBOX")
    clients[0].say("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    clients[1].say("STORE 3 FLAGS.SILENT (\\Answered keyword)")
    clients[2].append(MAIL)
    clients[0].say("EXPUNGE")
    clients[1].say("UID MOVE 4 Junk")
    for client in clients:
        client.say("NOOP")
    told = [client.say("FETCH 1:* (UID FLAGS)") for client in clients]
    answers = {text.replace(" \\Recent", "").replace("\\Recent", "") for text in told}
    assert answers == {
        "* 1 FETCH (UID 3 FLAGS (\\Answered keyword))\r\n* 2 FETCH (UID 5 FLAGS ())\r\nT OK Fetched\r\n"
    }


def test_a_store_on_a_message_that_another_session_expunged_is_answered_as_the_client_sees_it() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    one, other = opened(world), opened(world)
    other.say("STORE 2 +FLAGS.SILENT (\\Deleted)")
    other.say("EXPUNGE")
    answer = one.say("STORE 1:3 +FLAGS (\\Flagged $Later)")
    told = dict(re.findall(r"\* (\d) FETCH \(FLAGS \(([^)]*)\)", answer))
    assert set(told) == {"1", "2", "3"} and all("\\Flagged $Later" in flags for flags in told.values()), answer
    assert "$Later" in one.say("FETCH 2 FLAGS")
    assert "$Later" not in one.say("STORE 2 -FLAGS ($Later)").partition("* 2 FETCH")[2]
    assert "* 2 EXPUNGE" in one.say("NOOP") and "* 2 EXISTS" in other.say("SELECT INBOX")


def test_recent_is_told_again_when_a_recent_message_is_expunged() -> None:
    world = World()
    for _ in range(2):
        world.deliver()
    one, other = opened(world), opened(world)
    other.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.say("EXPUNGE")
    assert one.say("NOOP") == "* 1 EXPUNGE\r\n* 1 RECENT\r\nT OK Done\r\n"


def test_status_counts_nothing_as_recent_that_a_session_was_told_already() -> None:
    world = World()
    one, other = opened(world), world.client()
    world.deliver()
    assert "(RECENT 1)" in other.say("STATUS INBOX (RECENT)")
    one.say("NOOP")
    assert "(RECENT 0)" in other.say("STATUS INBOX (RECENT)")
    one.send(b"1 UNSELECT\r\n2 STATUS INBOX (RECENT)\r\n")
    assert "(RECENT 0)" in one.heard()
    assert "* 0 RECENT" in other.say("SELECT INBOX")


def test_a_fetch_of_many_tells_all_but_those_that_another_session_moved_away() -> None:
    world = World()
    for _ in range(60):
        world.deliver()
    one, other = opened(world), opened(world)
    assert "T OK" in other.say("MOVE 3 Archive")
    answer = one.say("FETCH 1:3,5:60 (RFC822.SIZE)")
    assert [int(number) for number in re.findall(r"\* (\d+) FETCH", answer)] == [1, 2, *range(5, 61)]
    assert "T NO [EXPUNGEISSUED] " in answer


def test_a_search_by_number_finds_what_is_gone_and_not_told_as_the_client_still_counts_it() -> None:
    world = World()
    for _ in range(4):
        world.deliver()
    ann, other = opened(world), opened(world)
    ann.say("STORE 2 +FLAGS (\\Deleted \\Seen)")
    ann.say("STORE 4 +FLAGS (\\Seen)")
    other.say("NOOP")
    ann.say("EXPUNGE")
    for command, answer in (
        ("SEARCH ALL", "* SEARCH 1 2 3 4"),
        ("SEARCH SEEN", "* SEARCH 2 4"),
        ("SEARCH UNSEEN", "* SEARCH 1 3"),
        ("SEARCH 2:3", "* SEARCH 2 3"),
        ("SEARCH SUBJECT lunch", "* SEARCH 1 2 3 4"),
        ("SEARCH NOT BODY noon", "* SEARCH"),
        ("SEARCH RETURN (COUNT) SMALLER 9999", "COUNT 4"),
        ("UID SEARCH 1:4 SEEN", "* SEARCH 2 4"),
        ("SORT (REVERSE ARRIVAL) UTF-8 SEEN", "* SORT 2 4"),
        ("THREAD ORDEREDSUBJECT UTF-8 SEEN", "* THREAD (2 4)"),
    ):
        said = other.say(command)
        assert f"{answer}\r\n" in said and "EXPUNGE" not in said, said
    assert other.say("UID SEARCH ALL") == "* SEARCH 1 3 4\r\n* 2 EXPUNGE\r\nT OK Searched\r\n"
    assert "* SEARCH 1 2 3\r\n" in other.say("SEARCH ALL")


def test_a_search_by_number_says_nothing_of_the_text_of_what_was_moved_away() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    ann, other = opened(world), opened(world)
    other.say("SEARCH SUBJECT lunch")
    ann.say("MOVE 2 Archive")
    assert "* SEARCH 1 2 3\r\n" in other.say("SEARCH UNDELETED")
    for key in ("SUBJECT lunch", "TEXT noon", "HEADER To ann", "SINCE 1-Jan-2020", "LARGER 1"):
        said = other.say(f"SEARCH {key}")
        assert said.startswith(("* SEARCH 1 3\r\n", "* SEARCH 1 2 3\r\n")), said
    assert "OK" in other.say("FETCH 1:3 (FLAGS)")
    assert "* SEARCH 1 3\r\n" in other.say("UID SEARCH TEXT noon")
