"""APPEND: bytes kept as they came, quota, UIDs, and the client's copy in Sent."""

from __future__ import annotations

import re

import pytest

from tests.imap_world import ANN, MAIL, World
from xtramail.mailbox.append import Appending
from xtramail.model.bucket import FIRST_DOMAIN_CLASS, bucket_at
from xtramail.model.errors import StoreFault, StoreFull, TooLarge
from xtramail.model.flags import Flag
from xtramail.model.pending import drive
from xtramail.store import bodies, keys, mailboxes, messages
from xtramail.store.new_message import new_message
from xtramail.wire.mime import summarise


def test_the_octets_are_stored_as_they_came() -> None:
    odd = b"Subject: bare\nline\n\nend without newline \xff\x01"
    world = World()
    client = world.client()
    assert re.match(r"T OK \[APPENDUID \d+ 1\] Appended", client.append(odd))
    client.say("SELECT INBOX")
    assert odd.decode("latin-1") in client.say("FETCH 1 BODY.PEEK[]")


def test_flags_keywords_and_date_are_kept() -> None:
    world = World()
    client = world.client()
    client.append(MAIL, extra='(\\Seen \\Draft $Fwd) "17-Jul-1996 02:44:25 -0700" ')
    client.say("SELECT INBOX")
    answer = client.say("FETCH 1 (FLAGS INTERNALDATE)")
    assert "FLAGS (\\Seen \\Draft $Fwd \\Recent)" in answer
    assert 'INTERNALDATE "17-Jul-1996 09:44:25 +0000"' in answer


def test_a_synchronizing_literal_is_asked_for_and_a_refused_one_is_not() -> None:
    world = World()
    client = world.client()
    assert client.say(f"APPEND INBOX {{{len(MAIL)}}}") == "+ Go ahead\r\n"
    client.send(MAIL + b"\r\n")
    assert "OK [APPENDUID" in client.heard()
    assert client.say("APPEND nowhere {10}").startswith("T NO [TRYCREATE]")
    assert client.say("APPEND INBOX {99999999}").startswith("T NO [TOOBIG]")
    assert "T OK" in client.say("NOOP")


def test_a_refused_literal_that_comes_anyway_is_read_past() -> None:
    world = World()
    client = world.client()
    assert client.append(MAIL, "nowhere").startswith("T NO [TRYCREATE]")
    assert client.say("NOOP") == "T OK Done\r\n"


def test_quota_refuses_append_and_copy_and_part_of_nothing_is_kept() -> None:
    world = World(quota=2 * len(MAIL))
    client = world.client()
    assert "T OK" in client.append(MAIL)
    assert "T OK" in client.append(MAIL)
    assert client.append(MAIL).startswith("T NO [OVERQUOTA]")
    client.say("SELECT INBOX")
    assert client.say("COPY 1:2 Archive").startswith("T NO [OVERQUOTA]")
    assert "MESSAGES 0" in client.say("STATUS Archive (MESSAGES)")
    assert "T OK" in client.say("MOVE 1 Archive")


def test_an_append_into_the_selected_mailbox_is_told_before_it_is_acknowledged() -> None:
    world = World()
    client = world.client()
    client.say("SELECT INBOX")
    lines = client.append(MAIL).splitlines()
    assert lines[:2] == ["* 1 EXISTS", "* 1 RECENT"] and lines[2].startswith("T OK [APPENDUID")


@pytest.mark.parametrize(("error", "code"), [(StoreFull(), "LIMIT"), (StoreFault(), "UNAVAILABLE")])
def test_a_message_of_which_a_piece_could_not_be_kept_is_refused(error: Exception, code: str) -> None:
    world = World()
    client = world.client()
    # The last piece, with all that leads to it, is written after those: there is room for that one.
    world.engine.fail_next(error)
    assert client.append(b"Subject: big\r\n\r\n" + b"0123456789" * 100_000).startswith(f"T NO [{code}]")
    assert "* 0 EXISTS" in client.say("SELECT INBOX")
    assert "T OK" in client.append(MAIL)


def test_a_large_message_is_handed_to_the_store_piece_by_piece() -> None:
    world = World()
    client = world.client()
    message = b"Subject: big\r\n\r\n" + bytes(33 + n * 7 % 90 for n in range(1_000_000))
    world.engine.pause()
    client.send(b"a APPEND INBOX {%d+}\r\n" % len(message))
    sent = 0
    while client.transport.producerState == "producing" and sent < len(message):
        client.send(message[sent : sent + 50_000])
        sent += 50_000
    assert sent < 600_000
    world.engine.resume()
    client.send(message[sent:] + b"\r\n")
    assert "a OK [APPENDUID" in client.heard()
    client.say("SELECT INBOX")
    assert message.decode("latin-1") in client.say("FETCH 1 BODY.PEEK[]")


def test_an_append_that_is_cut_off_leaves_nothing() -> None:
    world = World()
    client = world.client()
    client.send(b"a APPEND INBOX {500}\r\nSubject: x\r\n")
    client.lose()
    assert "MESSAGES 0" in world.client().say("STATUS INBOX (MESSAGES)")


def test_the_day_of_a_message_is_the_one_it_began_on() -> None:
    world = World()
    session = world.session()
    world.clock.advance(86_400 - 1)
    began = world.clock.now()
    appending = Appending(session, "INBOX", len(MAIL), Flag(0), (), None)
    appending.chunk(MAIL[:20])
    world.clock.advance(10)
    appending.chunk(MAIL[20:])
    drive(appending.finish())
    assert world.engine.buckets() == [bucket_at(began, FIRST_DOMAIN_CLASS)]


def test_more_than_the_limit_is_refused_before_its_first_octet() -> None:
    with pytest.raises(TooLarge):
        Appending(World().session(), "INBOX", 1 << 40, Flag(0), (), None)


def file_copy(world: World, source: str) -> None:
    """As submission files what it sends."""
    now, ident = world.clock.now(), world.services.ids.next()
    bucket = bucket_at(now, FIRST_DOMAIN_CLASS)
    writer = bodies.BodyWriter(world.engine, bucket, ident)
    writer.write(MAIL)
    ref, tail = writer.finish()
    message = new_message(summarise(MAIL), ref, object_id=ident, internaldate=now, source=source, flags=Flag.SEEN)

    def link(txn: object) -> None:
        sent = mailboxes.mailbox_by_use(txn, "\\Sent")  # type: ignore[arg-type]
        assert sent is not None
        messages.add(txn, sent.id, bucket, message, now)  # type: ignore[arg-type]

    world.engine.transact(keys.BODY, lambda txn: bodies.put_chunks(txn, bucket, ident, tail)).result()
    world.engine.transact(keys.user_scope(ANN), link).result()


def test_the_clients_own_copy_in_sent_replaces_the_filed_one_without_a_trace() -> None:
    world = World()
    client = world.client()
    file_copy(world, "submission")
    client.say("SELECT Sent")
    own = MAIL.replace(b"At noon?", b"At noon, as the client wrote it?")
    answer = client.append(own, "Sent", "(\\Seen) ")
    assert answer.startswith("* 1 EXPUNGE\r\n* 1 EXISTS\r\n")
    assert "as the client wrote it" in client.say("FETCH 1 BODY[]")
    assert world.engine.read(keys.user_scope(ANN), messages.recoverables) == []


def test_two_copies_that_the_client_itself_appends_are_both_kept() -> None:
    world = World()
    client = world.client()
    client.append(MAIL, "Sent")
    client.append(MAIL, "Sent")
    assert "MESSAGES 2" in client.say("STATUS Sent (MESSAGES)")


def test_a_filed_copy_is_replaced_in_sent_only() -> None:
    world = World()
    client = world.client()
    file_copy(world, "submission")
    client.append(MAIL, "Drafts")
    assert "MESSAGES 1" in client.say("STATUS Sent (MESSAGES)")
