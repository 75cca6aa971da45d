"""What never ends is not kept: eight megabytes of each kind of flood, and how much was held at once."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable

import pytest

from tests.wire.imap import dialogue
from tests.wire.imap.dialogue import EVERYTHING
from tests.wire.pop3.dialogue import TLS
from tests.wire.pop3.dialogue import Peer as Pop3Peer
from tests.wire.smtp.client_dialogue import Courier, Job, envelope
from tests.wire.smtp.dialogue import MX, Peer
from xtramail.wire.errors import ProtocolError
from xtramail.wire.mime.binary_parts import BinaryParts
from xtramail.wire.mime.journal_report import JournalReader
from xtramail.wire.mime.scanner import Scanner

FLOOD = 8 << 20
KIB = 1 << 10
Feed = Callable[[bytes], object]


def smtp(*before: bytes) -> Feed:
    peer = Peer(config=MX)
    for octets in before:
        peer.say(octets)
    return peer.say


def imap(*, login: bool) -> Feed:
    connection = dialogue.selected(capabilities=EVERYTHING) if login else dialogue.fresh(capabilities=EVERYTHING)
    return lambda octets: dialogue.play(connection, octets)


def pop3() -> Feed:
    return Pop3Peer(config=TLS).say


def primary(*before: bytes) -> Feed:
    courier = Courier(jobs=deque([Job(envelope("bob@example.org"))]))

    def hear(octets: bytes) -> None:
        try:
            courier.hear(octets)
        except ProtocolError:
            courier.run()

    for octets in before:
        hear(octets)
    return hear


def scanner() -> Feed:
    return Scanner().feed


OPEN = (b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@example.org>\r\n", b"DATA\r\n")
FLOODS: dict[str, tuple[Callable[[], Feed], bytes, int]] = {
    "an SMTP command without end": (smtp, b"x" * 4096, 256),
    "SMTP commands": (smtp, b"NOOP\r\n" * 600, 256),
    "one line of a message": (lambda: smtp(*OPEN), b"x" * 4096, 256),
    "a message that does not end": (lambda: smtp(*OPEN), b"x: y\r\n" * 600, 256),
    "a message that nearly ends": (lambda: smtp(*OPEN), b"\r\n.\n\r\n.\r" * 500, 256),
    "a chunk that is refused": (lambda: smtp(b"EHLO x\r\n", b"BDAT 2000\r\n"), b"x" * 4096, 256),
    "an IMAP command without end": (lambda: imap(login=True), b"a NOOP " + b"x" * 4096, 512),
    "an IMAP command without end before login": (lambda: imap(login=False), b"a" * 4096, 256),
    "literals without end": (lambda: imap(login=True), b"a SEARCH BODY {4000+}\r\n" + b"x" * 4000, 512),
    "literals within a command": (lambda: imap(login=True), b"{400+}\r\n" + b"x" * 400, 2048),
    "lists within lists": (lambda: imap(login=True), b"(" * 4096, 512),
    "a SASL line without end": (lambda: imap(login=False), b"a AUTHENTICATE PLAIN\r\n" + b"A" * 4000, 256),
    "a POP3 command without end": (pop3, b"x" * 4096, 256),
    "a reply without end": (primary, b"2" * 4096, 256),
    "a reply of endless lines": (primary, b"220-x\r\n" * 500, 256),
    "an endless list of extensions": (lambda: primary(b"220 x\r\n"), b"250-" + b"X" * 1000 + b"\r\n", 512),
    "a header without end": (scanner, b"X: " + b"x" * 4000, 2048),
    "fields without end": (scanner, b"X: y\r\n" * 600, 4096),
    "parts without end": (scanner, b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 8192),
    "a report without end": (lambda: JournalReader().feed, b"x: y\r\n" * 600, 6144),
    "a header of a binary message": (lambda: BinaryParts().feed, b"x: y\r\n" * 600, 8192),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_not_kept(name: str) -> None:
    make, piece, most = FLOODS[name]
    feed = make()
    feed(piece)
    tracemalloc.start()
    try:
        for _ in range(FLOOD // len(piece)):
            feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most * KIB, f"{peak // KIB} KiB"
