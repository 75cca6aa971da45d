"""Whatever a client says, it is answered or sent away: never a fault of ours."""

from __future__ import annotations

import random

import pytest

from tests.imap_world import MAIL, World

WORDS = (
    "FETCH", "UID", "STORE", "COPY", "MOVE", "SEARCH", "EXPUNGE", "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME",
    "LIST", "LSUB", "STATUS", "APPEND", "IDLE", "DONE", "CLOSE", "UNSELECT", "CHECK", "NOOP", "ID", "ENABLE",
    "SUBSCRIBE", "NAMESPACE", "INBOX", "inbox", "Sent", "&-", "&AOQ-", "&", '""', '"', "*", "%", "1", "0", "1:*",
    "*:1", "4294967295", "4294967296", "2:1,3", "(", ")", "()", "(UID FLAGS)", "FULL", "BODY[]", "BODY[1.2.MIME]",
    "BODY.PEEK[HEADER.FIELDS (X)]<0.9>", "BODY[]<4294967295.1>", "RFC822", "+FLAGS", "-FLAGS.SILENT", "FLAGS",
    "(\\Seen)", "(\\Recent)", "(a b c)", "\\Deleted", "(MESSAGES RECENT)", "ALL", "NOT", "OR", "TEXT", "SUBJECT",
    "SINCE", "1-Jan-2026", "31-Feb-2026", "SENTON", "KEYWORD", "NIL", "{3}", "{3+}", "{0}", "{99999999999}", "abc",
    "CHARSET", "UTF-8", "RETURN", "(MIN MAX)", "x" * 300, "/", "a/b/c", "INBOX/x", "..", "\x80\xff", "\x00", "\r",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_random_words_never_find_a_bug(seed: int) -> None:
    rng = random.Random(seed)
    world = World()
    for _ in range(3):
        world.deliver()
    world.deliver(MAIL.replace(b"\r\n", b"\n"))
    for _ in range(12):
        client = world.client()
        for number in range(25):
            words = [rng.choice(WORDS[:24]), *rng.choices(WORDS, k=rng.randint(0, 4))]
            if rng.random() < 0.3:
                client.send(b"s SELECT INBOX\r\n")
            client.send(f"x{number} {' '.join(words)}\r\n".encode("latin-1"))
            heard = client.heard()
            world.advance(1)
            assert "SERVERBUG" not in heard, (words, heard)
            if client.closed:
                break
        client.lose()
    registry = world.service.collaborators.metrics.registry
    assert registry.get_sample_value("xtramail_bugs_total", {"where": "imap"}) is None
    assert world.limits.connections("imaps") == 0
    assert len(world.services.looks) == 0


@pytest.mark.parametrize("seed", range(6))
def test_random_octets_never_find_a_bug(seed: int) -> None:
    rng = random.Random(seed)
    world = World()
    for login in (True, False):
        client = world.client(login=login)
        while not client.closed:
            client.send(rng.randbytes(rng.randint(1, 200)) + rng.choice((b"\r\n", b"", b"\n")))
            world.advance(rng.choice((0, 1, 30)))
            assert "SERVERBUG" not in client.heard()


NO_MAIL = {
    "noise": random.Random(1).randbytes(3_000).replace(b"\0", b"\1"),
    "no header": b"\r\n\r\n\r\nonly a body, and no line end",
    "no colon": b"this is no field\r\n" * 40 + b"\r\n\xff\xfe body \r\n",
    "too deep": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth) for depth in range(300)
    ),
    "one endless field": b"Subject: " + b"x" * 300_000,
    "a boundary that never ends": b'Content-Type: multipart/mixed; boundary="\r\n\r\n--\r\n--"--\r\n',
}


@pytest.mark.parametrize("name", NO_MAIL)
def test_what_cannot_be_parsed_is_served_octet_for_octet(name: str) -> None:
    world = World()
    world.deliver(NO_MAIL[name])
    client = world.client()
    client.say("SELECT INBOX")
    told = client.say("FETCH 1 (RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
    size = len(NO_MAIL[name])
    assert f"RFC822.SIZE {size} " in told and "T OK " in told
    _, _, behind = told.partition(f"BODY[] {{{size}}}\r\n")
    assert behind[:size].encode("latin-1") == NO_MAIL[name]


def test_a_browser_is_sent_away_without_an_answer() -> None:
    world = World()
    client = world.client(login=False)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\na LOGIN x y\r\n")
    assert client.heard() == ""
    assert client.closed
