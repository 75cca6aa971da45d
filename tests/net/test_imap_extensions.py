"""Extensions that are understood already and offered when the configuration names them."""

from __future__ import annotations

from tests.imap_world import MAIL, World
from xtramail.wire.imap.config import BASE_CAPABILITIES

MORE = (*BASE_CAPABILITIES, "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "OBJECTID", "PREVIEW")


def world() -> World:
    made = World(capabilities=MORE)
    made.deliver()
    made.clock.advance(1000)
    made.deliver()
    return made


def test_esearch_quotes_the_tag_and_tells_only_what_was_asked() -> None:
    client = world().client()
    client.say("SELECT INBOX")
    client.send(b"x9 SEARCH RETURN (MIN COUNT) ALL\r\n")
    assert client.heard() == '* ESEARCH (TAG "x9") MIN 1 COUNT 2\r\nx9 OK Searched\r\n'
    client.send(b"x9 UID SEARCH RETURN () UNSEEN\r\n")
    assert client.heard() == '* ESEARCH (TAG "x9") UID ALL 1:2\r\nx9 OK Searched\r\n'
    client.send(b"x9 SEARCH RETURN (ALL MAX) SEEN\r\n")
    assert client.heard() == '* ESEARCH (TAG "x9")\r\nx9 OK Searched\r\n'


def test_older_and_younger_look_at_the_arrival() -> None:
    client = world().client()
    client.say("SELECT INBOX")
    assert client.say("SEARCH OLDER 900").startswith("* SEARCH 1\r\n")
    assert client.say("SEARCH YOUNGER 900").startswith("* SEARCH 2\r\n")


def test_list_selects_and_returns_what_is_asked() -> None:
    client = world().client()
    client.say("SUBSCRIBE lost")
    client.say("UNSUBSCRIBE Trash")
    special = client.say('LIST (SPECIAL-USE) "" *')
    assert special.count("* LIST") == 5 and '"INBOX"' not in special
    subscribed = client.say('LIST (SUBSCRIBED) "" *')
    assert '* LIST (\\NonExistent \\Subscribed) "/" "lost"' in subscribed
    assert '"Trash"' not in subscribed
    status = client.say('LIST "" (INBOX Sent) RETURN (SUBSCRIBED STATUS (MESSAGES SIZE))')
    assert '* LIST (\\HasNoChildren \\Subscribed) "/" "INBOX"' in status
    assert f'* STATUS "INBOX" (MESSAGES 2 SIZE {2 * len(MAIL)})' in status


def test_object_ids_and_previews() -> None:
    client = world().client()
    client.say("SELECT INBOX")
    client.say("COPY 1 Archive")
    answer = client.say("FETCH 1 (EMAILID THREADID PREVIEW)")
    assert 'PREVIEW "At noon?"' in answer
    client.say("SELECT Archive")
    assert client.say("FETCH 1 (EMAILID THREADID PREVIEW)") == answer
