"""BINARY (RFC 3516): parts without their transfer encoding, and messages as literal8."""

from __future__ import annotations

import os
from base64 import encodebytes

import pytest

from tests.imap_world import MAIL, Client, World

PICTURE = b"\x89PNG\r\n\x1a\n\0\0" + bytes(range(256))
LETTER = (
    b"From: a@example.net\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n"
    b"Gr=C3=BC=\r\n=C3=9Fe\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + encodebytes(PICTURE).replace(b"\n", b"\r\n")
    + b"--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + MAIL + b"--b--\r\n"
)
INNER = MAIL.removesuffix(b"\r\n")
TEXT = "Grüße".encode()


def selected(message: bytes = LETTER) -> Client:
    made = World()
    made.deliver(message)
    client = made.client()
    client.say("SELECT INBOX")
    return client


def fetched(client: Client, items: bytes) -> bytes:
    client.send(b"a FETCH 1 " + items + b"\r\n")
    return client.heard().encode("latin-1")


@pytest.mark.parametrize(
    ("items", "value"),
    [
        (b"BINARY.PEEK[1]", b"BINARY[1] {7}\r\n" + TEXT),
        (b"BINARY.PEEK[1]<2.3>", b"BINARY[1]<2> {3}\r\n" + TEXT[2:5]),
        (b"BINARY.PEEK[1]<90.3>", b"BINARY[1]<90> {0}\r\n"),
        (b"BINARY.PEEK[2]", b"BINARY[2] ~{%d}\r\n" % len(PICTURE) + PICTURE),
        (b"BINARY.PEEK[2]<8.20>", b"BINARY[2]<8> ~{20}\r\n" + PICTURE[8:28]),
        (b"BINARY.SIZE[1]", b"BINARY.SIZE[1] 7"),
        (b"BINARY.SIZE[2]", b"BINARY.SIZE[2] %d" % len(PICTURE)),
        (b"BINARY.SIZE[9]", b"BINARY.SIZE[9] 0"),
        (b"BINARY.PEEK[9]", b"BINARY[9] NIL"),
        (b"BINARY.PEEK[4]", b"BINARY[4] {%d}\r\n" % len(INNER) + INNER),
        (b"BINARY.PEEK[4.1]", b"BINARY[4.1] {8}\r\nAt noon?"),
        (b"BINARY.SIZE[]", b"BINARY.SIZE[] %d" % len(LETTER)),
        (b"BINARY.PEEK[]", b"BINARY[] {%d}\r\n" % len(LETTER) + LETTER),
        (b"(binary.size[1] binary.peek[1])", b"BINARY.SIZE[1] 7 BINARY[1] {7}\r\n" + TEXT),
    ],
)
def test_parts(items: bytes, value: bytes) -> None:
    assert fetched(selected(), items) == b"* 1 FETCH (" + value + b")\r\na OK Fetched\r\n"


def test_an_unknown_encoding_is_said_and_the_others_are_served() -> None:
    client = selected()
    assert fetched(client, b"BINARY.PEEK[3]").startswith(b"a NO [UNKNOWN-CTE]")
    assert fetched(client, b"BINARY.SIZE[3]").startswith(b"a NO [UNKNOWN-CTE]")
    assert b"BODY[3] {3}\r\nodd" in fetched(client, b"BODY.PEEK[3]")


def test_reading_sets_seen_and_peeking_does_not() -> None:
    client = selected()
    fetched(client, b"(BINARY.PEEK[1] BINARY.SIZE[2])")
    assert "\\Seen" not in client.say("FETCH 1 FLAGS")
    assert b"FLAGS (\\Seen" in fetched(client, b"BINARY[1]")


@pytest.mark.parametrize(
    "items",
    [b"BINARY", b"BINARY[1.MIME]", b"BINARY[HEADER]", b"BINARY.SIZE[1]<0.5>", b"BINARY.PEEK[0]", b"BODY[BINARY]"],
)
def test_mistakes(items: bytes) -> None:
    assert fetched(selected(), items).startswith(b"a BAD")


def test_a_large_part_is_streamed_and_never_held() -> None:
    octets = os.urandom(3_000_000)
    message = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encodebytes(octets)
    client = selected(message)
    client.send(b"a FETCH 1 BINARY.PEEK[1]\r\n")
    heard = b""
    while not heard.endswith(b"a OK Fetched\r\n"):
        heard += client.heard().encode("latin-1")
    head = b"* 1 FETCH (BINARY[1] ~{3000000}\r\n"
    assert heard == head + octets + b")\r\na OK Fetched\r\n"
    client.send(b"b FETCH 1 BINARY.PEEK[1]<1500000.100000>\r\n")
    heard = b""
    while not heard.endswith(b"b OK Fetched\r\n"):
        heard += client.heard().encode("latin-1")
    head = b"* 1 FETCH (BINARY[1]<1500000> ~{100000}\r\n"
    assert heard == head + octets[1_500_000:1_600_000] + b")\r\nb OK Fetched\r\n"


@pytest.mark.parametrize("plus", [b"", b"+"])
def test_a_message_may_come_as_literal8(plus: bytes) -> None:
    client = World().client()
    client.send(b"a APPEND INBOX (\\Seen) ~{%d%b}\r\n" % (len(MAIL), plus) + MAIL + b"\r\n")
    assert "a OK [APPENDUID" in client.heard()
    client.say("SELECT INBOX")
    assert f"BODY[] {{{len(MAIL)}}}" in client.say("FETCH 1 BODY.PEEK[]")


def test_a_binary_part_is_kept_as_base64_and_binary_gives_its_octets_back() -> None:
    client = World().client()
    message = b"Subject: x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + PICTURE
    client.send(b"a APPEND INBOX ~{%d}\r\n" % len(message) + message + b"\r\n")
    assert "a OK [APPENDUID" in client.heard()
    client.say("SELECT INBOX")
    stored = encodebytes(PICTURE).replace(b"\n", b"\r\n")
    assert b"BODY[1] {%d}\r\n" % len(stored) + stored in fetched(client, b"BODY.PEEK[1]")
    size = b"BINARY.SIZE[1] %d " % len(PICTURE)
    assert size + b"BINARY[1] ~{%d}\r\n" % len(PICTURE) + PICTURE in fetched(client, b"(BINARY.SIZE[1] BINARY.PEEK[1])")


def test_each_message_of_a_command_is_rewritten_by_itself() -> None:
    client = World().client()
    binary = b"Content-Transfer-Encoding: binary\r\n\r\n\0\1"
    client.send(b"a APPEND INBOX ~{%d+}\r\n" % len(binary) + binary)
    client.send(b" {%d+}\r\n" % len(MAIL) + MAIL)
    client.send(b" ~{%d+}\r\n" % len(binary) + binary + b"\r\n")
    assert "a OK [APPENDUID" in client.heard()
    client.say("SELECT INBOX")
    assert fetched(client, b"BODY.PEEK[]").count(b"base64\r\n\r\nAAE=\r\n") == 1
    assert client.say("FETCH 1:3 BODY.PEEK[TEXT]").count("AAE=") == 2


def test_a_message_with_nul_is_not_kept_for_nobody_else_could_fetch_it() -> None:
    client = World().client()
    message = MAIL + b"\0"
    client.send(b"a APPEND INBOX ~{%d+}\r\n" % len(message) + message + b"\r\n")
    assert client.heard().startswith("a NO [UNKNOWN-CTE]")
    assert "MESSAGES 0" in client.say("STATUS INBOX (MESSAGES)")
