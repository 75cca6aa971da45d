"""STATUS=SIZE, APPENDLIMIT, OBJECTID, SAVEDATE and PREVIEW as dialogues."""

from __future__ import annotations

import re

from tests.imap_world import MAIL, Client, World


def opened(world: World) -> Client:
    client = world.client()
    client.say("SELECT INBOX")
    return client


def one(pattern: str, answer: str) -> str:
    found = re.search(pattern, answer)
    assert found, answer
    return found[1]


def test_status_tells_size_and_what_is_deleted() -> None:
    world = World()
    world.deliver()
    world.deliver()
    client = opened(world)
    client.say("STORE 1 +FLAGS (\\Deleted)")
    told = client.say("STATUS INBOX (SIZE DELETED MESSAGES)")
    assert told == f'* STATUS "INBOX" (SIZE {2 * len(MAIL)} DELETED 1 MESSAGES 2)\r\nT OK Status told\r\n'
    client.say("EXPUNGE")
    assert f"(SIZE {len(MAIL)} DELETED 0)" in client.say("STATUS INBOX (SIZE DELETED)")


def test_status_that_is_asked_again_tells_what_came_changed_and_expired() -> None:
    world = World()
    world.deliver()
    client, other = world.client(), opened(world)
    ask = "STATUS INBOX (MESSAGES UNSEEN)"
    assert "(MESSAGES 1 UNSEEN 1)" in client.say(ask)
    other.say("STORE 1 +FLAGS (\\Seen)")
    assert "(MESSAGES 1 UNSEEN 0)" in client.say(ask)
    first = world.engine.buckets()[0]
    world.clock.advance(2 * 86_400)
    world.deliver()
    assert "(MESSAGES 2 UNSEEN 1)" in client.say(ask)
    assert "(MESSAGES 2 UNSEEN 1)" in client.say(ask)
    world.engine.drop_bucket(first, int(world.clock.now() * 1e6)).result()
    assert "(MESSAGES 1 UNSEEN 1)" in client.say(ask)


def test_the_append_limit_is_told_and_held() -> None:
    client = World().client()
    limit = int(one(r" APPENDLIMIT=(\d+)", client.say("CAPABILITY")))
    assert f'(APPENDLIMIT {limit})' in client.say("STATUS INBOX (APPENDLIMIT)")
    assert client.say(f"APPEND INBOX {{{limit + 1}}}").startswith("T NO [TOOBIG] ")


def test_a_mailbox_id_is_kept_by_rename_and_never_given_again() -> None:
    client = World().client()
    made = one(r"\[MAILBOXID \(([\w-]+)\)\]", client.say("CREATE work"))
    assert made == one(r"MAILBOXID \(([\w-]+)\)", client.say("STATUS work (MAILBOXID)"))
    client.say("RENAME work play")
    assert made == one(r"\* OK \[MAILBOXID \(([\w-]+)\)\] ", client.say("SELECT play"))
    client.say("DELETE play")
    assert made != one(r"\[MAILBOXID \(([\w-]+)\)\]", client.say("CREATE work"))


def test_a_message_keeps_its_ids_wherever_it_is_copied_and_can_be_found_by_them() -> None:
    world = World()
    world.deliver()
    answer = MAIL.replace(b"lunch@", b"answer@")
    world.deliver(answer.replace(b"\r\n\r\n", b"\r\nIn-Reply-To: <lunch@example.net>\r\n\r\n", 1))
    world.deliver(MAIL.replace(b"lunch@", b"other@"))
    client = opened(world)
    told = [client.say(f"FETCH {number} (EMAILID THREADID)") for number in (1, 2, 3)]
    emails = [one(r"EMAILID \(([\w-]+)\)", answer) for answer in told]
    threads = [one(r"THREADID \(([\w-]+)\)", answer) for answer in told]
    assert len(set(emails)) == 3
    assert threads[0] == threads[1] != threads[2]
    assert client.say(f"SEARCH EMAILID {emails[1]}").startswith("* SEARCH 2\r\n")
    assert client.say(f"SEARCH THREADID {threads[0]}").startswith("* SEARCH 1 2\r\n")
    assert client.say("SEARCH OR EMAILID nonsense THREADID M-0_1").startswith("* SEARCH\r\n")
    client.say("COPY 2 Archive")
    client.say("SELECT Archive")
    assert emails[1] in client.say("FETCH 1 EMAILID")


def test_the_save_date_is_when_a_message_came_into_its_mailbox() -> None:
    world = World()
    world.deliver(received_at=1_000_000_000)
    first = opened(world)
    arrived = one(r'SAVEDATE ("[^"]+")', first.say("FETCH 1 (SAVEDATE)"))
    assert '"09-Sep-2001' not in arrived
    world.clock.advance(5 * 86_400)
    first.say("COPY 1 Archive")
    first.say("SELECT Archive")
    copied = one(r'SAVEDATE ("[^"]+")', first.say("FETCH 1 SAVEDATE"))
    assert copied != arrived
    day = copied[1:12].strip()
    assert first.say(f"SEARCH SAVEDON {day}").startswith("* SEARCH 1\r\n")
    assert first.say(f"SEARCH SAVEDSINCE {day}").startswith("* SEARCH 1\r\n")
    assert first.say(f"SEARCH SAVEDBEFORE {day}").startswith("* SEARCH\r\n")
    assert first.say("SEARCH SAVEDATESUPPORTED").startswith("* SEARCH 1\r\n")
    assert first.say("SEARCH NOT SAVEDATESUPPORTED").startswith("* SEARCH\r\n")


def test_a_preview_is_the_first_words_and_never_late() -> None:
    world = World()
    world.deliver()
    world.deliver(MAIL.replace(b"At noon?", b""))
    world.deliver(MAIL.replace(b"At noon?", "Grüße \x01!".encode()))
    client = opened(world)
    assert client.say("FETCH 1 (PREVIEW)").startswith('* 1 FETCH (PREVIEW "At noon?")\r\n')
    assert client.say("FETCH 1 (PREVIEW (LAZY) UID)").startswith('* 1 FETCH (PREVIEW "At noon?" UID 1)\r\n')
    assert client.say("FETCH 2 PREVIEW").startswith('* 2 FETCH (PREVIEW "")\r\n')
    assert "PREVIEW {9}\r\n" in client.say("FETCH 3 PREVIEW")
    assert client.say("FETCH 1 FLAGS") == "* 1 FETCH (FLAGS (\\Recent))\r\nT OK Fetched\r\n"
    assert client.say("FETCH 1 PREVIEW (HASTY)").startswith("T BAD ")
