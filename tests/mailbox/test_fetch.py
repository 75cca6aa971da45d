"""FETCH: sections, partials and summaries of stored messages, octet for octet."""

from __future__ import annotations

import re

import pytest

from tests.imap_world import MAIL, World
from xtramail.model.flags import Flag

SUBJECT = b"Subject: =?utf-8?q?Caf=C3=A9?=\r\n"
INNER = b"Subject: inner\r\nFrom: carl@example.net\r\n\r\nInner text\r\n"
NESTED = (
    b"From: bob@example.net\r\n"
    b"Subject: =?utf-8?q?Caf=C3=A9?=\r\n"
    b"X-Folded: one\r\n\ttwo\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--b\r\n"
    b"Content-Type: text/plain\r\n"
    b"\r\n"
    b"First part\r\n"
    b"--b\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n" + INNER + b"\r\n--b--\r\n"
)
HEADER = NESTED[: NESTED.index(b"\r\n\r\n") + 4]
TEXT = NESTED[len(HEADER) :]


def section(item: str, message: bytes = NESTED) -> bytes | None:
    """What ``BODY.PEEK[item]`` gives; None for NIL."""
    world = World()
    world.deliver(message)
    client = world.client()
    client.say("EXAMINE INBOX")
    answer = client.say(f"FETCH 1 {item}").encode("latin-1")
    if b" NIL)" in answer:
        return None
    match = re.match(rb"\* 1 FETCH \([^{]+\{(\d+)\}\r\n", answer)
    assert match is not None, answer
    size = int(match.group(1))
    octets = answer[match.end() : match.end() + size]
    assert answer[match.end() + size :].startswith(b")\r\nT OK"), answer
    return octets


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("BODY.PEEK[]", NESTED),
        ("RFC822", NESTED),
        ("BODY.PEEK[HEADER]", HEADER),
        ("RFC822.HEADER", HEADER),
        ("BODY.PEEK[TEXT]", TEXT),
        ("RFC822.TEXT", TEXT),
        ("BODY.PEEK[1]", b"First part"),
        ("BODY.PEEK[1.MIME]", b"Content-Type: text/plain\r\n\r\n"),
        ("BODY.PEEK[2]", INNER),
        ("BODY.PEEK[2.MIME]", b"Content-Type: message/rfc822\r\n\r\n"),
        ("BODY.PEEK[2.HEADER]", INNER[: INNER.index(b"\r\n\r\n") + 4]),
        ("BODY.PEEK[2.TEXT]", b"Inner text\r\n"),
        ("BODY.PEEK[2.1]", b"Inner text\r\n"),
        ("BODY.PEEK[2.HEADER.FIELDS (From)]", b"From: carl@example.net\r\n\r\n"),
        ("BODY.PEEK[3]", None),
        ("BODY.PEEK[1.2]", None),
        ("BODY.PEEK[1.TEXT]", None),
        ("BODY.PEEK[HEADER.FIELDS (x-folded subject)]", SUBJECT + b"X-Folded: one\r\n\ttwo\r\n\r\n"),
        ("BODY.PEEK[HEADER.FIELDS (nothing)]", b"\r\n"),
        (
            "BODY.PEEK[HEADER.FIELDS.NOT (subject x-folded content-type)]",
            b"From: bob@example.net\r\nMIME-Version: 1.0\r\n\r\n",
        ),
    ],
)
def test_sections(item: str, expected: bytes | None) -> None:
    assert section(item) == expected


@pytest.mark.parametrize("start", [0, 1, 7, len(NESTED) - 1, len(NESTED), len(NESTED) + 1, 4_000_000_000])
@pytest.mark.parametrize("count", [1, 10, len(NESTED), 393_216])
def test_partials_are_exact_also_past_the_end(start: int, count: int) -> None:
    assert section(f"BODY.PEEK[]<{start}.{count}>") == NESTED[start : start + count]


@pytest.mark.parametrize(
    ("item", "whole"),
    [("TEXT", TEXT), ("HEADER", HEADER), ("1", b"First part"), ("HEADER.FIELDS (SUBJECT)", SUBJECT + b"\r\n")],
)
def test_partials_of_sections(item: str, whole: bytes) -> None:
    assert section(f"BODY.PEEK[{item}]<3.5>") == whole[3:8]
    assert section(f"BODY.PEEK[{item}]<5000.5>") == b""


def test_the_origin_of_a_partial_is_echoed_and_its_count_is_not() -> None:
    world = World()
    world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    assert "BODY[]<5> {3}" in client.say("FETCH 1 BODY.PEEK[]<5.3>")
    answer = client.say("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.4>")
    assert "BODY[HEADER.FIELDS (SUBJECT)]<0> {4}" in answer


@pytest.mark.parametrize("size", [64_990, 65_000, 65_001, 130_000, 400_000])
def test_large_bodies_are_whole_at_every_chunk_border(size: int) -> None:
    message = b"Subject: s\r\n\r\n" + bytes(33 + n % 90 for n in range(size))
    assert section("BODY.PEEK[]", message) == message
    assert section("BODY.PEEK[]<64990.70000>", message) == message[64_990 : 64_990 + 70_000]
    assert section("BODY.PEEK[TEXT]", message) == message[14:]


def test_a_message_without_a_body_has_an_empty_text() -> None:
    assert section("BODY.PEEK[TEXT]", b"Subject: s\r\n\r\n") == b""
    assert section("BODY.PEEK[1]", b"Subject: s\r\n\r\n") == b""


def test_part_one_of_a_message_that_is_not_multipart_is_its_text() -> None:
    assert section("BODY.PEEK[1]", MAIL) == b"At noon?\r\n"
    assert section("BODY.PEEK[1.1]", MAIL) is None
    assert section("BODY.PEEK[2]", MAIL) is None


def test_several_sections_stand_in_one_line_in_the_order_asked_for() -> None:
    world = World()
    world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    answer = client.say("UID FETCH 1 (BODY.PEEK[1]<0.2> FLAGS BODY.PEEK[1]<2.2>)")
    assert answer.startswith("* 1 FETCH (UID 1 BODY[1]<0> {2}\r\nAt FLAGS (\\Recent) BODY[1]<2> {2}\r\n n)\r\n")


def test_reading_a_body_sets_seen_once_and_tells_it() -> None:
    world = World()
    world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    assert "\\Seen" not in client.say("FETCH 1 BODY.PEEK[TEXT]")
    assert client.say("FETCH 1 BODY[TEXT]").endswith(" FLAGS (\\Seen \\Recent))\r\nT OK Fetched\r\n")
    commits = world.engine.commits
    assert "FLAGS" not in client.say("FETCH 1 RFC822.TEXT")
    assert world.engine.commits == commits
    assert client.say("SEARCH SEEN").startswith("* SEARCH 1\r\n")


def test_reading_in_a_mailbox_that_is_only_examined_sets_nothing() -> None:
    world = World()
    world.deliver()
    client = world.client()
    client.say("EXAMINE INBOX")
    assert "\\Seen" not in client.say("FETCH 1 (FLAGS BODY[])")
    assert client.say("SEARCH SEEN").startswith("* SEARCH\r\n")


def test_macros_and_summaries() -> None:
    world = World()
    world.deliver(received_at=1_700_000_000, flags=Flag.ANSWERED, keywords=("$Label1",))
    client = world.client()
    client.say("SELECT INBOX")
    fast = client.say("FETCH 1 FAST")
    assert fast.startswith(
        '* 1 FETCH (FLAGS (\\Answered $Label1 \\Recent) INTERNALDATE "14-Nov-2023 22:13:20 +0000" RFC822.SIZE '
    )
    full = client.say("FETCH 1 FULL")
    assert 'ENVELOPE ("Thu, 1 Jan 2026 10:00:00 +0100" "Lunch"' in full
    assert 'body ("text" "plain"' in full.lower()
    assert f"RFC822.SIZE {len(MAIL)}" in full


def test_ten_thousand_numbers_are_told_in_order() -> None:
    world = World()
    for _ in range(600):
        world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    answer = client.say("FETCH 1:* (UID RFC822.SIZE)")
    assert [int(number) for number in re.findall(r"^\* (\d+) FETCH", answer, re.M)] == list(range(1, 601))
    sparse = client.say("UID FETCH 1,100,599:* (RFC822.SIZE)")
    assert re.findall(r"UID (\d+)", sparse) == ["1", "100", "599", "600"]


def test_a_copied_message_keeps_its_day_and_is_listed_by_its_uid() -> None:
    world = World()
    world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    client.say("COPY 1 Archive")
    world.clock.advance(3 * 86_400)
    client.append(MAIL, "Archive")
    client.say("COPY 1 Archive")
    client.say("SELECT Archive")
    answer = client.say("FETCH 1:* (UID BODY.PEEK[TEXT])")
    assert re.findall(r"UID (\d+)", answer) == ["1", "2", "3"]
    assert answer.count("At noon?") == 3
